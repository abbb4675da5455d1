//! A setting: a policy and its numbers, from one line of text such as `zoomr:zoom=2,window=64`.
//!
//! What a line does not say stays as the model was taught, or at its default.

use serde_json::{Value, json};
use zoomr_core::config::{Options, PolicyKind, Preset, Settings};

/// Settings with a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    name: String,
    settings: Settings,
}

/// What a line says that decides what its other names mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingHead {
    /// The policy.
    pub policy: PolicyKind,
    /// Tokens of a block, or none, where the line says so.
    pub blocks: Option<Option<usize>>,
    /// The preset that the line names.
    pub preset: Option<Preset>,
}

impl SettingHead {
    fn speaks_of_neither(&self) -> bool {
        self.blocks.is_none() && self.preset.is_none()
    }
}

/// Whether a part sets what only whole thoughts have.
fn speaks_of_thoughts(part: &str) -> bool {
    let name = part.split('=').next().unwrap_or(part);
    matches!(name, "zoom" | "zoom-mass" | "votes" | "scope" | "resident-thoughts")
        || part == "summaries=voted"
}

/// Whether a part sets what only blocks have.
fn speaks_of_blocks(part: &str) -> bool {
    let name = part.split('=').next().unwrap_or(part);
    matches!(name, "zoom-share" | "block-scope" | "prefill" | "at-hand" | "passage-tokens" | "spread-tokens")
}

/// Why a line is no setting.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// Something after the policy is not `NAME=VALUE`.
    #[error("`{part}` sets nothing; write POLICY:NAME=VALUE,NAME=VALUE, as in zoomr:zoom=2,window=64")]
    Form {
        /// The part.
        part: String,
    },
    /// A name or value that there is not.
    #[error("`{part}`: {reason}")]
    Part {
        /// The part.
        part: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The policy is none, or the numbers contradict each other.
    #[error(transparent)]
    Core(#[from] zoomr_core::Error),
}

impl Setting {
    /// Parses `POLICY` or `POLICY:NAME=VALUE,..`, where the names are those of [`Options`], besides `zoom-tokens`,
    /// `zoom-mass` and `preset`, and the value `none` means no limit. All else is as in `base`, but that a line that speaks
    /// of whole thoughts and not of blocks has none.
    ///
    /// ```
    /// use zoomr_core::{config::Options, select::Zoom};
    /// use zoomr_model::setting::Setting;
    ///
    /// let setting = Setting::parse("zoomr:zoom=3,window=64", &Options::default())?;
    /// assert_eq!((setting.settings().zoom, setting.settings().window), (Zoom::Thoughts(3), 64));
    /// let error = Setting::parse("zoomr:zom=3", &Options::default()).unwrap_err();
    /// assert!(error.to_string().starts_with("`zom=3`: unknown field `zom`, expected one of `policy`, "));
    /// # Ok::<(), zoomr_model::setting::SettingError>(())
    /// ```
    ///
    /// # Errors
    /// [`SettingError`], naming the part that is wrong.
    pub fn parse(line: &str, base: &Options) -> Result<Self, SettingError> {
        Self::parse_over(line, |_| Ok(base.clone()))
    }

    /// As [`parse`](Self::parse), over what `base` gives for a line's beginning.
    ///
    /// # Errors
    /// As there, and those of `base`.
    pub fn parse_over(
        line: &str,
        base: impl FnOnce(&SettingHead) -> Result<Options, zoomr_core::Error>,
    ) -> Result<Self, SettingError> {
        let name: String = line.chars().filter(|c| !c.is_whitespace()).collect();
        let (policy, parts) = name.split_once(':').unwrap_or((&name, ""));
        let parts = parts.split(',').filter(|part| !part.is_empty());
        let mut head = SettingHead { policy: policy.parse()?, blocks: None, preset: None };
        let mut rest = Vec::new();
        for part in parts {
            match part.split_once('=') {
                Some(("blocks", value)) => head.blocks = Some(blocks(part, value)?),
                Some(("preset", value)) => head.preset = Some(value.parse()?),
                _ => rest.push(part),
            }
        }
        if head.speaks_of_neither() && rest.iter().any(|part| speaks_of_thoughts(part)) {
            head.blocks = Some(None);
        }
        let mut options = Options { policy: head.policy, ..base(&head)? };
        options.blocks = head.blocks.unwrap_or(options.blocks);
        let of_blocks = rest.iter().copied().filter(|part| speaks_of_blocks(part));
        let mut said = (head.blocks.flatten().map(|_| "blocks").into_iter())
            .chain(head.preset.map(|_| "preset"))
            .chain(of_blocks.filter_map(|part| part.split('=').next()));
        if let Some(name) = said.find(|name| !options.policy.goes_by(name)) {
            let reason = format!("policy `{}` does not go by it; leave it out", options.policy);
            return Err(SettingError::Part { part: name.to_owned(), reason });
        }
        for &part in &rest {
            if options.blocks.is_none() && speaks_of_blocks(part) {
                let reason = match rest.iter().find(|part| speaks_of_thoughts(part)) {
                    Some(whole) => {
                        format!("it speaks of blocks, and `{whole}` of whole thoughts; leave one out")
                    }
                    None => "it speaks of blocks; say blocks=4, too, or leave it out".to_owned(),
                };
                return Err(SettingError::Part { part: part.to_owned(), reason });
            }
            if options.blocks.is_some() && options.policy != PolicyKind::Quest && speaks_of_thoughts(part) {
                let reason =
                    "with blocks, say zoom-tokens or zoom-share; whole thoughts take blocks=off".to_owned();
                return Err(SettingError::Part { part: part.to_owned(), reason });
            }
            options = overlaid(&options, part)?;
        }
        let settings = Settings::try_from(options)?;
        Ok(Self { name, settings })
    }

    /// The line that it was parsed from, without white space.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same for prompts that begin with a [system message](Settings::with_system_message) of so many tokens.
    #[must_use]
    pub fn with_system_message(self, tokens: usize) -> Self {
        Self { settings: self.settings.with_system_message(tokens), ..self }
    }

    /// The policy and its numbers.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// The first name that several of `settings` have, if one is there.
pub fn repeated(settings: &[Setting]) -> Option<&str> {
    let mut numbered = settings.iter().enumerate();
    let repeated =
        numbered.find(|(number, setting)| settings[..*number].iter().any(|s| s.name == setting.name));
    repeated.map(|(_, setting)| setting.name())
}

/// What a line says of blocks.
fn blocks(part: &str, value: &str) -> Result<Option<usize>, SettingError> {
    match value {
        "off" => Ok(None),
        value => value.parse().map(Some).map_err(|_| SettingError::Part {
            part: part.into(),
            reason: "give the tokens of a block (4, 8 or 16), or `off`".to_owned(),
        }),
    }
}

/// `options` with what `part`, `NAME=VALUE`, sets.
fn overlaid(options: &Options, part: &str) -> Result<Options, SettingError> {
    let wrong =
        |error: serde_json::Error| SettingError::Part { part: part.into(), reason: error.to_string() };
    let (name, value) = part.split_once('=').ok_or_else(|| SettingError::Form { part: part.into() })?;
    let value = match value {
        "none" => Value::Null,
        // Numbers are numbers; whatever is no JSON is a word.
        value => serde_json::from_str(value).unwrap_or_else(|_| Value::from(value)),
    };
    let (name, value) = match name {
        "zoom-tokens" if options.blocks.is_none() => ("zoom", json!({ "tokens": value })),
        "zoom" => ("zoom", json!({ "thoughts": value })),
        "zoom-mass" => ("zoom", json!({ "mass": value })),
        "prompt" => {
            let reason = "it is called keep-prompt".to_owned();
            return Err(SettingError::Part { part: part.into(), reason });
        }
        name => (name, value),
    };
    let mut fields = serde_json::to_value(options).map_err(wrong)?;
    if let Value::Object(fields) = &mut fields {
        fields.insert(name.to_owned(), value);
    }
    serde_json::from_value(fields).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use zoomr_core::{
        config::{AtHand, SummaryVisibility},
        select::Zoom,
    };

    use super::*;

    #[test]
    fn a_line_overlays_what_it_names() {
        let base = Options { window: 64, keep_prompt: Some(9), ..Options::default() };
        let parse = |line: &str| Setting::parse(line, &base).unwrap();
        assert_eq!(**parse("zoomr").settings(), base);
        let full = parse(" full ");
        assert_eq!((full.name(), full.settings().policy), ("full", PolicyKind::Full));
        let mixed = parse("zoomr: zoom-mass=1, summaries=voted, keep-prompt=none, resident-thoughts=5");
        let expected = Options {
            zoom: Zoom::Mass(1.0),
            summaries: SummaryVisibility::Voted,
            keep_prompt: None,
            resident_thoughts: Some(5),
            ..base.clone()
        };
        assert_eq!(**mixed.settings(), expected);
        assert_eq!(parse("quest:budget=44,").settings().budget, 44);
    }

    #[test]
    fn what_is_at_hand_is_a_word_or_a_number() {
        let base = Options { blocks: Some(4), ..Options::default() };
        let at_hand = |line: &str| Setting::parse(line, &base).unwrap().settings().at_hand;
        assert_eq!(at_hand("zoomr:at-hand=900"), AtHand::Tokens(900));
        assert_eq!(at_hand("zoomr:at-hand=quarter"), AtHand::Quarter);
        assert_eq!(at_hand("zoomr:at-hand=all"), AtHand::All);
        for wrong in ["half", "-3", "none"] {
            let error = Setting::parse(&format!("zoomr:at-hand={wrong}"), &base).unwrap_err().to_string();
            assert!(error.contains("`quarter` nor a number"), "{error}");
        }
    }

    #[test]
    fn a_line_speaks_of_blocks_or_of_whole_thoughts() {
        let base = |head: &SettingHead| {
            let blocks = head.blocks.unwrap_or(Some(4));
            Ok(Options { blocks, window: if blocks.is_some() { 32 } else { 128 }, ..Options::default() })
        };
        let parse = |line: &str| {
            let setting = Setting::parse_over(line, base).unwrap();
            (setting.settings().blocks, setting.settings().window)
        };
        assert_eq!(parse("zoomr:zoom-share=0.1,zoom-tokens=9"), (Some(4), 32));
        for whole in
            ["zoomr:zoom=2", "zoomr:votes=1,zoom-tokens=90", "zoomr:summaries=voted", "zoomr:blocks=off"]
        {
            assert_eq!(parse(whole), (None, 128), "{whole}");
        }
        let error = Setting::parse_over("zoomr:zoom=2,blocks=4", base).unwrap_err().to_string();
        assert!(error.contains("whole thoughts take blocks=off"), "{error}");
        assert!(Setting::parse("zoomr:blocks=some", &Options::default()).is_err());
        for ineffective in [
            "full:blocks=4",
            "full:preset=small",
            "oracle:blocks=off,zoom-share=0.1",
            "oracle:blocks=4,at-hand=64",
            "quest:blocks=off,block-scope=kv",
            "quest:blocks=8,prefill=zoom",
            "quest:blocks=8,zoom-share=0.1",
        ] {
            assert!(Setting::parse_over(ineffective, base).is_err(), "{ineffective}");
        }
        assert!(Setting::parse_over("full", base).is_ok(), "it says nothing of blocks");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, says) in [
            ("", "policy"),
            ("zoom", "not one of full, window"),
            ("full:", ""),
            ("full:window", "`window` sets nothing"),
            ("full:window=many", "`window=many`: invalid type"),
            ("full:window=0", "would hide a row"),
            ("full:zoom=-1", "`zoom=-1`"),
            ("rkv:budget=4", "at least 9"),
            ("zoomr:prompt=9", "`prompt=9`: it is called keep-prompt"),
            ("full:sinks=1,size=3", "unknown field `size`"),
        ] {
            match Setting::parse(line, &Options::default()) {
                Ok(setting) => assert!(says.is_empty() && setting.settings().policy == PolicyKind::Full),
                Err(error) => {
                    assert!(!says.is_empty() && error.to_string().contains(says), "{line}: {error}");
                }
            }
        }
    }
}
