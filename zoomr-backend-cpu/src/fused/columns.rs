//! Products in blocks of columns, as tasks write them, put into rows.

/// Puts blocks of columns, `[rows, width]` each and one after another, into rows of `out` columns.
pub(super) fn interleave(blocks: Vec<f32>, rows: usize, out: usize, width: usize) -> Vec<f32> {
    if rows == 1 {
        return blocks;
    }
    let mut joined = vec![0.0; blocks.len()];
    for (first, block) in (0..out).step_by(width).zip(blocks.chunks(rows * width)) {
        let width = block.len() / rows;
        for (row, block) in joined.chunks_exact_mut(out).zip(block.chunks_exact(width)) {
            row[first..first + width].copy_from_slice(block);
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_block_may_be_narrower() {
        let blocks = vec![1.0, 2.0, 4.0, 5.0, 3.0, 6.0];
        assert_eq!(interleave(blocks, 2, 3, 2), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }
}
