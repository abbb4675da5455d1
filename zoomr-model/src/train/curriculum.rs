//! What each step learns from: phases of problems made on the spot, or of examples from a file.
//!
//! A step's texts follow from the seed and the step's number alone, so that a run that was cut off goes on with
//! what would have come. Examples are drawn with replacement.

use std::{ops::RangeInclusive, path::Path};

use zoomr_core::segment::Markers as Segmenter;

use super::{
    TrainError,
    phase::Data,
    random::{Purpose, of_step},
    recipe::Recipe,
    sequence::Sequence,
};
use crate::{
    data::{
        example::Example,
        lines,
        render::{given_and_written, stray_marker},
        synth::{Generator, ask, draw::Draw, generators},
    },
    digest::Digest,
    reasoning_format::{self, Markers},
    text::{
        chat::{ChatTemplate, Message},
        tokenizer::Tokenizer,
    },
};

/// The texts of a run.
#[derive(Debug)]
pub struct Curriculum<'a> {
    phases: Vec<(usize, usize, Supply)>,
    reader: Reader<'a>,
    seed: u64,
}

/// A phase's texts, ready to be drawn.
#[derive(Debug)]
enum Supply {
    Made { generators: Vec<Box<dyn Generator>>, tokens: RangeInclusive<usize>, more_finds: usize },
    Read(Vec<Sequence>),
}

/// Makes sequences of examples.
#[derive(Debug)]
struct Reader<'a> {
    tokenizer: &'a Tokenizer,
    markers: Markers,
    /// Puts a question as a user's turn.
    chat: Option<&'a ChatTemplate>,
    segmenter: Segmenter,
    longest: usize,
}

impl<'a> Curriculum<'a> {
    /// The texts of a recipe's phases; those longer than `longest` tokens are an error. With a `chat` template,
    /// questions are a user's turn.
    ///
    /// # Errors
    /// [`TrainError::Recipe`] where a phase has no texts, [`TrainError::Markers`], [`TrainError::TooLong`] and
    /// [`TrainError::Synth`] where no problem is as long as was asked for, [`TrainError::File`] where a file cannot be
    /// read, and [`TrainError::Example`] where one of its examples cannot be learnt from.
    pub fn new(
        recipe: &Recipe,
        tokenizer: &'a Tokenizer,
        markers: Markers,
        chat: Option<&'a ChatTemplate>,
        longest: usize,
    ) -> Result<Self, TrainError> {
        let segmenter = reasoning_format::segmenter(&markers, tokenizer)?;
        let reader = Reader { tokenizer, markers, chat, segmenter, longest };
        let refuse = |reason: &str| Err(TrainError::Recipe { setting: "phases", reason: reason.into() });
        let mut supplies = Vec::with_capacity(recipe.phases.len());
        for phase in &recipe.phases {
            let supply = match &phase.data {
                Data::Synth { kinds, tokens, .. } if kinds.is_empty() || tokens.is_empty() => {
                    return refuse("give at least one kind, and lengths from a smaller to a larger");
                }
                Data::Synth { kinds, tokens, labels, more_finds } => {
                    // Said now, not when such a length is drawn.
                    if *tokens.end() > longest {
                        return Err(TrainError::TooLong { tokens: *tokens.end(), longest });
                    }
                    let generators = generators(kinds, *labels, tokens)?;
                    Supply::Made { generators, tokens: tokens.clone(), more_finds: *more_finds }
                }
                Data::File(path) => {
                    let sequences = reader.sequences(path)?;
                    if sequences.is_empty() {
                        return refuse(&format!("{} has no examples", path.display()));
                    }
                    Supply::Read(sequences)
                }
            };
            supplies.push((phase.steps, phase.step_tokens, supply));
        }
        Ok(Self { phases: supplies, reader, seed: recipe.seed })
    }

    /// What tells these texts from others, in hexadecimal: all that were read, and the first that each phase makes, which
    /// show how problems become tokens; the rest of those follows from the recipe.
    ///
    /// # Errors
    /// As [`batch`](Self::batch).
    pub fn digest(&self) -> Result<String, TrainError> {
        let bytes = |ids: &[u32]| ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>();
        let of =
            |texts: &[Sequence]| Digest::of(texts.iter().flat_map(Sequence::parts).map(bytes)).to_string();
        let (mut phases, mut first) = (Vec::with_capacity(self.phases.len()), 0);
        for (steps, _, supply) in &self.phases {
            phases.push(match supply {
                Supply::Read(sequences) => of(sequences),
                Supply::Made { .. } => of(&self.batch(first)?),
            });
            first += steps;
        }
        Ok(Digest::of(phases).to_string())
    }

    /// The texts of step `step`, the first being 0; after the last phase its texts go on.
    ///
    /// # Errors
    /// [`TrainError::Synth`] where no problem has a length asked for, [`TrainError::TooLong`], and whatever the
    /// tokenizer says.
    pub fn batch(&self, step: usize) -> Result<Vec<Sequence>, TrainError> {
        let mut left = step;
        let phase = self.phases.iter().find(|(steps, ..)| {
            let here = left < *steps;
            left = left.saturating_sub(*steps);
            here
        });
        let Some((_, step_tokens, supply)) = phase.or(self.phases.last()) else {
            return Err(TrainError::NoSequences);
        };
        let (mut batch, mut tokens) = (Vec::new(), 0);
        while tokens < *step_tokens {
            let draw = of_step(self.seed, Purpose::Texts, step, batch.len());
            let sequence = self.draw(supply, draw)?;
            tokens += sequence.inputs().len();
            batch.push(sequence);
        }
        Ok(batch)
    }

    fn draw(&self, supply: &Supply, mut draw: Draw) -> Result<Sequence, TrainError> {
        match supply {
            Supply::Read(sequences) => Ok(sequences[draw.below(sequences.len())].clone()),
            Supply::Made { generators, tokens, more_finds } => {
                let generator = &generators[draw.below(generators.len())];
                let (from, to) = (*tokens.start() as f64, *tokens.end() as f64);
                let length = from * libm::pow(to / from, draw.share());
                let example = generator.example(length as usize, &mut draw)?;
                let more = draw.within(0..=*more_finds);
                self.reader.sequence(&ask::more(example, more, &mut draw)?)
            }
        }
    }
}

impl Reader<'_> {
    /// The examples of a file.
    fn sequences(&self, path: &Path) -> Result<Vec<Sequence>, TrainError> {
        let mut examples = lines::read::<Example>(path)?;
        let mut sequences = Vec::new();
        while let Some(example) = examples.next() {
            let sequence = self.sequence(&example?).map_err(|error| TrainError::Example {
                path: path.to_owned(),
                line: examples.line(),
                source: Box::new(error),
            });
            sequences.push(sequence?);
        }
        Ok(sequences)
    }

    fn sequence(&self, example: &Example) -> Result<Sequence, TrainError> {
        if let Some((marker, segment)) = stray_marker(example, &self.markers) {
            return Err(TrainError::StrayMarker { marker: marker.to_owned(), segment });
        }
        let [mut prompt, written] = given_and_written(example, &self.markers);
        if let Some(chat) = self.chat {
            prompt = chat.render(&[Message::user(prompt)], true)?;
        }
        let (prompt, written) =
            (self.tokenizer.encode_verbatim(&prompt)?, self.tokenizer.encode_verbatim(&written)?);
        let tokens = prompt.len() + written.len();
        if tokens > self.longest {
            return Err(TrainError::TooLong { tokens, longest: self.longest });
        }
        Sequence::new(&prompt, &written, Box::new(self.segmenter.clone()))
    }
}
