//! The bytes of a tensor, as files hold them and as hashes go over them.

use burn::tensor::{Tensor, backend::Backend};

/// The element type of a checkpoint's tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedDtype {
    /// As trained.
    F32,
    /// Rounded to the nearest, half the size.
    Bf16,
}

/// A tensor's elements, little-endian.
pub(super) fn encode<B: Backend>(tensor: &Tensor<B, 2>, dtype: SavedDtype) -> Vec<u8> {
    let data = tensor.to_data();
    let values = data.iter::<f32>();
    match dtype {
        SavedDtype::F32 => values.flat_map(f32::to_le_bytes).collect(),
        SavedDtype::Bf16 => values.flat_map(|x| half::bf16::from_f32(x).to_le_bytes()).collect(),
    }
}
