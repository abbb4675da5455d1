//! What an adapter's tensors do to the tensors of one model.
//!
//! The embedding and the head of a *tied* model are one matrix. As in PEFT, a tensor that the adapter brings for one of
//! them is for both, unless the configuration says that this module is saved (`modules_to_save`): then it is a copy
//! from there on, and the other one stays as it was, unless `ensure_weight_tying` keeps them together. An adapter beside
//! the head is beside the head alone.

use std::{collections::BTreeMap, path::Path};

use super::{AdapterError, lora::Lora, peft};
use crate::{
    config::{ModelConfig, TensorSpec},
    weights::{ADAPTER, EMBEDDING, HEAD},
};

/// What stands beside a matrix.
#[derive(Clone, Debug)]
pub(super) struct Beside {
    /// The name of `A`, in the adapter's file.
    pub(super) down: String,
    /// The name of `B`, in the adapter's file.
    pub(super) up: String,
    /// What `B A` is multiplied by.
    pub(super) scale: f64,
}

/// What takes the place of a tensor.
#[derive(Clone, Debug)]
pub(super) enum Instead {
    /// A tensor of this name in the adapter's file.
    Own(String),
    /// Another one of the model's: its embedding, as the head.
    Models(&'static str),
}

/// An adapter's tensors, and what they do.
#[derive(Clone, Debug)]
pub(super) struct Fit {
    /// The architecture of the model with the adapter.
    pub(super) config: ModelConfig,
    /// By the names of the model's matrices.
    pub(super) beside: BTreeMap<String, Beside>,
    /// By the names of the model's tensors.
    pub(super) instead: BTreeMap<String, Instead>,
    /// What the adapter's file has to hold.
    pub(super) needed: Vec<TensorSpec>,
}

impl Fit {
    /// What the adapter in `dir` with these tensors, `stored` with their shapes, does to a model of architecture
    /// `config`.
    pub(super) fn new(
        lora: &Lora,
        config: &ModelConfig,
        stored: &BTreeMap<String, Vec<usize>>,
        dir: &Path,
    ) -> Result<Self, AdapterError> {
        let unsupported = |problem| AdapterError::Unsupported { path: dir.join(peft::CONFIG), problem };
        let config = Self::resized(lora, config, stored, dir)?;
        let (config, instead) = Self::tied(lora, config, stored).map_err(unsupported)?;
        let mut fit = Self { config, beside: BTreeMap::new(), instead, needed: Vec::new() };
        for spec in fit.config.tensors() {
            fit.place(lora, spec, stored).map_err(unsupported)?;
        }
        if fit.beside.is_empty() {
            let targets = lora.targets().to_string();
            return Err(AdapterError::NoTarget { dir: dir.to_owned(), targets });
        }
        Ok(fit)
    }

    /// The architecture with as many tokens as the adapter's embeddings have rows.
    fn resized(
        lora: &Lora,
        config: &ModelConfig,
        stored: &BTreeMap<String, Vec<usize>>,
        dir: &Path,
    ) -> Result<ModelConfig, AdapterError> {
        let rows = |name: &str| stored.get(&own(name)).and_then(|shape| shape.first().copied());
        let rows = [EMBEDDING, HEAD].map(rows);
        let Some(tokens) = rows[0].or(rows[1]).filter(|rows| *rows != config.vocab_size()) else {
            return Ok(config.clone());
        };
        if rows.contains(&None) && (!config.is_tied() || parts(lora, stored)) {
            return Err(AdapterError::Embeddings { path: dir.join(peft::WEIGHTS), rows: tokens });
        }
        Ok(config.clone().with_vocabulary(tokens))
    }

    /// Which matrices a tied model's embedding and head become, and whether they are still one.
    fn tied(
        lora: &Lora,
        config: ModelConfig,
        stored: &BTreeMap<String, Vec<usize>>,
    ) -> Result<(ModelConfig, BTreeMap<String, Instead>), String> {
        if lora.is_target("model.embed_tokens")? {
            return Err("LoRA on `embed_tokens` is not supported; save the module whole (`modules_to_save`)"
                .to_owned());
        }
        let mut instead = BTreeMap::new();
        if !config.is_tied() {
            return Ok((config, instead));
        }
        let parted = parts(lora, stored);
        let brought = [EMBEDDING, HEAD].map(|name| Some(own(name)).filter(|own| stored.contains_key(own)));
        // Where they are one, either is for both.
        let both = brought.clone().into_iter().flatten().next().filter(|_| !parted).map(Instead::Own);
        instead.extend(both.clone().map(|both| (EMBEDDING.to_owned(), both)));
        if !parted && !lora.is_target("lm_head")? && brought.contains(&None) {
            return Ok((config, instead));
        }
        let [embedding, head] = brought.map(|brought| brought.map(Instead::Own));
        instead.extend(embedding.map(|embedding| (EMBEDDING.to_owned(), embedding)));
        let head = head.or(both).unwrap_or(Instead::Models(EMBEDDING));
        instead.insert(HEAD.to_owned(), head);
        Ok((config.with_own_head(), instead))
    }

    /// What the adapter does to one of the model's tensors.
    fn place(
        &mut self,
        lora: &Lora,
        spec: TensorSpec,
        stored: &BTreeMap<String, Vec<usize>>,
    ) -> Result<(), String> {
        let (module, field) = spec.name.rsplit_once('.').unwrap_or((&spec.name, ""));
        // A bias that is trained beside an adapter lies one module deeper.
        let names = [own(&spec.name), own(&format!("{module}.base_layer.{field}"))];
        if let Some(own) = names.into_iter().find(|own| stored.contains_key(own)) {
            self.instead.entry(spec.name.clone()).or_insert(Instead::Own(own));
        }
        if let Some(Instead::Own(own)) = self.instead.get(&spec.name) {
            self.needed.push(TensorSpec { name: own.clone(), shape: spec.shape.clone() });
        }
        let &[rows, columns] = &spec.shape[..] else { return Ok(()) };
        if !lora.is_target(module)? {
            return Ok(());
        }
        let (rank, scale) = (lora.rank(module)?, lora.scale(module)?);
        let [down, up] = peft::names(&spec.name).map(|name| own(&name));
        self.needed.push(TensorSpec { name: down.clone(), shape: vec![rank, columns] });
        self.needed.push(TensorSpec { name: up.clone(), shape: vec![rows, rank] });
        self.beside.insert(spec.name, Beside { down, up, scale });
        Ok(())
    }
}

/// What an adapter's file calls a tensor of the model.
fn own(name: &str) -> String {
    format!("{ADAPTER}{name}")
}

/// Whether the adapter parts a tied model's embedding and head.
fn parts(lora: &Lora, stored: &BTreeMap<String, Vec<usize>>) -> bool {
    let halves = [(EMBEDDING, "model.embed_tokens"), (HEAD, "lm_head")];
    halves.into_iter().any(|(name, module)| stored.contains_key(&own(name)) && lora.parts(module))
}
