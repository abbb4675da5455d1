//! A model as a GGUF file: what llama.cpp loads.
//!
//! | file | what it is about |
//! |---|---|
//! | `architecture` | a configuration as metadata |
//! | `vocabulary` | a tokenizer and chat templates as metadata |
//! | `file` | the bytes of a head |
//!
//! Vectors are stored in f32, and everything is turned into what llama.cpp's converter makes of it: Gemma's norms have one
//! added, rows of queries and keys stand in the order of its rotation, and Llama 3's frequencies are a tensor.

mod architecture;
mod file;
mod vocabulary;

use std::{num::NonZeroUsize, path::Path};

use zoomr_core::weight::{Encoding, StoredWeight, WeightFormat};

use self::file::{Entry, head};
use super::{
    head::ALIGNMENT,
    metadata::Metadata,
    names::{Architecture, Interleaved, ROPE_FREQS},
};
use crate::{
    atomic_file::{AtomicFile, AtomicFileError},
    config::ModelConfig,
    text::{FileError, tokenizer::Tokenizer},
    weights::{Form, Precision, Weights, WeightsError, converted},
};

/// Why a model cannot be written as GGUF.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The format, or llama.cpp, has no words for something of the model's.
    #[error("{0}")]
    Unsayable(String),
    /// A tensor is not among the weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A file beside the weights is of no use.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] AtomicFileError),
}

/// What there is to be written.
#[derive(Debug)]
pub struct Model<'a> {
    /// Where it comes from: the directory of a checkpoint in safetensors.
    pub dir: &'a Path,
    /// Its architecture.
    pub config: &'a ModelConfig,
    /// Its weights, opened for that.
    pub weights: &'a Weights,
    /// Its tokenizer, if it has one.
    pub tokenizer: Option<&'a Tokenizer>,
}

impl Model<'_> {
    /// Writes the model to `file`, matrices in `precision`, made on up to `threads` threads; `watch` hears, tensor by tensor,
    /// how many numbers are done, and of how many.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn write(
        &self,
        mut file: AtomicFile,
        precision: Precision,
        threads: NonZeroUsize,
        watch: &mut dyn FnMut(u64, u64),
    ) -> Result<(), WriteError> {
        let (architecture, mut metadata) = architecture::described(self.config)?;
        general(&mut metadata, self.dir, precision);
        vocabulary::describe(&mut metadata, self)?;
        let tensors = self.tensors(architecture, precision)?;
        let entries: Vec<Entry<'_>> = tensors.iter().map(Tensor::entry).collect();
        file.write(&head(&metadata, &entries))?;
        let (mut done, all) =
            (0, entries.iter().map(|entry| entry.shape.iter().product::<usize>() as u64).sum());
        for tensor in &tensors {
            watch(done, all);
            let mut bytes = tensor.bytes(threads)?;
            bytes.resize(bytes.len().next_multiple_of(ALIGNMENT as usize), 0);
            file.write(&bytes)?;
            done += tensor.shape.iter().product::<usize>() as u64;
        }
        Ok(file.finish()?)
    }

    fn tensors(&self, architecture: Architecture, precision: Precision) -> Result<Vec<Tensor>, WriteError> {
        let mut tensors = Vec::new();
        for spec in self.config.tensors() {
            let Some((name, interleaved)) = architecture.stored(&spec.name) else {
                return Err(WriteError::Unsayable(format!("GGUF has no name for tensor `{}`", spec.name)));
            };
            let plus_one = self.config.norm.unit_offset && spec.name.ends_with("norm.weight");
            let form = precision.form(&spec.name, &spec.shape);
            let weight = self.weights.get(&spec.name)?;
            tensors.push(Tensor { name, shape: spec.shape, form, weight, interleaved, plus_one });
        }
        if let Some(factors) = architecture::rope_factors(self.config) {
            let shape = vec![factors.len()];
            let weight = StoredWeight::from_f32(&factors, 1, factors.len())
                .map_err(|problem| WriteError::Unsayable(problem.to_string()))?;
            let name = ROPE_FREQS.to_owned();
            tensors.push(Tensor { name, shape, form: Form::F32, weight, interleaved: None, plus_one: false });
        }
        Ok(tensors)
    }
}

/// A tensor as it will be written.
struct Tensor {
    name: String,
    shape: Vec<usize>,
    form: Form,
    weight: StoredWeight,
    interleaved: Option<Interleaved>,
    /// Whether one is added to its numbers.
    plus_one: bool,
}

impl Tensor {
    fn entry(&self) -> Entry<'_> {
        Entry { name: &self.name, shape: &self.shape, format: self.form.into() }
    }

    fn bytes(&self, threads: NonZeroUsize) -> Result<Vec<u8>, WriteError> {
        let unsayable = |what: &str| WriteError::Unsayable(format!("tensor `{}` {what}", self.name));
        if self.plus_one {
            let numbers = self.weight.to_f32(0..self.weight.rows());
            return Ok(numbers.into_iter().flat_map(|number| (number + 1.0).to_le_bytes()).collect());
        }
        let bytes = converted(&self.weight, self.form, threads);
        if self.form == Form::F16 && has_infinity(&bytes) {
            return Err(unsayable("has numbers that are too large for f16; take bf16"));
        }
        let Some(interleaved) = self.interleaved else { return Ok(bytes) };
        let format = WeightFormat::from(self.form);
        // A vector has one number for each row of the matrix that it belongs to.
        let row = if self.shape.len() == 1 {
            format.block_bytes()
        } else {
            bytes.len() / self.weight.rows().max(1)
        };
        interleaved.apply(&bytes, row).ok_or_else(|| unsayable("has rows that are no whole heads of pairs"))
    }
}

fn has_infinity(halves: &[u8]) -> bool {
    halves.as_chunks().0.iter().any(|half| u16::from_le_bytes(*half) & 0x7c00 == 0x7c00)
}

/// What is said of every model: its name, and what most of its tensors are stored as (`llama_ftype` in `llama.h`).
fn general(metadata: &mut Metadata, dir: &Path, precision: Precision) {
    if let Some(name) = dir.file_name().and_then(|name| name.to_str()) {
        metadata.put_text("general.name", name);
    }
    let file_type = match precision {
        Precision::F32 => 0,
        Precision::F16 => 1,
        Precision::Blocks(Encoding::Q4_0) => 2,
        Precision::Blocks(Encoding::Q8_0) => 7,
        Precision::Blocks(Encoding::Q4K) => 14,
        Precision::Bf16 => 32,
    };
    metadata.put_u32("general.file_type", file_type);
    metadata.put_text("general.type", "model");
    // ggml's version of the block formats since 2023.
    metadata.put_u32("general.quantization_version", 2);
}
