//! Training: the model that decodes, under Burn's autodiff, on any backend.
//!
//! | file | what is in it |
//! |---|---|
//! | `recipe` | how a model is trained, checked |
//! | `sequence` | a text: tokens, what of them the model writes, its thoughts |
//! | `phase` | a part of a run: how many steps, and where their texts come from |
//! | `curriculum` | the texts of each step |
//! | `mask` | what each row sees: everything, or what decoding will show it |
//! | `hook` | the attention hook that training hands to the model |
//! | `index` | the loss by which index vectors learn to foretell where attention goes |
//! | `ops` | attention and loss, differentiated by hand |
//! | `layers` | products and gates, differentiated by hand |
//! | `parameters` | tensors by name |
//! | `source`, `lora` | the model's tensors under autodiff, and adapters beside them |
//! | `gradients` | one micro-batch forwards and backwards |
//! | `optimizer` | AdamW, and the norm that is clipped |
//! | `trainer` | one step after another |
//! | `run` | all steps, with log and checkpoints |
//! | `plot` | the loss as a picture |
//! | `checkpoint` | a run that can be gone on with, in one file |
//! | `encode` | the bytes of a tensor |
//! | `save` | the trained model, or its adapters, as safetensors |
//! | `random` | what is drawn at random, the same everywhere |
//!
//! Attention under the zoomed mask shows what the decoder's does under scope `layer`: same policy, same votes, same blocks;
//! and the log-probabilities are the decoder's (a law, tested).

mod checkpoint;
mod curriculum;
mod encode;
mod error;
mod gradients;
mod hook;
mod index;
mod layers;
mod lora;
mod mask;
mod ops;
mod optimizer;
mod parameters;
mod phase;
mod plot;
mod random;
mod recipe;
mod run;
mod save;
mod sequence;
mod source;
mod trainer;

pub use curriculum::Curriculum;
pub use encode::SavedDtype;
pub use error::TrainError;
pub use lora::LoraOptions;
pub use mask::Mask;
pub use parameters::Parameters;
pub use phase::{Data, Phase};
pub use plot::plot;
pub use recipe::{Recipe, RecipeOptions};
pub use run::{Run, has_run};
pub use save::{save, save_adapter};
pub use sequence::Sequence;
pub use trainer::{StepReport, Trainer};
