//! How text is cut into words before byte pairs are merged: what `tokenizer.ggml.pre` names, as `tokenizer.json` has it.
//!
//! The names are llama.cpp's (`llama-vocab.cpp`); the steps are those of the tokenizers that they were given for, in Hugging
//! Face's files, from which llama.cpp's own expressions were derived.

use serde_json::{Value, json};

const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN_2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT_4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The steps of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Steps {
    /// GPT-2's words.
    Gpt2,
    /// Digits one by one, then GPT-2's words.
    DigitsGpt2,
    /// What an expression finds.
    Split(&'static str),
}

/// One kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pre {
    /// Its names, the one to be written first.
    pub(super) names: &'static [&'static str],
    steps: Steps,
    /// Whether text is brought to Unicode's composed form first.
    pub(super) composes: bool,
    /// Whether a word that is a token is that token, whatever merges would make of it.
    pub(super) whole_words: bool,
    /// Whether a text begins with the model's first token, where the file does not say.
    pub(super) begins: bool,
}

const PLAIN: Pre = Pre { names: &[], steps: Steps::Gpt2, composes: false, whole_words: false, begins: false };

/// All kinds.
pub(super) const KINDS: [Pre; 7] = [
    Pre { names: &["gpt-2", "phi-2", "olmo", "mpt", "jais"], ..PLAIN },
    Pre {
        names: &["smollm", "starcoder", "refact", "command-r", "codeshell"],
        steps: Steps::DigitsGpt2,
        ..PLAIN
    },
    Pre {
        names: &["llama-bpe", "llama3", "llama-v3"],
        steps: Steps::Split(LLAMA_3),
        whole_words: true,
        begins: true,
        ..PLAIN
    },
    Pre { names: &["dbrx", "smaug-bpe"], steps: Steps::Split(LLAMA_3), ..PLAIN },
    Pre { names: &["qwen2", "deepseek-r1-qwen"], steps: Steps::Split(QWEN_2), composes: true, ..PLAIN },
    Pre { names: &["tekken"], steps: Steps::Split(TEKKEN), whole_words: true, begins: true, ..PLAIN },
    Pre { names: &["gpt-4o"], steps: Steps::Split(GPT_4O), ..PLAIN },
];

impl Pre {
    /// The kind of a name.
    pub(super) fn named(name: &str) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.names.contains(&name))
    }

    /// The kind of a `tokenizer.json`, by its fields.
    pub(super) fn of(pre_tokenizer: &Value, composes: bool, whole_words: bool) -> Option<Self> {
        let steps = steps(pre_tokenizer)?;
        let fits = |kind: &&Pre| kind.steps == steps && kind.composes == composes;
        // A file of an older library may lack the setting of whole words.
        let candidates = || KINDS.iter().filter(fits);
        candidates().find(|kind| kind.whole_words == whole_words).copied()
    }

    /// Its `pre_tokenizer`.
    pub(super) fn json(self) -> Value {
        let bytes = |words: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": words});
        let sequence = |steps: [Value; 2]| json!({"type": "Sequence", "pretokenizers": steps});
        match self.steps {
            Steps::Gpt2 => bytes(true),
            Steps::DigitsGpt2 => {
                sequence([json!({"type": "Digits", "individual_digits": true}), bytes(true)])
            }
            Steps::Split(regex) => {
                let split = json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": false});
                sequence([split, bytes(false)])
            }
        }
    }
}

/// The steps of a `pre_tokenizer`, if they are those of a kind.
fn steps(step: &Value) -> Option<Steps> {
    let list = match step["type"].as_str()? {
        "Sequence" => step["pretokenizers"].as_array()?.as_slice(),
        _ => std::slice::from_ref(step),
    };
    let is_bytes = |step: &Value, words: bool| {
        step["type"] == "ByteLevel"
            && step["add_prefix_space"] == false
            && step["use_regex"].as_bool().unwrap_or(true) == words
    };
    match list {
        [bytes] if is_bytes(bytes, true) => Some(Steps::Gpt2),
        [digits, bytes]
            if digits["type"] == "Digits" && digits["individual_digits"] == true && is_bytes(bytes, true) =>
        {
            Some(Steps::DigitsGpt2)
        }
        [split, bytes] if split["type"] == "Split" && is_bytes(bytes, false) => {
            let regex = split["pattern"]["Regex"].as_str()?;
            // An expression that finds everything leaves nothing between: what becomes of that does not matter.
            let known = [LLAMA_3, QWEN_2, TEKKEN, GPT_4O].into_iter().find(|known| *known == regex)?;
            let isolates = split["behavior"] == "Isolated" && split["invert"] == false;
            let removes = split["behavior"] == "Removed" && split["invert"] == true;
            (isolates || removes).then_some(Steps::Split(known))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_their_steps() {
        for kind in KINDS {
            let found = Pre::of(&kind.json(), kind.composes, kind.whole_words).unwrap();
            assert_eq!(found.names, kind.names);
            assert_eq!(Pre::named(kind.names[0]).unwrap().names, kind.names);
        }
        assert!(Pre::named("default").is_none());
        assert!(Pre::of(&json!({"type": "Whitespace"}), false, false).is_none());
    }
}
