//! What a directory's weight files hold, from their headers alone: quick, however large the model.
//!
//! The numbers themselves are not looked at; [`Weights::open`](super::Weights::open) does that.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{error::WeightsError, files, verify};
use crate::config::TensorSpec;

/// A checkpoint's weights as their headers describe them.
#[derive(Debug)]
pub struct Inventory {
    /// Files that the weights lie in.
    pub files: usize,
    /// Bytes of the tensors that the model takes, by the name of the format that they are stored in.
    pub bytes: BTreeMap<String, u64>,
    /// Everything that keeps the model from being loaded, as far as headers tell.
    pub problems: Vec<WeightsError>,
}

impl Inventory {
    /// Reads the headers in `dir`; `needed` is what the model takes.
    ///
    /// # Errors
    /// [`WeightsError`] where there are no weights, or a file cannot be read or is damaged.
    pub fn read(dir: &Path, needed: &[TensorSpec]) -> Result<Self, WeightsError> {
        let found = files(dir, needed)?;
        let paths: BTreeSet<&Path> = found.values().map(|file| file.path()).collect();
        let mut bytes = BTreeMap::new();
        let mut problems: Vec<_> = verify::names(dir, &found, needed).err().into_iter().collect();
        for spec in needed {
            let Some(file) = found.get(&spec.name) else { continue };
            if let Some(tensor) = file.tensor(&spec.name) {
                *bytes.entry(tensor.element.to_string()).or_default() += tensor.bytes.len() as u64;
            }
            problems.extend(verify::header(file, spec).err());
        }
        Ok(Self { files: paths.len(), bytes, problems })
    }
}
