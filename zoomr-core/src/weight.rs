//! A weight matrix as its file holds it: bytes, dtype and shape, shared and never copied here.
//!
//! A provider turns a [`StoredWeight`] into whatever it multiplies by
//! ([`LinearKernels::matrix`](crate::kernels::LinearKernels::matrix)); on the CPU the bytes themselves serve.

use std::{ops::Range, sync::Arc};

/// The element type of stored weights, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightDtype {
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of an [`WeightDtype::F32`].
    Bf16,
}

impl WeightDtype {
    /// Bytes per element.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// Why a [`StoredWeight`] could not be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WeightError {
    /// The bytes do not hold exactly the elements that the shape asks for.
    #[error("a {dtype:?} matrix of {rows} x {columns} takes {expected} bytes, found {found}")]
    Size {
        /// Element type.
        dtype: WeightDtype,
        /// Output features.
        rows: usize,
        /// Input features.
        columns: usize,
        /// `rows * columns * dtype.size()`.
        expected: usize,
        /// Bytes at hand.
        found: usize,
    },
}

/// A matrix `[rows, columns]` (output features by input features), row-major, little-endian.
///
/// Cloning shares the bytes. The bytes need not be aligned to the element.
#[derive(Clone)]
pub struct StoredWeight {
    owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    bytes: Range<usize>,
    dtype: WeightDtype,
    rows: usize,
    columns: usize,
}

impl StoredWeight {
    /// A matrix of `rows` x `columns` in `bytes` of `owner` (a memory-mapped file, say).
    ///
    /// # Errors
    /// [`WeightError::Size`] where `bytes` is not inside `owner` or has not exactly the matrix's length.
    pub fn new(
        owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
        bytes: Range<usize>,
        dtype: WeightDtype,
        rows: usize,
        columns: usize,
    ) -> Result<Self, WeightError> {
        let expected = rows.saturating_mul(columns).saturating_mul(dtype.size());
        let found = (*owner).as_ref().get(bytes.clone()).map_or(0, <[u8]>::len);
        if found != expected {
            return Err(WeightError::Size { dtype, rows, columns, expected, found });
        }
        Ok(Self { owner, bytes, dtype, rows, columns })
    }

    /// A matrix of f32 values that the caller made up: for tests and examples.
    ///
    /// # Errors
    /// [`WeightError::Size`] where `values` has not `rows * columns` elements.
    pub fn from_f32(values: &[f32], rows: usize, columns: usize) -> Result<Self, WeightError> {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let all = 0..bytes.len();
        Self::new(Arc::new(bytes), all, WeightDtype::F32, rows, columns)
    }

    /// The elements, row-major, little-endian.
    pub fn bytes(&self) -> &[u8] {
        &(*self.owner).as_ref()[self.bytes.clone()]
    }

    /// Element type.
    pub fn dtype(&self) -> WeightDtype {
        self.dtype
    }

    /// Output features.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Input features.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The rows of `range` alone, sharing the bytes (a fused `qkv` projection is taken apart so).
    ///
    /// # Panics
    /// Where `range` ends past the last row.
    pub fn slice_rows(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.rows, "rows {range:?} of {}", self.rows);
        let stride = self.columns * self.dtype.size();
        let start = self.bytes.start;
        Self {
            owner: self.owner.clone(),
            bytes: start + range.start * stride..start + range.end * stride,
            rows: range.len(),
            ..*self
        }
    }

    /// The elements of the rows in `range` as f32, row-major; exact for every dtype.
    ///
    /// # Panics
    /// Where `range` ends past the last row.
    pub fn to_f32(&self, range: Range<usize>) -> Vec<f32> {
        let slice = self.slice_rows(range);
        let bytes = slice.bytes();
        match self.dtype {
            WeightDtype::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            WeightDtype::F16 => {
                bytes.as_chunks().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect()
            }
            WeightDtype::Bf16 => {
                bytes.as_chunks().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect()
            }
        }
    }
}

impl std::fmt::Debug for StoredWeight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StoredWeight({:?} [{}, {}])", self.dtype, self.rows, self.columns)
    }
}
