//! A file that zoomr's writer has not made: `fuzz/seeds/gguf/python.gguf`, by the Python package `gguf` 0.19.0 with NumPy 2.4.6.
//!
//! A Llama of one layer: width 32, feed-forward 64, two query heads and one KV head of 16, twelve tokens of SentencePiece's
//! kind. Numbers are `default_rng(7).standard_normal * 0.3`, tensor after tensor, quantised by `gguf.quants.quantize`. The
//! sums below are those of `gguf.quants.dequantize`, in f64; of queries and keys, with the converter's order of rows undone.

use std::path::Path;

use zoomr_model::{
    pretrained::Pretrained,
    text::chat::Message,
    weights::{Inventory, Weights},
};

fn open() -> Pretrained {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/gguf/python.gguf");
    Pretrained::open(&path, None).unwrap()
}

/// Name, format, the sum of all numbers, and that of `(i + 1) x_i`.
const TENSORS: [(&str, &str, [f64; 2]); 11] = [
    ("model.embed_tokens.weight", "q8_0", [-12.402759552001953, -1620.0773620605469]),
    ("model.norm.weight", "f32", [-0.25812963023781776, -13.130238946527243]),
    ("model.layers.0.input_layernorm.weight", "f32", [-1.3773219952126965, -36.35212978813797]),
    ("model.layers.0.self_attn.q_proj.weight", "q4_0", [-10.516082763671875, -1268.9735107421875]),
    ("model.layers.0.self_attn.k_proj.weight", "f16", [0.30951952934265137, 1082.29248046875]),
    ("model.layers.0.self_attn.v_proj.weight", "bf16", [0.1252155303955078, 124.0341796875]),
    ("model.layers.0.self_attn.o_proj.weight", "q5_0", [3.475067138671875, 1737.9158630371094]),
    ("model.layers.0.post_attention_layernorm.weight", "f32", [-1.859607513062656, -38.48493669461459]),
    ("model.layers.0.mlp.gate_proj.weight", "q4_1", [-4.80743408203125, -3629.718505859375]),
    ("model.layers.0.mlp.up_proj.weight", "q5_1", [-26.346694946289062, -37575.035583496094]),
    ("model.layers.0.mlp.down_proj.weight", "q8_0", [16.447586059570312, 16842.380157470703]),
];

#[test]
fn its_tensors_have_their_numbers() {
    let pretrained = open();
    let needed = pretrained.config().tensors();
    assert_eq!(needed.len(), TENSORS.len());
    let weights = Weights::open(pretrained.dir(), &needed).unwrap();
    for (name, format, sums) in TENSORS {
        let weight = weights.get(name).unwrap();
        assert_eq!(weight.format().name(), format, "{name}");
        let numbers: Vec<f64> = weight.to_f32(0..weight.rows()).into_iter().map(f64::from).collect();
        let weighted = numbers.iter().zip(1..).map(|(number, i)| number * f64::from(i)).sum::<f64>();
        for (found, wanted) in [numbers.iter().sum::<f64>(), weighted].into_iter().zip(sums) {
            assert!((found - wanted).abs() < 1e-9 * wanted.abs().max(1.0), "{name}: {found}, {wanted}");
        }
    }
    let inventory = Inventory::read(pretrained.dir(), &needed).unwrap();
    assert_eq!(inventory.bytes["Q4_1"], 64 * 20);
    assert!(inventory.problems.is_empty());
}

#[test]
fn its_configuration_is_what_the_converter_was_given() {
    let config = open().config().clone();
    let spec = config.layer_specs()[0];
    assert_eq!((config.vocab_size(), config.context_length(), config.is_tied()), (12, 64, true));
    assert_eq!((spec.query_heads, spec.kv_heads, spec.head_dim), (2, 1, 16));
    assert_eq!(config.ropes().next().unwrap().unwrap().to_string(), "theta 10000");
    assert_eq!(config.eos_token_ids(), [2]);
}

/// Pieces are joined by score: ` ab` is `▁ab`, although `▁a` could be made first; a byte stands for what has no piece.
#[test]
fn its_text_is_cut_by_its_scores() {
    let pretrained = open();
    for (text, ids) in [
        ("ab", &[1, 9][..]),
        ("a b", &[1, 7, 4, 6]),
        ("ab\nab", &[1, 9, 3, 8]),
        ("b<tool>a", &[1, 4, 6, 10, 7]),
        ("</s>", &[1, 2]),
        ("z", &[1, 4, 0]),
    ] {
        assert_eq!(pretrained.encode(text).unwrap(), ids, "{text:?}");
    }
    let tokenizer = pretrained.require_tokenizer().unwrap();
    assert_eq!(
        (tokenizer.bytes_of(9), tokenizer.bytes_of(3), tokenizer.bytes_of(1)),
        (&b" ab"[..], &b"\n"[..], &b""[..])
    );
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(1), &[2][..]));
    let chat = pretrained.chat_template().unwrap();
    assert_eq!(chat.render(&[Message::user("ab")], true).unwrap(), "user: ab\n");
}
