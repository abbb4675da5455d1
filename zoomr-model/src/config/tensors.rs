//! The weights of a model, by name and shape, as Hugging Face's checkpoints hold them.
//!
//! One list serves the check of a checkpoint and the count of parameters. The sub-layers take their weights
//! by the same names (`crate::load`).

use super::{InputProjections, ModelConfig};

/// One tensor that a checkpoint of the model must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name, `model.layers.0.mlp.up_proj.weight`, say.
    pub name: String,
    /// `[out, in]` of a matrix, `[len]` of a norm's weight or a bias.
    pub shape: Vec<usize>,
}

impl TensorSpec {
    /// How many numbers it holds.
    pub fn elements(&self) -> u64 {
        self.shape.iter().map(|size| *size as u64).product()
    }
}

impl ModelConfig {
    /// Every tensor of a checkpoint of this model.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut list = List { prefix: "model.".to_owned(), tensors: Vec::new() };
        list.matrix("embed_tokens", self.vocab_size, self.hidden_size);
        list.vector("norm.weight", self.hidden_size);
        for layer in 0..self.layers.len() {
            list.prefix = format!("model.layers.{layer}.");
            self.norms(&mut list);
            self.attention(&mut list);
            self.mlp(&mut list);
        }
        if !self.tied {
            list.prefix.clear();
            list.matrix("lm_head", self.vocab_size, self.hidden_size);
        }
        list.tensors
    }

    fn norms(&self, list: &mut List) {
        list.vector("input_layernorm.weight", self.hidden_size);
        list.vector("post_attention_layernorm.weight", self.hidden_size);
        if self.norm.sandwich {
            list.vector("pre_feedforward_layernorm.weight", self.hidden_size);
            list.vector("post_feedforward_layernorm.weight", self.hidden_size);
        }
    }

    fn attention(&self, list: &mut List) {
        let attention = &self.attention;
        let queries = attention.query_heads * attention.head_dim;
        let keys = attention.kv_heads * attention.head_dim;
        match attention.inputs {
            InputProjections::Fused => {
                list.matrix("self_attn.qkv_proj", queries + 2 * keys, self.hidden_size);
            }
            InputProjections::Separate { bias } => {
                list.linear("self_attn.q_proj", queries, self.hidden_size, bias);
                list.linear("self_attn.k_proj", keys, self.hidden_size, bias);
                list.linear("self_attn.v_proj", keys, self.hidden_size, bias);
            }
        }
        list.linear("self_attn.o_proj", self.hidden_size, queries, attention.output_bias);
        if attention.qk_norm {
            list.vector("self_attn.q_norm.weight", attention.head_dim);
            list.vector("self_attn.k_norm.weight", attention.head_dim);
        }
    }

    fn mlp(&self, list: &mut List) {
        let (hidden, inner) = (self.hidden_size, self.mlp.intermediate_size);
        match self.mlp.inputs {
            InputProjections::Fused => list.matrix("mlp.gate_up_proj", 2 * inner, hidden),
            InputProjections::Separate { bias } => {
                list.linear("mlp.gate_proj", inner, hidden, bias);
                list.linear("mlp.up_proj", inner, hidden, bias);
            }
        }
        list.linear("mlp.down_proj", hidden, inner, self.mlp.output_bias);
    }
}

/// The list while it is written, with the prefix of the names to come.
struct List {
    prefix: String,
    tensors: Vec<TensorSpec>,
}

impl List {
    fn linear(&mut self, name: &str, outputs: usize, inputs: usize, bias: bool) {
        self.matrix(name, outputs, inputs);
        if bias {
            self.vector(&format!("{name}.bias"), outputs);
        }
    }

    fn matrix(&mut self, name: &str, rows: usize, columns: usize) {
        self.push(&format!("{name}.weight"), vec![rows, columns]);
    }

    fn vector(&mut self, name: &str, len: usize) {
        self.push(name, vec![len]);
    }

    fn push(&mut self, name: &str, shape: Vec<usize>) {
        let name = format!("{}{name}", self.prefix);
        self.tensors.push(TensorSpec { name, shape });
    }
}
