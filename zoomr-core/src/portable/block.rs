//! What lies between a layer's products: the traits' defaults are the reference.

use burn::tensor::backend::Backend;

use super::Portable;
use crate::kernels::BlockKernels;

impl<B: Backend> BlockKernels<B> for Portable {}
