//! What kind of thing a field of a record tells.
//!
//! A field belongs to the class of the innermost name on its path that is known: `trace[3].bytes.window` is of
//! `bytes`. What no class knows is [`Class::Other`], never overlooked.

use std::str::FromStr;

use anyhow::{Error, Result, bail};

/// A kind of outcome, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// What the model says: tokens, losses, logits, exit codes, messages.
    Text,
    /// What was chosen: votes, zoomed thoughts, tokens attended.
    Votes,
    /// KV bytes by tier, and what is worked out from them.
    Bytes,
    /// What went from tier to tier: hits, misses, bytes.
    Moved,
    /// How many steps there were, and fields that this file does not know.
    Other,
}

const TEXT: [&str; 16] = [
    "exit",
    "stderr",
    "stdout",
    "logits",
    "recording",
    "tokens",
    "text",
    "stop",
    "problem",
    "logprobs",
    "nll",
    "mean_nll",
    "perplexity",
    "correct",
    "accuracy",
    "accuracy_95",
];
const VOTES: [&str; 15] = [
    "step",
    "role",
    "sequence",
    "position",
    "attended",
    "votes",
    "zoomed",
    "steps",
    "thoughts",
    "prompt_tokens",
    "new_tokens",
    "summary_tokens",
    "attended_tokens",
    "attended_times_fewer",
    "missed_mass",
];
const BYTES: [&str; 16] = [
    "bytes",
    "resident_bytes",
    "resident_peak",
    "resident_peak_max",
    "resident_area",
    "full_bytes",
    "tokens_resident",
    "kv_bytes",
    "kv_bytes_full",
    "kv_bytes_resident",
    "kv_bytes_resident_peak",
    "kv_bytes_cold",
    "kv_byte_steps_resident",
    "kv_byte_steps_full",
    "reduction_of_device",
    "reduction_of_total",
];
const MOVED: [&str; 6] = ["moved", "hits", "misses", "hit_rate", "bytes_fetched", "bytes_stored"];

impl Class {
    /// All of them, in the order of the table's columns.
    pub(super) const ALL: [Self; 5] = [Self::Text, Self::Votes, Self::Bytes, Self::Moved, Self::Other];

    /// The name in the table and on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Votes => "votes",
            Self::Bytes => "bytes",
            Self::Moved => "moved",
            Self::Other => "other",
        }
    }

    /// The class of the field at `path`, as in `trace[3].bytes.window`.
    pub(super) fn of(path: &str) -> Self {
        let names = path.rsplit('.').filter_map(|name| name.split('[').next());
        names.into_iter().find_map(Self::known).unwrap_or(Self::Other)
    }

    fn known(name: &str) -> Option<Self> {
        let classes =
            [(Self::Text, &TEXT[..]), (Self::Votes, &VOTES), (Self::Bytes, &BYTES), (Self::Moved, &MOVED)];
        classes.into_iter().find(|(_, names)| names.contains(&name)).map(|(class, _)| class)
    }
}

impl FromStr for Class {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = Self::ALL.map(Self::name).join(", ");
        match Self::ALL.into_iter().find(|class| class.name() == name) {
            Some(class) => Ok(class),
            None => bail!("--allow: `{name}` is no class of fields; there are {known}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_name_decides() {
        assert_eq!(Class::of("trace[3].bytes.window"), Class::Bytes);
        assert_eq!(Class::of("trace[3].last_rows[0].votes[7]"), Class::Votes);
        assert_eq!(Class::of("trace[3].last_rows[0].zoomed[1][2]"), Class::Votes);
        assert_eq!(Class::of("trace[3].last_rows[0].misses"), Class::Moved);
        assert_eq!(Class::of("trace[3].moved.fetched"), Class::Moved);
        assert_eq!(Class::of("reports[0].stats.kv_bytes.prompt"), Class::Bytes);
        assert_eq!(Class::of("reports[0].logprobs[12]"), Class::Text);
        assert_eq!(Class::of("logits[5]"), Class::Text);
    }

    #[test]
    fn unknown_fields_are_not_overlooked() {
        assert_eq!(Class::of("reports[0].entropy"), Class::Other);
        assert_eq!(Class::of("trace[3].new_field"), Class::Other);
        assert_eq!(Class::of("trace.len"), Class::Other);
    }
}
