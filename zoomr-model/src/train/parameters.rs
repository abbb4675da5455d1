//! Tensors by name: what is trained, what stays as it is, and their gradients.

use std::collections::BTreeMap;

use burn::tensor::{Device, Int, Tensor, TensorData, backend::Backend};
use burn_autodiff::Autodiff;

use super::{
    encode::{SavedDtype, encode},
    random::Normal,
};
use crate::{
    config::{ModelConfig, TensorSpec},
    digest::Digest,
    weights::{EMBEDDING, HEAD, Weights, WeightsError},
};

/// Tensors by name, each `[rows, columns]`; a vector has one row. Their order is that of the names.
#[derive(Clone, Debug)]
pub struct Parameters<B: Backend>(BTreeMap<String, Tensor<B, 2>>);

impl<B: Backend> Parameters<B> {
    /// A model that has learnt nothing: norms that do nothing, biases of zero, and matrices drawn from a normal
    /// distribution of variance `1 / in`, so that products are as large as what goes in (LeCun's). Embeddings are
    /// drawn with deviation 1, or 1/2 where they are the output head as well.
    ///
    /// The usual 0.02 for everything makes the queries and keys of narrow models so small that attention stays
    /// uniform for thousands of steps.
    pub fn random(config: &ModelConfig, seed: u64, device: &Device<B>) -> Self {
        let mut normal = Normal::seeded(seed);
        let tensor = |spec: TensorSpec| {
            let [rows, columns] = rows_and_columns(&spec.shape);
            let deviation = match spec.name.contains("embed_tokens") {
                true if config.is_tied() => 0.5,
                true => 1.0,
                false => (columns as f64).sqrt().recip(),
            };
            let values = match spec.shape.len() {
                2 => (0..rows * columns).map(|_| (normal.sample() * deviation) as f32).collect(),
                _ if spec.name.ends_with(".bias") => vec![0.0; columns],
                _ => vec![config.norm_identity(); columns],
            };
            (spec.name, Tensor::from_data(TensorData::new(values, [rows, columns]), device))
        };
        Self(config.tensors().into_iter().map(tensor).collect())
    }

    /// A checkpoint's weights in the backend's float type.
    ///
    /// # Errors
    /// [`WeightsError::Missing`] where `weights` were opened for another model.
    pub fn read(config: &ModelConfig, weights: &Weights, device: &Device<B>) -> Result<Self, WeightsError> {
        let tensor = |spec: TensorSpec| {
            let shape = rows_and_columns(&spec.shape);
            let values = weights.get(&spec.name)?.to_f32(0..shape[0]);
            Ok((spec.name, Tensor::from_data(TensorData::new(values, shape), device)))
        };
        config.tensors().into_iter().map(tensor).collect::<Result<_, _>>().map(Self)
    }

    /// The same model with new tokens: that with id `first + i` begins as the mean of the tokens `spelled[i]`, in the
    /// embedding and in the head. What is spelled otherwise means something else: tokens that began alike would take
    /// long to tell apart.
    pub fn with_tokens(self, first: usize, spelled: &[Vec<u32>]) -> Self {
        if spelled.is_empty() {
            return self;
        }
        self.map(|name, tensor| match name {
            EMBEDDING | HEAD => with_rows(&tensor, first, spelled),
            _ => tensor,
        })
    }

    /// The tensor `name`, if there is one.
    pub fn get(&self, name: &str) -> Option<&Tensor<B, 2>> {
        self.0.get(name)
    }

    /// Names and tensors, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Tensor<B, 2>)> {
        self.0.iter()
    }

    /// How many numbers there are.
    pub fn count(&self) -> usize {
        self.0.values().map(|tensor| tensor.shape().num_elements()).sum()
    }

    /// What tells this model from others, architecture and weights, in hexadecimal.
    pub(super) fn digest(&self, config: &ModelConfig) -> String {
        let tensor = |(name, tensor): (&String, &Tensor<B, 2>)| {
            Digest::of([name.as_bytes(), &encode(tensor, SavedDtype::F32)]).to_string()
        };
        // Every field of the configuration, also those to come.
        Digest::of(std::iter::once(format!("{config:?}")).chain(self.iter().map(tensor))).to_string()
    }

    /// The same tensors as leaves of a new graph, which gradients flow to.
    pub(super) fn leaves(&self) -> Parameters<Autodiff<B>> {
        let leaf = |tensor: &Tensor<B, 2>| Tensor::from_inner(tensor.clone()).require_grad();
        Parameters(self.0.iter().map(|(name, tensor)| (name.clone(), leaf(tensor))).collect())
    }

    /// The same tensors without gradients.
    pub(super) fn constants(&self) -> Parameters<Autodiff<B>> {
        let constant = |tensor: &Tensor<B, 2>| Tensor::from_inner(tensor.clone());
        Parameters(self.0.iter().map(|(name, tensor)| (name.clone(), constant(tensor))).collect())
    }

    /// Replaces each tensor by what `change` makes of it and its name.
    pub(super) fn map(self, mut change: impl FnMut(&str, Tensor<B, 2>) -> Tensor<B, 2>) -> Self {
        let changed = self.0.into_iter().map(|(name, tensor)| {
            let tensor = change(&name, tensor);
            (name, tensor)
        });
        Self(changed.collect())
    }
}

impl<B: Backend> IntoIterator for Parameters<B> {
    type Item = (String, Tensor<B, 2>);
    type IntoIter = std::collections::btree_map::IntoIter<String, Tensor<B, 2>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<B: Backend> FromIterator<(String, Tensor<B, 2>)> for Parameters<B> {
    fn from_iter<I: IntoIterator<Item = (String, Tensor<B, 2>)>>(tensors: I) -> Self {
        Self(tensors.into_iter().collect())
    }
}

fn rows_and_columns(shape: &[usize]) -> [usize; 2] {
    match *shape {
        [rows, columns] => [rows, columns],
        _ => [1, shape.iter().product()],
    }
}

/// A matrix `[tokens, hidden]` with rows from `first` on that are means of other rows; those that lie there already
/// (some models have rows for tokens to come) are replaced. Rows between the last one and `first`, of tokens that the
/// tokenizer has and the model has not, are the mean of all.
fn with_rows<B: Backend>(tensor: &Tensor<B, 2>, first: usize, spelled: &[Vec<u32>]) -> Tensor<B, 2> {
    let [rows, _] = tensor.dims();
    let mean = |ids: &Vec<u32>| {
        let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
        let ids = Tensor::<B, 1, Int>::from_data(TensorData::from(&ids[..]), &tensor.device());
        tensor.clone().select(0, ids).mean_dim(0)
    };
    let after = first + spelled.len();
    let gap = (first > rows).then(|| tensor.clone().mean_dim(0).repeat_dim(0, first - rows));
    let before = std::iter::once(tensor.clone().slice(0..first.min(rows))).chain(gap);
    let rest = (after < rows).then(|| tensor.clone().slice(after..rows));
    Tensor::cat(before.chain(spelled.iter().map(mean)).chain(rest).collect(), 0)
}
