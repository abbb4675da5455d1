//! Entry points for bytes from strangers: whatever they are, zoomr takes or refuses them, soon, and panics over nothing.
//!
//! An entry is a function of bytes. It hands them to the public API of `zoomr-model`, asserts what must hold of what is
//! made of them, and says whether they were taken. Two things run the same entries: the fuzz targets of this package
//! (`cargo xtask fuzz`), and, over mutated seeds, the test `fuzz` of `zoomr-model`. Both watch the time.
//!
//! | entry | what the bytes are |
//! |---|---|
//! | [`weights`], [`index`] | weights, and the list of their shards |
//! | [`gguf`] | a model in one file, with everything about it |
//! | [`config`] | a model's `config.json` |
//! | [`adapter`] | an adapter's `adapter_config.json` |
//! | [`tokenizer`], [`sidecars`] | `tokenizer.json`, and the files beside it |
//! | [`template`] | a chat template |
//! | [`lines`] | JSON lines: examples, traces, logs |
//! | [`recording`] | a run to be replayed |
//! | [`checkpoint`] | training to be gone on with |
//! | [`grade`] | the right answer, and in the next line a model's text |

mod adapter;
mod checkpoint;
mod config;
mod file;
mod gguf;
mod grade;
mod lines;
mod recording;
mod template;
mod tokenizer;
mod weights;

pub use self::{
    adapter::adapter,
    checkpoint::checkpoint,
    config::config,
    gguf::gguf,
    grade::grade,
    lines::lines,
    recording::recording,
    template::template,
    tokenizer::{sidecars, tokenizer},
    weights::{index, weights},
};
