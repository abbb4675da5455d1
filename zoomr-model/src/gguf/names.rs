//! Architectures as GGUF names them, and what it calls each tensor.

use super::{error::GgufProblem, metadata::Metadata};
use crate::config::Family;

/// Tensors outside of the layers: in GGUF, and in Hugging Face's checkpoints.
const WHOLE: [(&str, &str); 3] = [
    ("token_embd.weight", "model.embed_tokens.weight"),
    ("output_norm.weight", "model.norm.weight"),
    ("output.weight", "lm_head.weight"),
];

/// What both call the parts of a layer, `blk.N.` and `model.layers.N.` before and `.weight` or `.bias` behind; a family's
/// own names go first.
const LAYER: [(&str, &str); 12] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_qkv", "self_attn.qkv_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// Gemma has norms on both sides of each part.
const GEMMA: [(&str, &str); 3] = [
    ("post_attention_norm", "post_attention_layernorm"),
    ("ffn_norm", "pre_feedforward_layernorm"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
];

/// Phi 3 has gate and up in one matrix.
const PHI: [(&str, &str); 1] = [("ffn_up", "mlp.gate_up_proj")];

/// What Llama 3's stretched frequencies are divided by.
pub(crate) const ROPE_FREQS: &str = "rope_freqs.weight";
/// The same of LongRoPE, which zoomr does not compute.
pub(super) const LONG_ROPE: &str = "rope_factors_long.weight";

/// An architecture, `general.architecture`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Architecture {
    /// As GGUF names it, and before the names of its numbers.
    pub(super) name: &'static str,
    pub(super) family: Family,
    /// Whether rows of queries and keys stand in the order of llama.cpp's rotation.
    interleaved: Option<Heads>,
}

/// How many heads queries and keys have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heads {
    pub(super) query: usize,
    pub(super) key: usize,
}

/// A tensor whose rows the converter has reordered within each head, so that what rotates together is side by side: row `i`
/// of the first half and of the second became rows `2 i` and `2 i + 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interleaved {
    pub(crate) heads: usize,
}

/// The architectures that zoomr runs, and whether llama.cpp's converter reorders them. Mistral's models are `llama` there.
pub(super) const ARCHITECTURES: [(&str, Family, bool); 7] = [
    ("llama", Family::Llama, true),
    ("qwen2", Family::Qwen2, false),
    ("qwen3", Family::Qwen3, false),
    ("smollm3", Family::SmolLm3, true),
    ("phi3", Family::Phi3, false),
    ("granite", Family::Granite, true),
    ("gemma3", Family::Gemma3, false),
];

impl Architecture {
    /// What a file's metadata names.
    ///
    /// # Errors
    /// Where it names none, or one that zoomr does not run.
    pub(super) fn of(metadata: &Metadata) -> Result<Self, GgufProblem> {
        const KEY: &str = "general.architecture";
        let found =
            metadata.text(KEY)?.ok_or_else(|| GgufProblem::field(KEY, "is missing; is this a model?"))?;
        let Some((name, family, interleaved)) = ARCHITECTURES.into_iter().find(|(name, ..)| *name == found)
        else {
            let known = ARCHITECTURES.map(|(name, ..)| name).join(", ");
            let reason = format!("is `{found:.60}`, which zoomr does not run; the known ones are {known}");
            return Err(GgufProblem::field(KEY, reason));
        };
        let count = |key: &str| -> Result<Option<usize>, GgufProblem> {
            Ok(metadata
                .count(&format!("{name}.attention.{key}"))?
                .and_then(|heads| usize::try_from(heads).ok()))
        };
        let query = count("head_count")?;
        let key = count("head_count_kv")?.or(query);
        let heads = query.zip(key).map(|(query, key)| Heads { query, key });
        Ok(Self { name, family, interleaved: heads.filter(|_| interleaved) })
    }

    /// That of a model to be written.
    pub(super) fn written(family: Family, heads: Heads) -> Self {
        let known = ARCHITECTURES.into_iter().find(|(_, known, _)| *known == family);
        let (name, _, interleaved) = known.unwrap_or(ARCHITECTURES[0]);
        Self { name, family, interleaved: Some(heads).filter(|_| interleaved) }
    }

    /// The pairs of names of a layer's parts, a family's own before the general ones.
    fn layer_names(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let own: &[(&str, &str)] = match self.family {
            Family::Gemma3 => &GEMMA,
            Family::Phi3 => &PHI,
            _ => &[],
        };
        own.iter().copied().chain(LAYER)
    }

    /// Hugging Face's name of the tensor that GGUF calls `name`, and how its rows were reordered.
    pub(super) fn canonical(&self, name: &str) -> Option<(String, Option<Interleaved>)> {
        if let Some((_, whole)) = WHOLE.into_iter().find(|(own, _)| *own == name) {
            return Some((whole.to_owned(), None));
        }
        let (layer, part) = name.strip_prefix("blk.")?.split_once('.')?;
        let (part, end) = part.rsplit_once('.').filter(|(_, end)| matches!(*end, "weight" | "bias"))?;
        let (_, other) = self.layer_names().find(|(own, _)| *own == part)?;
        // Spelled in the one way: `blk.00` is no layer.
        let layer = layer.parse::<usize>().ok().filter(|number| number.to_string() == layer)?;
        Some((format!("model.layers.{layer}.{other}.{end}"), self.interleaved(other)))
    }

    /// GGUF's name of the tensor that Hugging Face calls `name`, and how its rows are to be reordered.
    pub(super) fn stored(&self, name: &str) -> Option<(String, Option<Interleaved>)> {
        if let Some((own, _)) = WHOLE.into_iter().find(|(_, whole)| *whole == name) {
            return Some((own.to_owned(), None));
        }
        let (layer, part) = name.strip_prefix("model.layers.")?.split_once('.')?;
        let (part, end) = part.rsplit_once('.')?;
        let (own, _) = self.layer_names().find(|(_, other)| *other == part)?;
        Some((format!("blk.{layer}.{own}.{end}"), self.interleaved(part)))
    }

    fn interleaved(&self, part: &str) -> Option<Interleaved> {
        let heads = self.interleaved?;
        match part {
            "self_attn.q_proj" => Some(Interleaved { heads: heads.query }),
            "self_attn.k_proj" => Some(Interleaved { heads: heads.key }),
            _ => None,
        }
    }
}

impl Interleaved {
    /// The rows of `bytes`, of `row` bytes each, in Hugging Face's order; none where they are no whole heads of pairs.
    pub(crate) fn undo(self, bytes: &[u8], row: usize) -> Option<Vec<u8>> {
        self.reorder(bytes, row, |half, i| if i < half { 2 * i } else { 2 * (i - half) + 1 })
    }

    /// The rows of `bytes` in llama.cpp's order; none where they are no whole heads of pairs.
    pub(super) fn apply(self, bytes: &[u8], row: usize) -> Option<Vec<u8>> {
        self.reorder(bytes, row, |half, i| i / 2 + i % 2 * half)
    }

    /// Row `i` of each head becomes what was row `from(half, i)`; `half` is half a head's rows.
    fn reorder(self, bytes: &[u8], row: usize, from: impl Fn(usize, usize) -> usize) -> Option<Vec<u8>> {
        let rows = bytes.len().checked_div(row)?;
        let head = rows
            .checked_div(self.heads)
            .filter(|head| head.is_multiple_of(2) && head * self.heads == rows)?;
        let mut ordered = Vec::with_capacity(bytes.len());
        for start in (0..rows).step_by(head.max(1)) {
            for i in 0..head {
                ordered.extend_from_slice(&bytes[(start + from(head / 2, i)) * row..][..row]);
            }
        }
        Some(ordered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn architecture(family: Family) -> Architecture {
        Architecture::written(family, Heads { query: 4, key: 2 })
    }

    #[test]
    fn names_lead_there_and_back() {
        for (family, own, other) in [
            (Family::Llama, "token_embd.weight", "model.embed_tokens.weight"),
            (Family::Llama, "output.weight", "lm_head.weight"),
            (Family::Qwen2, "blk.12.attn_q.bias", "model.layers.12.self_attn.q_proj.bias"),
            (Family::Qwen3, "blk.0.attn_q_norm.weight", "model.layers.0.self_attn.q_norm.weight"),
            (Family::Llama, "blk.3.ffn_norm.weight", "model.layers.3.post_attention_layernorm.weight"),
            (Family::Gemma3, "blk.3.ffn_norm.weight", "model.layers.3.pre_feedforward_layernorm.weight"),
            (
                Family::Gemma3,
                "blk.3.post_attention_norm.weight",
                "model.layers.3.post_attention_layernorm.weight",
            ),
            (Family::Phi3, "blk.1.ffn_up.weight", "model.layers.1.mlp.gate_up_proj.weight"),
            (Family::Granite, "blk.1.ffn_up.weight", "model.layers.1.mlp.up_proj.weight"),
        ] {
            let architecture = architecture(family);
            assert_eq!(architecture.canonical(own).unwrap().0, other);
            assert_eq!(architecture.stored(other).unwrap().0, own);
        }
        for unknown in [
            "blk.0.ffn_gate_exps.weight",
            "blk.x.attn_q.weight",
            "blk.00.attn_q.weight",
            "rope_freqs.weight",
            "blk.0.attn_q.scale",
        ] {
            assert_eq!(architecture(Family::Llama).canonical(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn queries_and_keys_of_llama_are_reordered_and_put_back() {
        let heads = |family, name| architecture(family).canonical(name).unwrap().1.map(|rows| rows.heads);
        assert_eq!(heads(Family::Llama, "blk.0.attn_q.weight"), Some(4));
        assert_eq!(heads(Family::Granite, "blk.0.attn_k.bias"), Some(2));
        assert_eq!(heads(Family::Llama, "blk.0.attn_v.weight"), None);
        assert_eq!(heads(Family::Qwen2, "blk.0.attn_q.weight"), None);

        // Two heads of four rows of two bytes: a head's rows 0 1 | 2 3 become 0 2 1 3.
        let (rows, bytes) = (Interleaved { heads: 2 }, (0..16).collect::<Vec<u8>>());
        let applied = rows.apply(&bytes, 2).unwrap();
        assert_eq!(applied, [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]);
        assert_eq!(rows.undo(&applied, 2).unwrap(), bytes);
        assert_eq!(Interleaved { heads: 3 }.undo(&bytes, 2), None);
        assert_eq!(Interleaved { heads: 0 }.undo(&bytes, 2), None);
    }
}
