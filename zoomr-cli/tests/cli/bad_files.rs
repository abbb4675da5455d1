//! Models and texts that are damaged, incomplete or foreign: each is refused with file, tensor and cure.

use std::{collections::BTreeMap, fs, path::Path};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{copy, generate, golden, run, with_config};

const MODEL: &str = "llama";
const NORM: &str = "model.norm.weight";

type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

/// A copy of a model with other tensors.
fn with_tensors(change: impl FnOnce(&mut Tensors)) -> TempDir {
    of_tensors(MODEL, change)
}

fn of_tensors(model: &str, change: impl FnOnce(&mut Tensors)) -> TempDir {
    let dir = copy(model);
    let path = dir.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let owned = |(name, view): (String, TensorView<'_>)| {
        (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
    };
    let mut tensors: Tensors = file.tensors().into_iter().map(owned).collect();
    change(&mut tensors);
    let view = |(name, (dtype, shape, data)): (&String, &(Dtype, Vec<usize>, Vec<u8>))| {
        (
            name.clone(),
            TensorView::new(*dtype, shape.clone(), data).unwrap().data().to_vec(),
            *dtype,
            shape.clone(),
        )
    };
    let views: Vec<_> = tensors.iter().map(view).collect();
    let views = views
        .iter()
        .map(|(name, data, dtype, shape)| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    safetensors::serialize_to_file(views, None, &path).unwrap();
    dir
}

fn spoiled(spoil: impl FnOnce(Vec<u8>) -> Vec<u8>) -> TempDir {
    let dir = copy(MODEL);
    let path = dir.path().join("model.safetensors");
    fs::write(&path, spoil(fs::read(&path).unwrap())).unwrap();
    dir
}

fn refused(dir: &Path, says: &[&str]) {
    generate(dir, "").refused(says);
    run("score", dir, "--tokens 1,2,3").refused(says);
}

#[test]
fn models_of_other_formats() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("model.bin");
    fs::write(&file, "ggjt\u{3}\0\0\0").unwrap();
    for place in [dir.path(), &file] {
        refused(place, &["GGML, llama.cpp's former format", "the checkpoint that it was made from"]);
        run("inspect", place, "").refused(&["GGML"]);
    }
    let quantized = with_config(MODEL, "quantization_config", json!({"quant_method": "gptq", "bits": 4}));
    refused(quantized.path(), &["`quantization_config` = gptq", "was quantized from"]);
    refused(&copy(MODEL).path().join("model.safetensors"), &["give the directory that it lies in"]);
}

#[test]
fn files_in_gguf_that_are_none() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("model.Q4_K_M.gguf");
    fs::write(&file, "GGUF\u{3}\0\0\0").unwrap();
    for place in [dir.path(), &file] {
        refused(place, &["model.Q4_K_M.gguf", "truncated or damaged", "download it again"]);
        run("inspect", place, "").refused(&["truncated or damaged"]);
        run("plan", place, "--tokens 9").refused(&["truncated or damaged"]);
    }
    fs::copy(&file, dir.path().join("model.Q8_0.gguf")).unwrap();
    refused(dir.path(), &["give the file of one"]);
}

/// By the fused kernels, which may not lose what is not finite.
#[test]
fn numbers_beyond_f32() {
    for (model, matrix, layer) in [
        ("llama", "mlp.down_proj", 2),
        ("qwen3", "self_attn.q_proj", 1),
        ("qwen3", "self_attn.k_proj", 1),
        ("gemma3", "self_attn.o_proj", 2),
    ] {
        let dir = of_tensors(model, |tensors| {
            let (_, _, bytes) = tensors.get_mut(&format!("model.layers.1.{matrix}.weight")).unwrap();
            for number in bytes.chunks_mut(4) {
                let large = f32::from_le_bytes([number[0], number[1], number[2], number[3]]) * 1e25;
                number.copy_from_slice(&large.to_le_bytes());
            }
        });
        refused(dir.path(), &["logits are not finite", &format!("layer {layer} is the first to see")]);
    }
}

#[test]
fn truncated_weights() {
    let dir = spoiled(|bytes| bytes[..bytes.len() - 100].to_vec());
    refused(dir.path(), &["model.safetensors", "truncated or damaged", "download it again"]);
}

#[test]
fn corrupt_weights() {
    let dir = spoiled(|mut bytes| {
        bytes[8] = b'x';
        bytes
    });
    refused(dir.path(), &["model.safetensors", "truncated or damaged"]);
}

#[test]
fn a_tensor_of_the_wrong_shape() {
    let dir = with_tensors(|tensors| {
        tensors.insert(NORM.into(), (Dtype::F32, vec![63], vec![0; 252]));
    });
    refused(dir.path(), &["model.safetensors", NORM, "[63]", "[64]"]);
}

#[test]
fn a_missing_tensor() {
    let dir = with_tensors(|tensors| {
        tensors.remove(NORM);
    });
    refused(dir.path(), &["missing", NORM]);
}

#[test]
fn an_extra_tensor() {
    let extra = "model.layers.0.self_attn.q_proj.bias";
    let dir = with_tensors(|tensors| {
        tensors.insert(extra.into(), (Dtype::F32, vec![64], vec![0; 256]));
    });
    refused(dir.path(), &["unexpected", extra]);
}

#[test]
fn a_tensor_with_nan() {
    let dir = with_tensors(|tensors| {
        let (_, _, data) = tensors.get_mut(NORM).unwrap();
        data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    refused(dir.path(), &["model.safetensors", NORM, "NaN"]);
}

#[test]
fn no_tokenizer() {
    for command in ["generate", "score"] {
        run(command, &golden(MODEL), "hello").refused(&["no tokenizer.json", MODEL, "token ids"]);
    }
}

#[test]
fn an_unknown_architecture() {
    let dir = with_config(MODEL, "model_type", json!("mamba"));
    refused(dir.path(), &["config.json", "mamba", "llama", "qwen3", "gemma3_text"]);
}

#[test]
fn no_model() {
    let dir = tempfile::tempdir().unwrap();
    refused(dir.path(), &["config.json"]);
    refused(&dir.path().join("nowhere"), &["nowhere", "directory"]);
    refused(&golden(MODEL).join("config.json"), &["config.json is a file", "--model"]);
}

#[test]
fn more_tokens_than_the_context() {
    let many = vec!["7"; 513].join(",");
    for command in ["generate", "score"] {
        let ran = run(command, &golden(MODEL), &format!("--tokens {many}"));
        ran.refused(&["513 tokens", "512", "max_position_embeddings", "shorten"]);
    }
}

#[test]
fn texts_that_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("text");
    let file = path.display().to_string();
    run("generate", &golden(MODEL), &format!("--file {file}")).refused(&["--file", &file]);
    fs::write(&path, b"good \xff bad").unwrap();
    run("generate", &golden(MODEL), &format!("--file {file}")).refused(&[&file, "UTF-8", "byte 5"]);
    run("generate", &golden(MODEL), &format!("--tokens @{file}")).refused(&["--tokens", &file]);
    fs::write(&path, "1, 2, three").unwrap();
    run("generate", &golden(MODEL), &format!("--tokens @{file}")).refused(&["--tokens", &file, "`three`"]);
}
