//! A linear layer: a weight matrix in the provider's form, with or without a bias and a low-rank adapter.

use burn::tensor::{Tensor, backend::Backend};
use zoomr_core::kernels::LinearKernels;

/// `W x + b + scale * B A x`, the last two where there are such.
pub(crate) struct Linear<B: Backend, L: LinearKernels<B>> {
    /// `W`, `[out, in]`.
    pub(crate) weight: L::Matrix,
    /// `b`, `[out]`.
    pub(crate) bias: Option<Tensor<B, 1>>,
    /// `A` and `B`.
    pub(crate) adapter: Option<LowRank<L::Matrix>>,
}

/// An adapter of low rank beside a matrix (LoRA, arXiv 2106.09685).
#[derive(Clone, Debug)]
pub(crate) struct LowRank<M> {
    /// `A`, `[rank, in]`.
    pub(crate) down: M,
    /// `B`, `[out, rank]`.
    pub(crate) up: M,
    /// What the product is multiplied by.
    pub(crate) scale: f64,
}

impl<B: Backend, L: LinearKernels<B>> Linear<B, L> {
    /// `[rows, in] -> [rows, out]`.
    pub(crate) fn forward(&self, kernels: &L, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let adapted = self.adapted(kernels, &x);
        self.complete(kernels.linear(x, &self.weight), adapted)
    }

    /// Several layers of one input: `[rows, in] -> [rows, out]` each.
    pub(crate) fn forward_many<const N: usize>(
        layers: [&Self; N],
        kernels: &L,
        x: Tensor<B, 2>,
    ) -> [Tensor<B, 2>; N] {
        let adapted = layers.map(|layer| layer.adapted(kernels, &x));
        let products = kernels.linear_many(x, layers.map(|layer| &layer.weight));
        let mut own = layers.into_iter().zip(adapted);
        products.map(|product| match own.next() {
            Some((layer, adapted)) => layer.complete(product, adapted),
            None => product,
        })
    }

    /// The matrix, where nothing is added to products with it.
    pub(crate) fn bare(&self) -> Option<&L::Matrix> {
        (self.bias.is_none() && self.adapter.is_none()).then_some(&self.weight)
    }

    /// `scale * B A x`, where there is an adapter.
    fn adapted(&self, kernels: &L, x: &Tensor<B, 2>) -> Option<Tensor<B, 2>> {
        self.adapter.as_ref().map(|adapter| {
            let low = kernels.linear(x.clone(), &adapter.down); // [rows, rank]
            kernels.linear(low, &adapter.up) * adapter.scale
        })
    }

    /// A product with the matrix, and what is added to it.
    fn complete(&self, product: Tensor<B, 2>, adapted: Option<Tensor<B, 2>>) -> Tensor<B, 2> {
        let product = match &self.bias {
            Some(bias) => product + bias.clone().unsqueeze(),
            None => product,
        };
        match adapted {
            Some(adapted) => product + adapted,
            None => product,
        }
    }
}
