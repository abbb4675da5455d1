//! Vectors of a store as the kernels read them: in the dtype that they are stored in.
//!
//! Which one it is, is asked once for a run of vectors; the loops behind that are written once, for any
//! [`Vector`](crate::simd::Vector).

use std::borrow::Cow;

use zoomr_core::kv::KvDtype;

use crate::simd::{Bf16, F16, Native, Q8, Simd};

/// Consecutive vectors of one KV head.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stored<'a> {
    F32(&'a [f32]),
    F16(&'a [[u8; 2]]),
    Bf16(&'a [[u8; 2]]),
    Q8(&'a [u8]),
}

impl<'a> Stored<'a> {
    /// The vectors in `bytes`, which are aligned to four where `kv` is f32.
    pub(crate) fn new(kv: KvDtype, bytes: &'a [u8]) -> Self {
        match kv {
            KvDtype::F32 => Self::F32(bytemuck::cast_slice(bytes)),
            KvDtype::F16 => Self::F16(bytes.as_chunks().0),
            KvDtype::Bf16 => Self::Bf16(bytes.as_chunks().0),
            KvDtype::Q8 => Self::Q8(bytes),
        }
    }

    /// Their products with `queries` `[m, head_dim]`, as [`Simd::dots`] lays them out.
    pub(crate) fn dots(self, simd: Simd, queries: &[f32], head_dim: usize, out: &mut [f32], stride: usize) {
        match self {
            Self::F32(vectors) => simd.dots::<Native>(queries, vectors, head_dim, out, stride),
            Self::F16(vectors) => simd.dots::<F16>(queries, vectors, head_dim, out, stride),
            Self::Bf16(vectors) => simd.dots::<Bf16>(queries, vectors, head_dim, out, stride),
            Self::Q8(vectors) => simd.dots::<Q8>(queries, vectors, head_dim, out, stride),
        }
    }

    /// Adds them to `sums` `[m, head_dim]` by `weights`, as [`Simd::add_weighted`] does.
    pub(crate) fn add_weighted(
        self,
        simd: Simd,
        weights: &[f32],
        stride: usize,
        head_dim: usize,
        sums: &mut [f32],
    ) {
        match self {
            Self::F32(vectors) => simd.add_weighted::<Native>(weights, stride, vectors, head_dim, sums),
            Self::F16(vectors) => simd.add_weighted::<F16>(weights, stride, vectors, head_dim, sums),
            Self::Bf16(vectors) => simd.add_weighted::<Bf16>(weights, stride, vectors, head_dim, sums),
            Self::Q8(vectors) => simd.add_weighted::<Q8>(weights, stride, vectors, head_dim, sums),
        }
    }

    /// The vectors in f32, `[vectors, head_dim]`: borrowed where they lie so.
    pub(crate) fn widened(self, head_dim: usize) -> Cow<'a, [f32]> {
        if let Self::F32(vectors) = self {
            return Cow::Borrowed(vectors);
        }
        let (kv, bytes) = self.bytes();
        let mut wide = vec![0.0; bytes.len() / kv.bytes(head_dim) * head_dim];
        self.widen(head_dim, &mut wide);
        Cow::Owned(wide)
    }

    /// Writes the vectors in f32 to `wide`, `[vectors, head_dim]`: by the definition of the dtype, which the kernels' own
    /// loads are tested against.
    pub(crate) fn widen(self, head_dim: usize, wide: &mut [f32]) {
        let (kv, bytes) = self.bytes();
        let vectors = wide.chunks_exact_mut(head_dim).zip(bytes.chunks_exact(kv.bytes(head_dim)));
        vectors.for_each(|(vector, bytes)| kv.decode(bytes, vector));
    }

    fn bytes(self) -> (KvDtype, &'a [u8]) {
        match self {
            Self::F32(vectors) => (KvDtype::F32, bytemuck::cast_slice(vectors)),
            Self::F16(vectors) => (KvDtype::F16, vectors.as_flattened()),
            Self::Bf16(vectors) => (KvDtype::Bf16, vectors.as_flattened()),
            Self::Q8(vectors) => (KvDtype::Q8, vectors),
        }
    }
}
