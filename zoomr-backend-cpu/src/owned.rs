//! Burn tensors as the kernels make and change them: f32 in row-major order, with nobody else to see.
//!
//! A tensor made here costs two allocations, its elements and their reference count. Changing one, or giving it another
//! shape, costs none where its memory is its own and contiguous; else it is copied first, as Burn's reshape always does.

use burn::tensor::{Tensor, TensorPrimitive};
use burn_ndarray::{NdArrayTensor, SharedArray};

use crate::{
    Cpu,
    view::{Pinned, dims},
};

/// A tensor of `values`, row-major, in `shape`; the values are moved, not copied.
pub(crate) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<Cpu, D> {
    Owned(array(values, &shape)).tensor()
}

/// `x` in another shape of as many elements, sharing its memory where that is contiguous.
pub(crate) fn reshaped<const D: usize, const D2: usize>(
    x: Tensor<Cpu, D>,
    shape: [usize; D2],
) -> Tensor<Cpu, D2> {
    match x.into_primitive().tensor() {
        NdArrayTensor::F32(storage) if storage.is_owned() && storage.view().is_standard_layout() => {
            Owned(storage.into_owned()).in_shape(shape)
        }
        other => Tensor::<Cpu, D>::from_primitive(TensorPrimitive::Float(other)).reshape(shape),
    }
}

/// A contiguous array that nobody shares.
pub(crate) struct Owned(SharedArray<f32>);

impl Owned {
    /// The tensor's own memory, or a copy where it is shared or permuted.
    pub(crate) fn new<const D: usize>(x: Tensor<Cpu, D>) -> Self {
        match x.into_primitive().tensor() {
            NdArrayTensor::F32(storage) if storage.is_unique() && storage.view().is_standard_layout() => {
                Self(storage.into_owned())
            }
            other => {
                let pinned = Pinned::new(&Tensor::<Cpu, D>::from_primitive(TensorPrimitive::Float(other)));
                Self(array(pinned.elements().into_owned(), &pinned.dims::<D>()))
            }
        }
    }

    /// The elements, row-major.
    pub(crate) fn elements(&mut self) -> &mut [f32] {
        // Whoever makes one sees to that.
        self.0.as_slice_mut().expect("contiguous")
    }

    /// The dimensions.
    ///
    /// # Panics
    /// Where there are not `D` of them.
    pub(crate) fn dims<const D: usize>(&self) -> [usize; D] {
        dims(self.0.shape())
    }

    /// The array as a tensor.
    pub(crate) fn tensor<const D: usize>(self) -> Tensor<Cpu, D> {
        dims::<D>(self.0.shape());
        Tensor::from_primitive(TensorPrimitive::Float(self.0.into()))
    }

    /// The array as a tensor of `shape`, which has as many elements.
    pub(crate) fn in_shape<const D: usize>(self, shape: [usize; D]) -> Tensor<Cpu, D> {
        let found = self.0.len();
        let array = self.0.into_shape_with_order(&shape[..]);
        Self(array.unwrap_or_else(|_| panic!("{found} elements in {shape:?}"))).tensor()
    }
}

/// An array of `values` in `shape`.
fn array(values: Vec<f32>, shape: &[usize]) -> SharedArray<f32> {
    let found = values.len();
    let array = SharedArray::from_shape_vec(shape, values);
    array.unwrap_or_else(|_| panic!("{found} values in {shape:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;

    fn address<const D: usize>(x: &Tensor<Cpu, D>) -> *const f32 {
        Pinned::new(x).elements().as_ptr()
    }

    #[test]
    fn own_memory_is_written_in_place_and_keeps_its_place_in_another_shape() {
        let x = tensor(noise(24, 1), [2, 12]);
        let before = address(&x);
        let mut own = Owned::new(x);
        own.elements()[0] = 5.0;
        let x = reshaped(own.in_shape([2, 3, 4]), [4, 6]);
        assert_eq!((before, x.dims()), (address(&x), [4, 6]));
        assert_eq!(x.to_data().to_vec::<f32>().unwrap()[0], 5.0);
    }

    #[test]
    fn shared_and_permuted_memory_is_copied() {
        let x = tensor(noise(24, 2), [2, 12]);
        for other in [x.clone(), x.clone().transpose()] {
            let expected = other.to_data().to_vec::<f32>().unwrap();
            let mut own = Owned::new(other);
            assert_eq!(own.elements(), expected);
            own.elements().fill(0.0);
        }
        assert_eq!(x.to_data().to_vec::<f32>().unwrap(), noise(24, 2));
        let turned = x.clone().transpose();
        assert_eq!(reshaped(turned.clone(), [2, 3, 4]).to_data(), turned.reshape([2, 3, 4]).to_data());
    }
}
