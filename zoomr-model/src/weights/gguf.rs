//! Files in GGUF: the tensors of a model's parts, under the names of Hugging Face's checkpoints.

use std::path::Path;

use super::{
    error::WeightsError,
    file::{Element, Tensor, Tensors, WeightFile},
};
use crate::gguf::{Gguf, ROPE_FREQS, TensorInfo};

/// What is done about blocks that zoomr does not read.
const ADVICE: &str = "zoomr reads F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K and Q6_K: take a file in one of \
                      them, or make one (`llama-quantize MODEL-F16.gguf OUT.gguf Q4_K_M`)";
/// Maps the files of the model of which `path` is the only or the first.
pub(super) fn open(path: &Path) -> Result<Vec<WeightFile>, WeightsError> {
    let opened = Gguf::open(path)?.into_parts().map(|(part, names)| {
        let end = part.head.tensors.iter().map(|tensor| tensor.bytes.end).max().unwrap_or(0);
        let mut tensors = Tensors::new();
        // That one is a part of the configuration.
        for tensor in part.head.tensors.into_iter().filter(|tensor| tensor.name != ROPE_FREQS) {
            // What has no name there is reported under its own, as every tensor that the model does not take.
            let (name, interleaved) =
                names.canonical(&tensor.name).unwrap_or_else(|| (tensor.name.clone(), None));
            if tensors.contains_key(&name) {
                let problem = format!("it has two tensors that would both be `{name}`");
                return Err(WeightsError::Damaged { path: part.path, problem });
            }
            tensors.insert(name, Tensor { interleaved, ..stored(tensor) });
        }
        WeightFile::new(part.path, &part.file, tensors, end)
    });
    opened.collect()
}

fn stored(TensorInfo { shape, format, bytes, .. }: TensorInfo) -> Tensor {
    let element = match format {
        Ok(format) => Element::Known(format),
        Err(name) => Element::Other { name, advice: ADVICE },
    };
    Tensor { element, shape, bytes, interleaved: None }
}
