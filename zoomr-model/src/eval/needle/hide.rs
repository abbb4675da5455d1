//! A needle among other facts of the same form, and the question for it, as tokens.

use serde::Serialize;

use super::{Haystack, NeedleError, fact::Fact};
use crate::{
    data::synth::draw::Draw,
    text::tokenizer::{Tokenizer, TokenizerError},
};

/// Other facts that are in the text with each needle.
pub const DISTRACTORS: usize = 3;

/// How deep the first needle lies, and how much deeper the last: shares of the haystack.
const DEPTH: (f64, f64) = (0.05, 0.9);

/// How needles are hidden.
#[derive(Clone, Copy, Debug)]
pub struct Hiding<'a> {
    /// What they are hidden in.
    pub haystack: &'a Haystack,
    /// Makes tokens of it.
    pub tokenizer: &'a Tokenizer,
    /// How many there are; their depths are spread evenly over 5 to 95% of the haystack.
    pub count: usize,
    /// About how many tokens the haystack has, with everything that is hidden in it; it is made of whole sentences.
    pub tokens: usize,
    /// Where random numbers start.
    pub seed: u64,
}

/// A key and a value in a long text, and the question for it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Needle {
    /// What is asked for.
    pub key: String,
    /// The right answer.
    pub value: String,
    /// The share of the text around it that stands before it, 0 to 1.
    pub depth: f64,
    /// Tokens of the text, with everything that is hidden in it.
    pub tokens: usize,
    /// The text as tokens.
    #[serde(skip)]
    pub text: Vec<u32>,
    /// The question at its end.
    #[serde(skip)]
    pub question: Vec<u32>,
    /// The values that could follow: the right one, then those of the distractors.
    #[serde(skip)]
    pub values: Vec<Vec<u32>>,
}

impl Needle {
    /// Tokens of text, question and the longest value together.
    pub fn tokens_in_all(&self) -> usize {
        let longest = self.values.iter().map(Vec::len).max().unwrap_or(0);
        self.text.len() + self.question.len() + longest
    }

    /// Tokens that go in for a search under one setting: text and question once, and each value after the question's last.
    pub fn rows(&self) -> usize {
        let values: usize = self.values.iter().map(|value| value.len() + 1).sum();
        self.text.len() + self.question.len().saturating_sub(1) + values
    }
}

impl Hiding<'_> {
    /// The needles, in the order of their depths. Each has a passage, facts and places of its own.
    ///
    /// # Errors
    /// [`NeedleError`].
    pub fn needles(&self) -> Result<Vec<Needle>, NeedleError> {
        (0..self.count).map(|number| self.needle(number)).collect()
    }

    fn needle(&self, number: usize) -> Result<Needle, NeedleError> {
        let mut draw = Draw::new(self.seed, number as u64);
        let facts = Fact::draw(&mut draw, 1 + DISTRACTORS);
        let no_place = |places| NeedleError::NoPlace { tokens: self.tokens, places, facts: facts.len() };
        let hidden = self.tokens_of(&facts)?;
        let room = self.tokens.checked_sub(hidden).ok_or_else(|| no_place(0))?;
        let passage = self.haystack.passage(room, &mut draw)?;
        let depths = passage.depths();
        let places = places(&depths, self.depth(number), &mut draw);
        if places.len() < facts.len() {
            return Err(no_place(depths.len()));
        }
        let insertions = places.iter().copied().zip(facts.iter().map(Fact::sentence));
        let text = passage.with(&insertions.collect::<Vec<_>>());
        Ok(self.asked(&text, &facts, depths[places[0]])?)
    }

    /// How deep a needle should lie.
    fn depth(&self, number: usize) -> f64 {
        let (first, span) = DEPTH;
        match self.count {
            1 => first + 0.5 * span,
            count => first + span * number as f64 / (count - 1) as f64,
        }
    }

    /// Tokens that facts take, each as a paragraph of its own.
    fn tokens_of(&self, facts: &[Fact]) -> Result<usize, TokenizerError> {
        let tokens = |fact: &Fact| Ok(self.tokenizer.encode_verbatim(&(fact.sentence() + "\n\n"))?.len());
        facts.iter().map(tokens).sum()
    }

    /// The needle as tokens. The parts are cut where they agree with the whole: a tokenizer may well join what is between
    /// them.
    fn asked(&self, text: &str, facts: &[Fact], depth: f64) -> Result<Needle, TokenizerError> {
        let Fact { key, value } = &facts[0];
        let encode = |text: &str| self.tokenizer.encode(text);
        let asked = text.to_owned() + &facts[0].question();
        let (text, asked_tokens) = (encode(text)?, encode(&asked)?);
        let answered = facts.iter().map(|fact| encode(&(asked.clone() + &fact.answer())));
        let answered: Vec<Vec<u32>> = answered.collect::<Result<_, _>>()?;
        let question_end = answered.iter().map(|tokens| agreeing(&asked_tokens, tokens)).min().unwrap_or(0);
        let text_end = agreeing(&text, &asked_tokens[..question_end]);
        Ok(Needle {
            key: key.clone(),
            value: value.clone(),
            depth,
            tokens: text_end,
            text: text[..text_end].to_vec(),
            question: asked_tokens[text_end..question_end].to_vec(),
            values: answered.iter().map(|tokens| tokens[question_end..].to_vec()).collect(),
        })
    }
}

/// The place nearest to `depth`, then others for the distractors, all different; fewer where there are not as many.
fn places(depths: &[f64], depth: f64, draw: &mut Draw) -> Vec<usize> {
    let off = |place: &usize| (depths[*place] - depth).abs();
    let Some(nearest) = (0..depths.len()).min_by(|a, b| off(a).total_cmp(&off(b))) else { return Vec::new() };
    let others: Vec<usize> = (0..depths.len()).filter(|place| *place != nearest).collect();
    std::iter::once(nearest).chain(draw.some_of(&others, DISTRACTORS)).collect()
}

/// How many tokens two sequences have in common at their beginning.
fn agreeing(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
