//! Full attention.

use super::Policy;

/// Every row sees everything before it: the baseline of all other policies.
#[derive(Clone, Copy, Debug, Default)]
pub struct Full;

impl Policy for Full {
    fn name(&self) -> &'static str {
        "full"
    }
}
