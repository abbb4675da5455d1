//! Weight matrices as their files hold them.
//!
//! * [`WeightFormat`]: how numbers lie in bytes, floats one by one or small whole numbers in blocks with a scale.
//! * [`StoredWeight`]: a matrix in such a format, shared and never copied here.
//! * `decode`: the numbers of a block.
//! * `encode`: blocks made of numbers.
//!
//! A provider turns a [`StoredWeight`] into whatever it multiplies by
//! ([`LinearKernels::matrix`](crate::kernels::LinearKernels::matrix)); on the CPU the bytes themselves serve.

mod decode;
mod encode;
mod format;
mod stored;

pub use self::{
    decode::{decode, scale_and_min},
    encode::{Encoding, Made, encode},
    format::WeightFormat,
    stored::{StoredWeight, WeightError},
};
