//! Summaries without a teacher: sentences of the thought itself.
//!
//! The sentence that says most of what sets its thought apart from the trace's others: the sum over its words of
//! `occurrences in the thought x ln((1 + thoughts) / thoughts with the word)`, twice that for a result (a word with a
//! digit right after `=` or `≈`), divided by the square root of the sentence's length in words; of equals the last.
//! Beside it, where there is room, the last sentence with a result. The same trace gives the same summaries; they
//! are no match for a teacher's.

use std::collections::{HashMap, HashSet};

use super::{
    cut::{sentences, shorten},
    summary::{Limit, Summary, one_line},
};
use crate::text::tokenizer::TokenizerError;

/// Chooses sentences from the thoughts of one trace.
#[derive(Debug)]
pub struct Extractor {
    thoughts: usize,
    /// In how many thoughts each word occurs.
    spread: HashMap<String, usize>,
}

impl Extractor {
    /// Learns which words set a thought of a trace apart.
    pub fn new<'t>(thoughts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut extractor = Self { thoughts: 0, spread: HashMap::new() };
        for thought in thoughts {
            extractor.thoughts += 1;
            for word in words(thought).collect::<HashSet<_>>() {
                *extractor.spread.entry(word).or_default() += 1;
            }
        }
        extractor
    }

    /// The summary of one of the thoughts.
    ///
    /// # Errors
    /// [`TokenizerError`] where the measure is a tokenizer that has no tokens for some word.
    pub fn summary(&self, thought: &str, limit: Limit<'_>) -> Result<Summary, TokenizerError> {
        let sentences = sentences(thought);
        let best = self.best_first(thought, &sentences);
        let fits = |text: &str| limit.measure.length(text).map(|length| length <= limit.most);
        for &chosen in &best {
            let text = one_line(sentences[chosen]);
            if !fits(&text)? {
                continue;
            }
            let last = sentences.iter().rposition(|sentence| has_result(sentence)).unwrap_or(chosen);
            let both = [chosen.min(last), chosen.max(last)].map(|at| one_line(sentences[at])).join(" ");
            let with_result = last != chosen && fits(&both)?;
            return Ok(Summary { text: if with_result { both } else { text }, cut: false });
        }
        let text = one_line(best.first().map_or(thought, |&best| sentences[best]));
        Ok(Summary { text: shorten(&text, limit.measure, limit.most)?.to_owned(), cut: true })
    }

    /// The places of a thought's sentences, the best one's first.
    fn best_first(&self, thought: &str, sentences: &[&str]) -> Vec<usize> {
        let mut occurrences: HashMap<String, f64> = HashMap::new();
        words(thought).for_each(|word| *occurrences.entry(word).or_default() += 1.0);
        let weight = |word: &str| {
            let spread = self.spread.get(word).copied().unwrap_or(1);
            occurrences.get(word).copied().unwrap_or(0.0) * ((1 + self.thoughts) as f64 / spread as f64).ln()
        };
        let score = |sentence: &str| {
            let results: HashSet<String> = results(sentence).collect();
            let mut seen = HashSet::new();
            // In the order of the text, not of a set: sums of floats must come out the same in every run.
            let once = words(sentence).filter(|word| seen.insert(word.clone()));
            let sum: f64 =
                once.map(|word| weight(&word) * if results.contains(&word) { 2.0 } else { 1.0 }).sum();
            sum / (words(sentence).count().max(1) as f64).sqrt()
        };
        let scores: Vec<f64> = sentences.iter().map(|sentence| score(sentence)).collect();
        let mut best: Vec<usize> = (0..sentences.len()).collect();
        best.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(b.cmp(&a)));
        best
    }
}

/// The words of a text, in lower case: letters and digits, with the points within numbers.
fn words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '.').map(|word| word.trim_matches('.'));
    words.filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// The numbers that a text says something to be equal to.
fn results(text: &str) -> impl Iterator<Item = String> {
    let sides = text.split(['=', '≈']).skip(1);
    sides.filter_map(|side| words(side).next()).filter(|word| word.contains(|c: char| c.is_ascii_digit()))
}

fn has_result(sentence: &str) -> bool {
    results(sentence).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::annotate::Measure;

    fn summaries(thoughts: &[&str], most: usize) -> Vec<Summary> {
        let extractor = Extractor::new(thoughts.iter().copied());
        let limit = Limit { measure: &Measure::Words, most };
        thoughts.iter().map(|thought| extractor.summary(thought, limit).unwrap()).collect()
    }

    const THOUGHTS: [&str; 3] = [
        "Let me think about the train. The train covers 120 km in 2 hours. So its speed is v = 60 km/h.",
        "Let me think about the bus. The bus needs 3 hours for the 120 km. So its speed is w = 40 km/h.",
        "Let me think about that again. Hmm, is that right? I believe that the difference matters here.",
    ];

    #[test]
    fn what_is_said_once_and_what_came_of_it_is_kept() {
        let [train, bus, doubt] = summaries(&THOUGHTS, 30).try_into().unwrap();
        assert!(train.text.contains("v = 60") && !train.text.contains("Let me think"), "{}", train.text);
        assert!(bus.text.contains("w = 40"), "{}", bus.text);
        assert_eq!(doubt.text, "I believe that the difference matters here.");
        assert!(!train.cut && !bus.cut && !doubt.cut);
    }

    #[test]
    fn summaries_keep_to_the_limit() {
        for most in 1..30 {
            for summary in summaries(&THOUGHTS, most) {
                let length = Measure::Words.length(&summary.text).unwrap();
                assert!((1..=most).contains(&length), "{most}: {}", summary.text);
            }
        }
        assert!(summaries(&THOUGHTS, 2).iter().all(|summary| summary.cut));
        assert_eq!(summaries(&THOUGHTS, 9), summaries(&THOUGHTS, 9));
    }

    #[test]
    fn a_thought_without_words_is_its_own_summary() {
        assert_eq!(summaries(&["...", "=\n="], 5)[0].text, "...");
        assert_eq!(summaries(&["two\nlines"], 5)[0].text, "lines");
    }
}
