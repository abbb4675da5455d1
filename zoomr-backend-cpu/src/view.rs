//! Burn tensors as the kernels read them: plain f32 slices, borrowed where the tensor is contiguous.
//!
//! A [`Pinned`] tensor shares its owner's memory while a kernel runs. It must be dropped before the kernel
//! returns: burn-ndarray writes in place only to memory that nobody shares, and the cache's next append counts
//! on that.

use std::{borrow::Cow, ops::Range};

use burn::tensor::Tensor;
use burn_ndarray::NdArrayTensor;

use crate::Cpu;

/// The dimensions of an array that has `D`.
pub(crate) fn dims<const D: usize>(shape: &[usize]) -> [usize; D] {
    shape.try_into().unwrap_or_else(|_| panic!("{D} dimensions asked for, found {shape:?}"))
}

/// A tensor whose memory is shared with its owner until this is dropped.
pub(crate) struct Pinned(NdArrayTensor);

impl Pinned {
    pub(crate) fn new<const D: usize>(tensor: &Tensor<Cpu, D>) -> Self {
        Self(match tensor.clone().into_primitive().tensor() {
            pinned @ NdArrayTensor::F32(_) => pinned,
            // A tensor that its owner cast away from the backend's f32.
            _ => NdArrayTensor::from_data(tensor.to_data().convert::<f32>()),
        })
    }

    /// The elements in row-major order: borrowed where they lie so, copied where the tensor is permuted.
    pub(crate) fn elements(&self) -> Cow<'_, [f32]> {
        let NdArrayTensor::F32(storage) = &self.0 else {
            unreachable!("`new` makes nothing else");
        };
        match storage.view().to_slice() {
            Some(slice) => Cow::Borrowed(slice),
            None => Cow::Owned(storage.view().iter().copied().collect()),
        }
    }

    /// The tensor's dimensions; asking the tensor itself allocates.
    ///
    /// # Panics
    /// Where there are not `D` of them.
    pub(crate) fn dims<const D: usize>(&self) -> [usize; D] {
        match &self.0 {
            NdArrayTensor::F32(storage) => dims(storage.shape()),
            _ => unreachable!("`new` makes nothing else"),
        }
    }

    /// The elements of a matrix, borrowed where it is the transposed view of one as well.
    pub(crate) fn matrix(&self) -> Laid<'_> {
        let columns = match &self.0 {
            NdArrayTensor::F32(storage) => storage.view().reversed_axes().to_slice(),
            _ => None,
        };
        columns.map_or_else(|| Laid::Rows(self.elements()), Laid::Columns)
    }
}

/// A matrix's elements as they lie: row by row, or column by column.
pub(crate) enum Laid<'a> {
    /// Row by row, copied if need be.
    Rows(Cow<'a, [f32]>),
    /// Column by column.
    Columns(&'a [f32]),
}

/// Query rows `[rows, query_heads, head_dim]`.
pub(crate) struct Queries<'a> {
    elements: Cow<'a, [f32]>,
    pub(crate) rows: usize,
    pub(crate) heads: usize,
    pub(crate) head_dim: usize,
}

impl<'a> Queries<'a> {
    pub(crate) fn new(pinned: &'a Pinned, [rows, heads, head_dim]: [usize; 3]) -> Self {
        Self { elements: pinned.elements(), rows, heads, head_dim }
    }

    /// The queries of `heads` in `row`, `[heads.len(), head_dim]`.
    pub(crate) fn heads(&self, row: usize, heads: Range<usize>) -> &[f32] {
        let first = (row * self.heads + heads.start) * self.head_dim;
        &self.elements[first..][..heads.len() * self.head_dim]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owned::tensor;
    use crate::testing::noise;

    #[test]
    fn a_contiguous_tensor_is_borrowed_and_a_permuted_one_copied() {
        let straight = tensor(noise(24, 1), [2, 3, 4]);
        let pinned = Pinned::new(&straight);
        assert!(matches!(pinned.elements(), Cow::Borrowed(_)));
        let permuted = straight.permute([1, 2, 0]);
        let pinned = Pinned::new(&permuted);
        assert!(matches!(pinned.elements(), Cow::Owned(_)));
        assert_eq!(pinned.elements().to_vec(), permuted.to_data().to_vec::<f32>().unwrap());
    }

    #[test]
    fn a_slab_is_written_in_place_again_once_let_go() {
        let slab = tensor(noise(64, 2), [2, 2, 4, 4]);
        let address = |slab: &Tensor<Cpu, 4>| Pinned::new(slab).elements().as_ptr();
        let before = address(&slab);
        let value = tensor(vec![0.0; 4], [1, 1, 1, 4]);
        let slab = slab.slice_assign([0..1, 0..1, 0..1, 0..4], value);
        assert_eq!(before, address(&slab));
    }
}
