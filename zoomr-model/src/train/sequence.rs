//! A text to learn from: its tokens, which of them the model writes, and its thoughts.

use zoomr_core::{
    segment::{Grammar, Role, Segmenter, Stream},
    token::Token,
    trigger::Trigger,
};

use super::TrainError;

/// One text, segmented as a decoder would segment it.
#[derive(Clone, Debug)]
pub struct Sequence {
    ids: Vec<u32>,
    /// Tokens before this one were given to the model, the rest it writes.
    prompt: usize,
    stream: Stream,
}

impl Sequence {
    /// A text of a prompt and what the model is to write after it; `segmenter` goes by token ids alone.
    ///
    /// # Errors
    /// [`TrainError::TooShort`] where either part is empty.
    pub fn new(prompt: &[u32], written: &[u32], segmenter: Box<dyn Segmenter>) -> Result<Self, TrainError> {
        if prompt.is_empty() || written.is_empty() {
            return Err(TrainError::TooShort { prompt: prompt.len(), written: written.len() });
        }
        let mut grammar = Grammar::new(segmenter, Trigger::ModelEmitted);
        let roles = [(prompt, Role::Prompt), (written, Role::Stream)];
        for (ids, role) in roles {
            ids.iter().for_each(|&id| grammar.push(Token::bare(id), role, 0));
        }
        let ids = [prompt, written].concat();
        Ok(Self { ids, prompt: prompt.len(), stream: grammar.stream().clone() })
    }

    /// The tokens that go into the model: all but the last, which is only ever predicted.
    pub fn inputs(&self) -> &[u32] {
        &self.ids[..self.ids.len() - 1]
    }

    /// What the model is given, and what it writes.
    pub(super) fn parts(&self) -> [&[u32]; 2] {
        [&self.ids[..self.prompt], self.targets()]
    }

    /// The rows whose next token the model writes.
    pub(super) fn predicting(&self) -> std::ops::Range<usize> {
        self.prompt - 1..self.ids.len() - 1
    }

    /// The tokens that those rows are to predict.
    pub(super) fn targets(&self) -> &[u32] {
        &self.ids[self.prompt..]
    }

    /// Its segments and thoughts.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }
}
