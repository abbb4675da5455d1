//! What an adapter's configuration says, checked: which modules it is for, of which rank, and by what it multiplies.
//!
//! The rules are those of PEFT 0.21 (`LoraConfig`, and how its modules are matched and saved).

use std::path::Path;

use serde_json::{Value, error::Category};

use super::{
    AdapterError,
    modules::{Layers, Modules, Pattern},
    peft,
    raw::{OneOrMany, RawLora},
};
use crate::{entries::Entries, text::FileError};

/// Far above any adapter's rank.
const MAX_RANK: usize = 1 << 16;

/// Variants of LoRA that compute something else, or change the model's own matrices, by their fields. A field that
/// holds nothing, false or zero is one that is not there.
const VARIANTS: [(&str, &str); 11] = [
    ("use_dora", "DoRA, which scales each row by a magnitude of its own"),
    ("use_qalora", "QALoRA, which pools its inputs"),
    ("use_bdlora", "BD-LoRA, whose matrices are block-diagonal"),
    ("lora_bias", "a bias on the adapter itself"),
    ("layer_replication", "layers that are there several times"),
    ("trainable_token_indices", "single rows of the embedding"),
    ("target_parameters", "parameters that are no modules"),
    ("alora_invocation_tokens", "aLoRA, which begins at certain tokens"),
    ("arrow_config", "Arrow, which chooses among adapters"),
    ("kasa_config", "KaSA, which changes the model's own matrices"),
    ("monteclora_config", "MonteCLoRA, which draws at random"),
];

/// Ways to begin that take something out of the model's own matrices, which are then other ones than in its files.
const CHANGES_THE_MODEL: [&str; 5] = ["pissa", "olora", "corda", "loftq", "lora_ga"];

/// A LoRA adapter's configuration.
#[derive(Clone, Debug)]
pub(super) struct Lora {
    targets: Modules,
    excluded: Option<Modules>,
    layers: Option<Layers>,
    /// Modules that are saved whole, and everything in them.
    saved: Vec<String>,
    inside_saved: Vec<Pattern>,
    /// Whether embedding and head of a model that has one matrix for both stay one, if one of them is saved.
    keeps_tied: bool,
    rank: usize,
    alpha: f64,
    ranks: Vec<(Pattern, usize)>,
    alphas: Vec<(Pattern, f64)>,
    stabilised: bool,
}

impl Lora {
    /// Reads the configuration in `dir`.
    ///
    /// # Errors
    /// [`AdapterError`] where there is none, or it asks for what zoomr does not compute.
    pub(super) fn from_dir(dir: &Path) -> Result<Self, AdapterError> {
        let path = dir.join(peft::CONFIG);
        let json = match std::fs::read(&path) {
            Ok(json) => json,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(AdapterError::Missing { dir: dir.to_owned() });
            }
            Err(source) => return Err(FileError::Read { path, source }.into()),
        };
        match serde_json::from_slice(&json) {
            Ok(raw) => Self::new(raw).map_err(|problem| AdapterError::Unsupported { path, problem }),
            // A field of another type than PEFT's is no damage.
            Err(error) if error.classify() == Category::Data => {
                Err(AdapterError::Unsupported { path, problem: error.to_string() })
            }
            Err(source) => Err(FileError::Json { path, source }.into()),
        }
    }

    fn new(raw: RawLora) -> Result<Self, String> {
        supported(&raw)?;
        let targets = raw.target_modules.ok_or("`target_modules` is missing, so that it is for no matrix")?;
        let layers = raw.layers_to_transform.map(OneOrMany::into_vec).filter(|layers| !layers.is_empty());
        if matches!(targets, OneOrMany::One(_)) && layers.is_some() {
            return Err("`layers_to_transform` takes a list as `target_modules`, no pattern".to_owned());
        }
        let named = raw.layers_pattern.map_or(Vec::new(), OneOrMany::into_vec);
        let excluded = raw.exclude_modules.filter(|modules| !is_empty(modules));
        let saved = raw.modules_to_save.unwrap_or_default();
        let inside = |name: &String| Pattern::new("modules_to_save", [r"(?:|.*\.)", name, r"(?:|\..*)"]);
        Ok(Self {
            targets: Modules::new("target_modules", targets)?,
            excluded: excluded.map(|modules| Modules::new("exclude_modules", modules)).transpose()?,
            layers: layers.map(|layers| Layers::new(layers, &named)).transpose()?,
            inside_saved: saved.iter().map(inside).collect::<Result<_, _>>()?,
            saved,
            keeps_tied: raw.ensure_weight_tying.unwrap_or(false),
            rank: rank("r", raw.r.unwrap_or(8))?,
            alpha: alpha("lora_alpha", raw.lora_alpha.unwrap_or(8.0))?,
            ranks: patterns("rank_pattern", raw.rank_pattern, rank)?,
            alphas: patterns("alpha_pattern", raw.alpha_pattern, alpha)?,
            stabilised: raw.use_rslora.unwrap_or(false),
        })
    }

    /// The modules that it is for.
    pub(super) fn targets(&self) -> &Modules {
        &self.targets
    }

    /// Whether it stands beside the matrix of `module`.
    pub(super) fn is_target(&self, module: &str) -> Result<bool, String> {
        let excluded = self.excluded.as_ref().map_or(Ok(false), |excluded| excluded.hold(module))?;
        if excluded || first_fitting(&self.inside_saved, module, |pattern| pattern)?.is_some() {
            return Ok(false);
        }
        if self.targets.name(module) {
            return Ok(true);
        }
        let in_layers = self.layers.as_ref().map_or(Ok(true), |layers| layers.hold(module))?;
        Ok(in_layers && self.targets.hold(module)?)
    }

    /// Whether `module`, one of a model's embedding and head that are one matrix, is saved as one that is from then on
    /// a matrix of its own.
    pub(super) fn parts(&self, module: &str) -> bool {
        !self.keeps_tied && self.saved.iter().any(|end| module.ends_with(end.as_str()))
    }

    /// Rows of `A`, columns of `B`.
    pub(super) fn rank(&self, module: &str) -> Result<usize, String> {
        Ok(first_fitting(&self.ranks, module, |(pattern, _)| pattern)?.map_or(self.rank, |(_, rank)| *rank))
    }

    /// What `B A` is multiplied by: `alpha / rank`, or `alpha / sqrt(rank)` where the adapter is rank-stabilised.
    pub(super) fn scale(&self, module: &str) -> Result<f64, String> {
        let own = first_fitting(&self.alphas, module, |(pattern, _)| pattern)?;
        let alpha = own.map_or(self.alpha, |(_, alpha)| *alpha);
        let rank = self.rank(module)? as f64;
        Ok(alpha / if self.stabilised { rank.sqrt() } else { rank })
    }
}

/// The first entry whose pattern a name fits.
fn first_fitting<'a, T>(
    entries: &'a [T],
    name: &str,
    pattern: impl Fn(&T) -> &Pattern,
) -> Result<Option<&'a T>, String> {
    for entry in entries {
        if pattern(entry).fits(name)? {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// The entries of `rank_pattern` or `alpha_pattern`: keys are the ends of modules' names.
fn patterns<T>(
    setting: &'static str,
    entries: Option<Entries<T>>,
    check: impl Fn(&'static str, T) -> Result<T, String>,
) -> Result<Vec<(Pattern, T)>, String> {
    let entries = entries.map_or(Vec::new(), |Entries(entries)| entries);
    let entry = |(key, value): (String, T)| {
        Ok((Pattern::new(setting, [r"(?:|.*\.)", &key, ""])?, check(setting, value)?))
    };
    entries.into_iter().map(entry).collect()
}

fn rank(setting: &'static str, rank: usize) -> Result<usize, String> {
    if (1..=MAX_RANK).contains(&rank) {
        return Ok(rank);
    }
    Err(format!("`{setting}`: a rank of {rank}; it must be from 1 to {MAX_RANK}"))
}

fn alpha(setting: &'static str, alpha: f64) -> Result<f64, String> {
    if alpha.abs() <= 1e9 {
        return Ok(alpha);
    }
    Err(format!(
        "`{setting}` is {alpha}, which leaves nothing of the model's own numbers; it must be at most 1e9"
    ))
}

/// That it asks for nothing that zoomr does not compute.
fn supported(raw: &RawLora) -> Result<(), String> {
    if let Some(other) = raw.peft_type.as_deref().filter(|name| *name != "LORA") {
        return Err(format!("an adapter of type {other} is not supported; LORA is"));
    }
    let is_set = |(field, _): &&(&str, &str)| raw.others.get(*field).is_some_and(is_set);
    if let Some((field, what)) = VARIANTS.iter().find(is_set) {
        return Err(format!(
            "`{field}` is not supported ({what}); merge the adapter into its model with PEFT, or train one without it"
        ));
    }
    let begun = raw.others.get("init_lora_weights").and_then(Value::as_str).unwrap_or_default();
    if CHANGES_THE_MODEL.iter().any(|name| begun.starts_with(name)) {
        return Err(format!(
            "`init_lora_weights` = {begun} is not supported: it changes the model's own matrices; convert the adapter \
             with PEFT (`path_initial_model_for_weight_conversion`)"
        ));
    }
    Ok(())
}

/// Whether a field says anything.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

fn is_empty(modules: &OneOrMany<String>) -> bool {
    match modules {
        OneOrMany::One(pattern) => pattern.is_empty(),
        OneOrMany::Many(names) => names.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const Q: &str = "model.layers.0.self_attn.q_proj";

    /// An adapter for `q_proj` with more fields.
    fn lora(fields: &str) -> Result<Lora, String> {
        let json = format!(
            r#"{{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], {fields} "a": 1}}"#
        );
        Lora::new(serde_json::from_str(&json).map_err(|error| error.to_string())?)
    }

    #[test]
    fn ranks_and_scales_are_those_of_the_first_pattern_that_fits() {
        let lora = lora(
            r#""rank_pattern": {"self_attn.q_proj": 2, "q_proj": 3}, "alpha_pattern": {"layers.0..*": 6},"#,
        )
        .unwrap();
        assert_eq!([Q, "model.layers.1.mlp.q_proj", "q"].map(|name| lora.rank(name).unwrap()), [2, 3, 4]);
        assert_eq!(
            [Q, "model.layers.1.mlp.q_proj", "q"].map(|name| lora.scale(name).unwrap()),
            [3.0, 8.0 / 3.0, 2.0]
        );
        assert_eq!(self::lora(r#""use_rslora": true,"#).unwrap().scale(Q), Ok(4.0));
    }

    #[test]
    fn what_says_nothing_is_not_there() {
        let empty = r#""use_dora": null, "use_rslora": null, "bias": "none", "rank_pattern": null, "loftq_config": {},
            "layer_replication": [], "exclude_modules": "", "layers_to_transform": [], "modules_to_save": null,
            "alora_invocation_tokens": null, "init_lora_weights": true, "lora_bias": false, "fan_in_fan_out": true,"#;
        let lora = lora(empty).unwrap();
        assert_eq!(lora.is_target(Q), Ok(true));
        assert_eq!(lora.scale(Q), Ok(2.0));
    }

    #[test]
    fn what_is_not_computed_is_named() {
        for (fields, says) in [
            (r#""use_dora": true,"#, "`use_dora`"),
            (r#""layer_replication": [[0, 2]],"#, "`layer_replication`"),
            (r#""trainable_token_indices": [1],"#, "`trainable_token_indices`"),
            (r#""init_lora_weights": "pissa_niter_4","#, "pissa_niter_4"),
            (r#""rank_pattern": {"q_proj": 0},"#, "`rank_pattern`: a rank of 0"),
            (r#""rank_pattern": {"(": 1},"#, "`rank_pattern`: \"(\""),
            (r#""alpha_pattern": {"q_proj": 1e30},"#, "`alpha_pattern` is 1000"),
            (r#""exclude_modules": "*","#, "`exclude_modules`"),
        ] {
            let problem = lora(fields).unwrap_err();
            assert!(problem.contains(says), "{problem}");
        }
        let raw = |json: &str| Lora::new(serde_json::from_str(json).unwrap()).unwrap_err();
        assert!(raw(r#"{"peft_type": "IA3"}"#).contains("IA3"));
        assert!(raw("{}").contains("`target_modules` is missing"));
        let both = r#"{"target_modules": ".*q_proj", "layers_to_transform": 1}"#;
        assert!(raw(both).contains("`layers_to_transform`"));
    }

    #[test]
    fn what_is_saved_whole_or_excluded_is_no_target() {
        let none = |fields: &str| lora(fields).unwrap().is_target(Q).unwrap();
        assert!(!none(r#""modules_to_save": ["self_attn"],"#));
        assert!(!none(r#""exclude_modules": ["layers.0.self_attn.q_proj"],"#));
        assert!(!none(r#""exclude_modules": ".*\\.0\\..*","#));
        assert!(none(r#""exclude_modules": ["proj"], "modules_to_save": ["lm_head"],"#));
    }

    #[test]
    fn a_saved_half_of_a_tied_pair_parts_it() {
        let saved = |more: &str| lora(&format!(r#""modules_to_save": ["embed_tokens"], {more}"#)).unwrap();
        assert!(saved("").parts("model.embed_tokens") && !saved("").parts("lm_head"));
        assert!(!saved(r#""ensure_weight_tying": true,"#).parts("model.embed_tokens"));
    }
}
