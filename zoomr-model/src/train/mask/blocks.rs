//! Rows that zoom into blocks, by the shares that their own queries give them.

use std::sync::Arc;

use burn::tensor::{Tensor, backend::Backend};
use zoomr_core::{
    Error,
    kernels::{TrainingKernels, Whole},
    policy::ZoomBlocks,
    positions::PositionSet,
    select::WholeBlocks,
};

use super::{base, explored};
use crate::{data::synth::draw::Draw, train::sequence::Sequence};

/// A sequence whose rows zoom into blocks.
pub(super) struct Blocks {
    /// What each row sees without zooming.
    base: Arc<[PositionSet]>,
    /// What rows choose from.
    blocks: WholeBlocks,
    /// A block that each row sees whatever its shares, if any.
    explored: Vec<Option<usize>>,
}

impl Blocks {
    pub(super) fn new(sequence: &Sequence, rule: &ZoomBlocks, explore: f64, random: &mut Draw) -> Self {
        let (stream, rows) = (sequence.stream(), sequence.inputs().len());
        let blocks = rule.whole(stream, rows);
        let explored = explored(&blocks.counts, explore, random);
        Self { base: base(rule, stream, rows), blocks, explored }
    }

    /// As [`View::visible`](super::View::visible).
    pub(super) fn visible<B: Backend>(
        &self,
        kernels: &impl TrainingKernels<B>,
        q: Tensor<B, 3>,
        k: Tensor<B, 3>,
        scale: f32,
    ) -> Result<Vec<Arc<[PositionSet]>>, Error> {
        let base = std::slice::from_ref(&self.base);
        // Who chooses asks how much attention there is, not what it finds: any values will do.
        let whole = Whole { q, v: k.clone(), k, visible: base, scale };
        let sets = kernels.zoom_whole(&whole, &self.blocks)?;
        let explore = |mut set: Vec<PositionSet>| -> Arc<[PositionSet]> {
            for (row, explored) in set.iter_mut().zip(&self.explored) {
                explored.iter().for_each(|&u| row.insert(self.blocks.candidates[u].clone()));
            }
            set.into()
        };
        Ok(sets.into_iter().map(explore).collect())
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use burn_ndarray::NdArray;
    use zoomr_core::{
        config::{Options, Settings},
        portable::Portable,
        segment::{Marker, MarkerPair, Markers},
    };

    use super::*;

    const HEADS: usize = 2;
    const HEAD_DIM: usize = 4;

    /// Rows that may choose nothing see what they see anyway, and those that explore one block more, the same of
    /// each KV head.
    #[test]
    fn rows_that_explore_see_one_block_more() {
        let pair = |begin, end| MarkerPair { begin: Marker::Id(begin), end: Marker::Id(end) };
        let segmenter = Markers::new(pair(2, 3), pair(4, 5)).unwrap();
        let written = [2, 9, 9, 9, 9, 3, 4, 8, 5].repeat(40);
        let sequence = Sequence::new(&[7; 5], &written, Box::new(segmenter)).unwrap();
        let options = Options { blocks: Some(4), window: 9, zoom_tokens: Some(0), ..Options::default() };
        let rule = Settings::try_from(options).unwrap().zoom_blocks().unwrap();
        let rows = sequence.inputs().len();
        let values = (0..rows * HEADS * HEAD_DIM).map(|i| (i * 7919 % 31) as f32 / 31.0).collect();
        let data = TensorData::new(values, [rows, HEADS, HEAD_DIM]);
        let x = Tensor::<NdArray, 3>::from_data(data, &Default::default());
        for explore in [0.0, 0.5, 1.0] {
            let view = Blocks::new(&sequence, &rule, explore, &mut Draw::new(1, 0));
            let sets = view.visible(&Portable, x.clone(), x.clone(), 0.5).unwrap();
            assert!(sets.len() == HEADS && sets[0] == sets[1]);
            let may = view.blocks.counts.iter().filter(|count| **count > 0).count();
            let mut explored = 0;
            for ((seen, base), &count) in sets[0].iter().zip(view.base.iter()).zip(&view.blocks.counts) {
                let more = |block: &&std::ops::Range<usize>| {
                    let mut inside = (*block).clone();
                    inside.all(|position| seen.contains(position) && !base.contains(position))
                };
                let found: usize =
                    view.blocks.candidates[..count].iter().filter(more).map(ExactSizeIterator::len).sum();
                assert_eq!(seen.len(), base.len() + found);
                explored += usize::from(found > 0);
            }
            let share = explored as f64 / may as f64;
            assert!(
                may > 100 && (share - explore).abs() < 0.1,
                "{share} of {may} rows explore, not {explore}"
            );
        }
    }
}
