//! What can go wrong in the core: one enum, every message with names and numbers.

/// An error of the method's core.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is out of its range, or two settings contradict each other.
    #[error("setting `{name}`: {reason}")]
    Setting {
        /// The setting's name, as on the command line without its dashes.
        name: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A tensor handed to the hook does not fit its layer or the step under way.
    #[error("layer {layer}: {tensor} has shape {found:?}, expected {expected:?}")]
    Shape {
        /// The layer that was called.
        layer: usize,
        /// `q`, `k` or `v`.
        tensor: &'static str,
        /// `[rows, heads, head_dim]` as handed in.
        found: [usize; 3],
        /// `[rows, heads, head_dim]` as needed.
        expected: [usize; 3],
    },
    /// The hook was called out of order.
    #[error("{0}")]
    Protocol(&'static str),
    /// A step needs more resident KV memory than the configured cap.
    #[error(
        "this step needs {needed} bytes of resident KV memory, over the cap of {cap}; raise the cap, or lower window, zoom or keep-prompt, or, with blocks, at-hand"
    )]
    OverCap {
        /// Resident bytes that the step needs.
        needed: u64,
        /// Resident bytes allowed.
        cap: u64,
    },
    /// The device has no room for more pages.
    #[error(
        "no memory for {bytes} more bytes of KV pages; set a cap, or lower window, zoom or keep-prompt, or, with blocks, at-hand"
    )]
    Memory {
        /// Bytes asked for.
        bytes: u64,
    },
    /// A sequence of a step cannot go on, which the step finds out while it runs: the host model hands this error on,
    /// and the session runs the step again without that sequence.
    #[error("sequence {0} cannot go on in this step")]
    Refused(usize),
    /// A sequence cannot be cut back so far, or forked there: the policy has dropped what would be needed to go on.
    #[error("cannot go on after the first {len} tokens: policy `{policy}` has dropped what that needs")]
    Dropped {
        /// How many tokens were to be kept, or shared with the fork.
        len: usize,
        /// The policy's name.
        policy: &'static str,
    },
    /// Tokens were asked for whose page is not on the device.
    #[error("the page of the token at position {position} is not on the device; fetch it first")]
    NotResident {
        /// The first of them.
        position: usize,
    },
    /// No such sequence (never added, or removed).
    #[error("no sequence {0}")]
    NoSequence(usize),
    /// A cold tier failed to keep or return a page.
    #[error("cold tier: {0}")]
    Tier(#[from] std::io::Error),
}
