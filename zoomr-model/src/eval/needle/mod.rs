//! Needles: a key and a value, stated once in a long text and asked for at its end.
//!
//! | file | what is in it |
//! |---|---|
//! | `haystack` | a text as sentences, between which a fact can stand |
//! | `fact` | what is hidden: keys and values |
//! | `hide` | a needle among other facts of the same form, and the question for it |
//! | `search` | one needle under one setting: how likely the model finds each of the values |
//! | `summary` | a table's rows |
//!
//! What is found is the right one of several values that are all in the text, so that a model that only knows that a
//! number is due finds no more than chance would. Needles depend on text, tokenizer and seed alone: they are the same under
//! every setting.

mod error;
mod fact;
mod haystack;
mod hide;
mod search;
mod summary;

pub use self::{
    error::NeedleError,
    haystack::Haystack,
    hide::{DISTRACTORS, Hiding, Needle},
    search::{Search, Sought},
    summary::NeedleRow,
};
