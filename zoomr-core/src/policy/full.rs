//! Full attention.

use super::{Choice, Policy};
use crate::{positions::PositionSet, segment::Stream};

/// Every row sees everything before it: the baseline of all other policies.
#[derive(Clone, Copy, Debug, Default)]
pub struct Full;

impl Policy for Full {
    fn name(&self) -> &'static str {
        "full"
    }

    fn base(&self, _: &Stream, position: usize) -> PositionSet {
        PositionSet::from(0..position + 1)
    }

    fn candidates(&self, _: &Stream, _: usize) -> usize {
        0
    }

    fn choice(&self) -> Choice {
        Choice::Nothing
    }

    fn keeps_detail(&self) -> bool {
        true
    }
}
