//! What is zoomed into: blocks or whole thoughts, by what was said of either.

use zoomr_core::{
    Error,
    config::{Options, PolicyKind, SummaryVisibility},
    select::Zoom,
    trigger::Trigger,
};

use super::{MethodError, MethodOptions};
use crate::reasoning_format::ReasoningFormat;

/// Tokens of a block, where nothing else is said.
const BLOCK: usize = 4;

/// What says from what blocks are chosen, but not that there are any.
const NEED_BLOCKS: [&str; 2] = ["prefill", "at-hand"];

impl MethodOptions {
    /// Tokens of a block under a policy, if it has blocks.
    pub(super) fn blocks_of(
        &self,
        policy: PolicyKind,
        taught: &Options,
        format: Option<&ReasoningFormat>,
    ) -> Option<usize> {
        let speaks_of_blocks = self.about_blocks().any(|name| !NEED_BLOCKS.contains(&name));
        let usual = match format {
            Some(_) => taught.blocks.or(speaks_of_blocks.then_some(BLOCK)),
            None => {
                let pools = matches!(self.trigger(None), Trigger::Pooled | Trigger::Forced);
                (speaks_of_blocks || pools && self.whole_thoughts().is_none()).then_some(BLOCK)
            }
        };
        match policy {
            PolicyKind::Zoomr => self.blocks.unwrap_or(usual),
            // The others have them where that is said.
            PolicyKind::Oracle => self.blocks.unwrap_or(speaks_of_blocks.then_some(BLOCK)),
            PolicyKind::Quest => self.blocks.flatten(),
            _ => None,
        }
    }

    /// The first setting given that means something where there are blocks, and does not bring them, if any does.
    pub(super) fn needs_blocks(&self) -> Option<&'static str> {
        self.about_blocks().find(|name| NEED_BLOCKS.contains(name))
    }

    /// The settings given that speak of how blocks are chosen, or from what.
    fn about_blocks(&self) -> impl Iterator<Item = &'static str> {
        let settings = [
            ("preset", self.preset.is_some()),
            ("zoom-share", self.zoom_share.is_some()),
            ("block-scope", self.block_scope.is_some()),
            ("prefill", self.prefill.is_some()),
            ("at-hand", self.at_hand.is_some()),
        ];
        settings.into_iter().filter_map(|(name, given)| given.then_some(name))
    }

    /// The first setting given that speaks of whole thoughts, if any does.
    fn whole_thoughts(&self) -> Option<&'static str> {
        let zoom = match self.zoom {
            Some(Zoom::Thoughts(_)) => Some("zoom"),
            Some(Zoom::Mass(_)) => Some("zoom-mass"),
            Some(Zoom::Tokens(_)) | None => None,
        };
        zoom.or(self.votes.map(|_| "votes"))
            .or(self.scope.map(|_| "scope"))
            .or(self.resident_thoughts.map(|_| "resident-thoughts"))
            .or(self.summaries.filter(|&shown| shown == SummaryVisibility::Voted).map(|_| "summaries"))
    }

    /// What speaks of blocks beside something that speaks of whole thoughts, or of neither.
    pub(super) fn contradiction(&self) -> Option<MethodError> {
        let block = self.about_blocks().next();
        let mut speaking = self.about_blocks().chain(self.blocks.flatten().map(|_| "blocks"));
        if let Some(policy) = self.policy
            && let Some(name) = speaking.find(|name| !policy.goes_by(name))
        {
            let reason = format!("policy `{policy}` does not go by it; leave it out");
            return Some(Error::Setting { name, reason }.into());
        }
        if self.policy == Some(PolicyKind::Quest) && self.blocks.flatten().is_none() && block.is_some() {
            let reason = "each head chooses for itself; give blocks 8, say, or leave it out".to_owned();
            return Some(Error::Setting { name: "block-scope", reason }.into());
        }
        let (name, reason) = match (block, self.blocks, self.whole_thoughts()) {
            (Some(block), Some(None), _) => (block, "blocks are off; leave it out, or give blocks 4"),
            (Some(_), _, Some(whole)) | (_, Some(Some(_)), Some(whole)) => {
                (whole, "it speaks of whole thoughts; leave it out, or give blocks `off`")
            }
            _ => return None,
        };
        Some(Error::Setting { name, reason: reason.to_owned() }.into())
    }
}
