//! A weight matrix as its file holds it: bytes, format and shape.

use std::{ops::Range, sync::Arc};

use super::{Encoding, WeightFormat, decode, encode};

/// Why a [`StoredWeight`] could not be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WeightError {
    /// The bytes do not hold exactly the numbers that the shape asks for.
    #[error("a matrix of {rows} x {columns} in {format} takes {expected} bytes, found {found}")]
    Size {
        /// How its numbers are stored.
        format: WeightFormat,
        /// Output features.
        rows: usize,
        /// Input features.
        columns: usize,
        /// What the shape takes.
        expected: usize,
        /// Bytes at hand.
        found: usize,
    },
    /// A row is not whole blocks.
    #[error("{format} stores {} numbers at a time, and rows have {columns}", .format.block_len())]
    Blocks {
        /// How its numbers are stored.
        format: WeightFormat,
        /// Input features.
        columns: usize,
    },
}

/// A matrix `[rows, columns]` (output features by input features), row-major, little-endian.
///
/// Cloning shares the bytes. The bytes need not be aligned; a row is whole blocks of its format.
#[derive(Clone)]
pub struct StoredWeight {
    owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    bytes: Range<usize>,
    format: WeightFormat,
    rows: usize,
    columns: usize,
}

impl StoredWeight {
    /// A matrix of `rows` x `columns` in `bytes` of `owner` (a memory-mapped file, say).
    ///
    /// # Errors
    /// [`WeightError::Blocks`] where rows are not whole blocks, [`WeightError::Size`] where `bytes` is not inside `owner`
    /// or has not exactly the matrix's length.
    pub fn new(
        owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
        bytes: Range<usize>,
        format: WeightFormat,
        rows: usize,
        columns: usize,
    ) -> Result<Self, WeightError> {
        let row = format.row_bytes(columns).ok_or(WeightError::Blocks { format, columns })?;
        let expected = rows.saturating_mul(row);
        let found = (*owner).as_ref().get(bytes.clone()).map_or(0, <[u8]>::len);
        if found != expected {
            return Err(WeightError::Size { format, rows, columns, expected, found });
        }
        Ok(Self { owner, bytes, format, rows, columns })
    }

    /// A matrix of f32 values that the caller made up: for tests and examples.
    ///
    /// # Errors
    /// [`WeightError::Size`] where `values` has not `rows * columns` elements.
    pub fn from_f32(values: &[f32], rows: usize, columns: usize) -> Result<Self, WeightError> {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let all = 0..bytes.len();
        Self::new(Arc::new(bytes), all, WeightFormat::F32, rows, columns)
    }

    /// The blocks, row after row.
    pub fn bytes(&self) -> &[u8] {
        &(*self.owner).as_ref()[self.bytes.clone()]
    }

    /// How the numbers are stored.
    pub fn format(&self) -> WeightFormat {
        self.format
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.columns / self.format.block_len() * self.format.block_bytes()
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
        let stride = self.row_bytes();
        let start = self.bytes.start;
        Self {
            owner: self.owner.clone(),
            bytes: start + range.start * stride..start + range.end * stride,
            rows: range.len(),
            ..*self
        }
    }

    /// The numbers of the rows in `range` as f32, row-major; exact for floats.
    ///
    /// # Panics
    /// Where `range` ends past the last row.
    pub fn to_f32(&self, range: Range<usize>) -> Vec<f32> {
        decode(self.format, self.slice_rows(range).bytes())
    }

    /// The same matrix in blocks, in memory of its own; itself where rows are no whole blocks of any format of `encoding`.
    #[must_use]
    pub fn encoded(&self, encoding: Encoding) -> Self {
        let Some(format) = encoding.format(self.columns) else { return self.clone() };
        let mut bytes = Vec::new();
        for row in 0..self.rows {
            encode(format, &self.to_f32(row..row + 1), &mut bytes);
        }
        let all = 0..bytes.len();
        Self { owner: Arc::new(bytes), bytes: all, format: format.into(), ..*self }
    }
}

impl std::fmt::Debug for StoredWeight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StoredWeight({} [{}, {}])", self.format, self.rows, self.columns)
    }
}
