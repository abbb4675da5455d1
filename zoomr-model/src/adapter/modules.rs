//! Sets of modules by name, as PEFT's settings describe them, and the patterns in them.
//!
//! Module names are those of a model's tensors without `.weight`. Patterns are Python's regular expressions; what
//! Python has and `fancy_regex` has not is refused, and a pattern that takes too long to decide as well.

use fancy_regex::Regex;

use super::raw::OneOrMany;

/// PEFT's word for every matrix of every layer; the output head is none.
const ALL_LINEAR: &str = "all-linear";

/// A regular expression that a whole name has to fit.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// `before`, then `pattern`, then `after`; `setting` is where the pattern comes from.
    pub(super) fn new(setting: &str, [before, pattern, after]: [&str; 3]) -> Result<Self, String> {
        let whole = format!(r"\A(?:{before}(?:{pattern}){after})\z");
        let problem = |error| format!("`{setting}`: {pattern:?} is no pattern that zoomr can read: {error}");
        Regex::new(&whole).map(Self).map_err(problem)
    }

    /// Whether `name` fits.
    pub(super) fn fits(&self, name: &str) -> Result<bool, String> {
        self.0.is_match(name).map_err(|error| format!("the pattern {:?}: {error}", self.0.as_str()))
    }

    /// The first group of a name that fits.
    fn group<'a>(&self, name: &'a str) -> Result<Option<&'a str>, String> {
        let found =
            self.0.captures(name).map_err(|error| format!("the pattern {:?}: {error}", self.0.as_str()))?;
        Ok(found.and_then(|groups| groups.get(1)).map(|group| group.as_str()))
    }
}

/// Some of a model's modules.
#[derive(Clone, Debug)]
pub(super) enum Modules {
    /// Every matrix of every layer.
    AllLinear,
    /// Those whose whole name fits.
    Fitting(Pattern),
    /// Those of these names, or whose names end in them after a dot.
    Named(Vec<String>),
}

impl Modules {
    /// What a setting names: a list, a pattern, or `all-linear`.
    pub(super) fn new(setting: &str, named: OneOrMany<String>) -> Result<Self, String> {
        Ok(match named {
            OneOrMany::One(word) if word.eq_ignore_ascii_case(ALL_LINEAR) => Self::AllLinear,
            OneOrMany::One(pattern) => Self::Fitting(Pattern::new(setting, ["", &pattern, ""])?),
            OneOrMany::Many(names) => Self::Named(names),
        })
    }

    /// Whether `module` is one of them.
    pub(super) fn hold(&self, module: &str) -> Result<bool, String> {
        Ok(match self {
            Self::AllLinear => module.starts_with("model.layers."),
            Self::Fitting(pattern) => pattern.fits(module)?,
            Self::Named(names) => names.iter().any(|name| {
                let before = module.strip_suffix(name.as_str());
                before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
            }),
        })
    }

    /// Whether `module` is one of them by its whole name.
    pub(super) fn name(&self, module: &str) -> bool {
        matches!(self, Self::Named(names) if names.iter().any(|name| name == module))
    }
}

/// What messages call them.
impl std::fmt::Display for Modules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AllLinear => f.write_str(ALL_LINEAR),
            Self::Fitting(Pattern(pattern)) => write!(f, "{pattern}"),
            Self::Named(names) => f.write_str(&names.join(", ")),
        }
    }
}

/// Some of a model's layers.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    numbers: Vec<usize>,
    /// What finds the number of a layer in a module's name; any of them.
    patterns: Vec<Pattern>,
}

impl Layers {
    /// `layers_to_transform`, with what `layers_pattern` says of where a name has the layer's number.
    pub(super) fn new(numbers: Vec<usize>, named: &[String]) -> Result<Self, String> {
        let pattern = |name: &String| {
            Pattern::new("layers_pattern", [r"(?:|.*?\.)", &format!(r"(?:{name})\.(\d+)"), r"\..*"])
        };
        let any = [String::from(r"[^.]*")];
        let named = if named.is_empty() { &any } else { named };
        Ok(Self { numbers, patterns: named.iter().map(pattern).collect::<Result<_, _>>()? })
    }

    /// Whether `module` is in one of them.
    pub(super) fn hold(&self, module: &str) -> Result<bool, String> {
        for pattern in &self.patterns {
            if let Some(number) = pattern.group(module)? {
                return Ok(number.parse().is_ok_and(|number| self.numbers.contains(&number)));
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Modules {
        Modules::Named(names.iter().map(ToString::to_string).collect())
    }

    fn fitting(pattern: &str) -> Result<Modules, String> {
        Modules::new("target_modules", OneOrMany::One(pattern.to_owned()))
    }

    const Q: &str = "model.layers.10.self_attn.q_proj";

    #[test]
    fn names_are_whole_parts_of_names() {
        for (names, holds) in
            [(["q_proj"], true), (["self_attn.q_proj"], true), ([Q], true), (["proj"], false)]
        {
            assert_eq!(named(&names).hold(Q), Ok(holds), "{names:?}");
        }
        assert!(named(&[Q]).name(Q) && !named(&["q_proj"]).name(Q));
    }

    #[test]
    fn patterns_fit_whole_names_as_in_python() {
        for (pattern, fits) in [
            (r".*\.q_proj", true),
            (r"q_proj", false),
            (r"model.layers.1", false),
            (r".*k_proj|.*q_proj", true),
            (r"^(?!.*vision).*_proj$", true),
            (r"^(?!.*self_attn).*_proj$", false),
            (r"(?P<a>model)\.layers\.\d{2}\..*", true),
            (r"", false),
        ] {
            assert_eq!(fitting(pattern).unwrap().hold(Q), Ok(fits), "{pattern}");
        }
        assert!(fitting("all-linear").unwrap().hold(Q).unwrap());
        assert!(!fitting("all-linear").unwrap().hold("lm_head").unwrap());
    }

    #[test]
    fn what_is_no_pattern_or_takes_for_ever_is_an_error() {
        for broken in ["(", "*", r"[z-a]", &"(".repeat(100_000), "((a{1000}){1000}){1000}"] {
            let problem = fitting(broken).unwrap_err();
            assert!(problem.contains("target_modules"), "{problem}");
        }
        let slow = fitting(r"(?=(a+)+\1b).*").unwrap();
        assert!(slow.hold(&"a".repeat(60)).is_err());
    }

    #[test]
    fn layers_are_the_first_number_or_that_after_a_pattern() {
        let layers = |pattern: &[&str]| {
            Layers::new(vec![0, 10], &pattern.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
        };
        assert_eq!(layers(&[]).hold(Q), Ok(true));
        assert_eq!(layers(&[]).hold("model.layers.1.mlp.up_proj"), Ok(false));
        assert_eq!(layers(&[]).hold("lm_head"), Ok(false));
        assert_eq!(layers(&["layers"]).hold(Q), Ok(true));
        assert_eq!(layers(&["h", "layers?"]).hold(Q), Ok(true));
        assert_eq!(layers(&["h"]).hold(Q), Ok(false));
    }
}
