//! What checkpoints call one and the same tensor.
//!
//! A model saved without its head lacks the `model.` before its names, and the text part of a model that also sees
//! says `language_model.` in one place or another; transformers loads them all.

use std::borrow::Cow;

/// The embedding, `[vocab, hidden]`.
pub(crate) const EMBEDDING: &str = "model.embed_tokens.weight";
/// The output head, `[vocab, hidden]`, where it is a matrix of its own.
pub(crate) const HEAD: &str = "lm_head.weight";
/// What PEFT puts before the names of an adapter's tensors.
pub(crate) const ADAPTER: &str = "base_model.model.";

/// A tensor's name as [`ModelConfig::tensors`](crate::config::ModelConfig::tensors) has it, after [`ADAPTER`] in
/// adapters; names of other things stay as they are.
pub(super) fn canonical(name: &str) -> Cow<'_, str> {
    if let Some(own) = name.strip_prefix(ADAPTER) {
        return Cow::Owned(format!("{ADAPTER}{}", canonical(own)));
    }
    let bare = ["model.", "language_model.", "model."]
        .iter()
        .fold(name, |name, prefix| name.strip_prefix(prefix).unwrap_or(name));
    match bare.split('.').next() {
        Some("embed_tokens" | "layers" | "norm") => Cow::Owned(format!("model.{bare}")),
        Some("lm_head") => Cow::Borrowed(bare),
        _ => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_for_each_tensor() {
        let prefixes = ["", "model.", "language_model.", "language_model.model.", "model.language_model."];
        for own in ["embed_tokens.weight", "layers.10.mlp.up_proj.weight", "norm.weight"] {
            for prefix in prefixes {
                assert_eq!(canonical(&format!("{prefix}{own}")), format!("model.{own}"));
            }
        }
        for prefix in ["", "model.", "language_model."] {
            assert_eq!(canonical(&format!("{prefix}lm_head.weight")), HEAD);
        }
        for other in
            ["vision_tower.layers.0.weight", "model.layer_norm.weight", "normal.weight", "model.", ""]
        {
            assert_eq!(canonical(other), other);
        }
        assert_eq!(
            canonical("base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight"),
            "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
        );
    }
}
