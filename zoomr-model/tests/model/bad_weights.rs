//! Damaged and foreign checkpoints: each is refused with a message that names file, tensor and cure.

use std::{collections::BTreeMap, path::Path};

use safetensors::Dtype;
use zoomr_model::weights::{Inventory, Weights};

use crate::checkpoint::{EMBEDDING, Tensors, directory, sound, write, write_shards};

const NORM: &str = "model.norm.weight";

#[test]
fn a_sound_checkpoint_opens_whole_and_in_shards() {
    let (config, tensors) = sound();
    let dir = directory();
    write(&dir.path().join("model.safetensors"), &tensors);
    let whole = Weights::open(dir.path(), &config.tensors()).unwrap();

    let dir = directory();
    write_shards(dir.path(), &tensors);
    let shards = Weights::open(dir.path(), &config.tensors()).unwrap();
    assert_eq!(whole.bytes(), config.parameter_count() * 4);
    for spec in config.tensors() {
        let (whole, shard) = (whole.get(&spec.name).unwrap(), shards.get(&spec.name).unwrap());
        assert_eq!(whole.bytes(), shard.bytes(), "{}", spec.name);
    }
}

#[test]
fn opening_says_how_far_it_is() {
    let (config, tensors) = sound();
    let dir = directory();
    write(&dir.path().join("model.safetensors"), &tensors);
    let mut seen = Vec::new();
    Weights::open_watched(dir.path(), &config.tensors(), &mut |done, all| seen.push((done, all))).unwrap();
    assert_eq!(seen.len(), config.tensors().len());
    assert!(seen.windows(2).all(|pair| pair[0].0 < pair[1].0), "{seen:?}");
    assert!(seen[0].0 == 0 && seen.iter().all(|&(done, all)| done < all && all == config.parameter_count()));
}

#[test]
fn harmless_extras_are_ignored() {
    let (config, mut tensors) = sound();
    let frequencies = (Dtype::F32, vec![8], vec![0; 32]);
    tensors.insert("model.layers.0.self_attn.rotary_emb.inv_freq".into(), frequencies);
    tensors.insert("lm_head.weight".into(), tensors[EMBEDDING].clone());
    let dir = directory();
    write(&dir.path().join("model.safetensors"), &tensors);
    Weights::open(dir.path(), &config.tensors()).unwrap();
}

#[test]
fn an_inventory_tells_from_headers_what_opening_would_say() {
    let (config, mut tensors) = sound();
    let dir = directory();
    write_shards(dir.path(), &tensors);
    let inventory = Inventory::read(dir.path(), &config.tensors()).unwrap();
    assert_eq!(inventory.files, 2);
    assert_eq!(inventory.bytes, BTreeMap::from([("F32".to_owned(), config.parameter_count() * 4)]));
    assert!(inventory.problems.is_empty(), "{:?}", inventory.problems);

    tensors.remove(NORM);
    let (_, shape, bytes) = tensors[EMBEDDING].clone();
    tensors.insert(EMBEDDING.into(), (Dtype::I32, shape, bytes));
    let dir = directory();
    write(&dir.path().join("model.safetensors"), &tensors);
    let problems = Inventory::read(dir.path(), &config.tensors()).unwrap().problems;
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(problems[0].contains("missing tensors") && problems[0].contains(NORM), "{problems:?}");
    assert!(problems[1].contains(EMBEDDING) && problems[1].contains("I32"), "{problems:?}");
    assert_eq!(problems.len(), 2);
}

#[test]
fn no_weights() {
    assert_refused(directory().path(), &["neither model.safetensors nor"]);
}

#[test]
fn truncated() {
    let dir = directory();
    let path = dir.path().join("model.safetensors");
    write(&path, &sound().1);
    let bytes = std::fs::read(&path).unwrap();
    for keep in [bytes.len() - 1, bytes.len() / 2, 100, 8, 7, 1] {
        std::fs::write(&path, &bytes[..keep]).unwrap();
        assert_refused(dir.path(), &["model.safetensors", "truncated or damaged", "download it again"]);
    }
    std::fs::write(&path, []).unwrap();
    assert_refused(dir.path(), &["model.safetensors"]);
}

#[test]
fn corrupt_header() {
    let dir = directory();
    let path = dir.path().join("model.safetensors");
    write(&path, &sound().1);
    let bytes = std::fs::read(&path).unwrap();
    // The header's length, its first brace, and a byte that is no UTF-8.
    for (at, byte) in [(7, 0xff), (8, b'x'), (20, 0xff)] {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        std::fs::write(&path, &bytes).unwrap();
        assert_refused(dir.path(), &["model.safetensors", "truncated or damaged"]);
    }
}

/// A file of this header, with `data` bytes after it.
fn with_header(header: &str, data: usize) -> tempfile::TempDir {
    let dir = directory();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    std::fs::write(dir.path().join("model.safetensors"), bytes).unwrap();
    dir
}

#[test]
fn a_tensor_twice_in_one_header() {
    let norm = |start: usize| {
        format!(r#""{NORM}": {{"dtype": "F32", "shape": [1], "data_offsets": [{start}, {}]}}"#, start + 4)
    };
    for second in [norm(0), norm(4), norm(0).replace("model.norm", r"model.\u006eorm")] {
        let dir = with_header(&format!("{{{}, {second}}}", norm(0)), 8);
        assert_refused(dir.path(), &["model.safetensors", "is there twice"]);
    }
    // Two names that mean one tensor.
    let bare = norm(4).replace("model.norm", "norm");
    let dir = with_header(&format!("{{{}, {bare}}}", norm(0)), 8);
    assert_refused(dir.path(), &["two tensors that would both be `model.norm.weight`"]);
}

#[test]
fn a_header_that_claims_more_than_there_is() {
    for length in [u64::MAX, 1 << 40, 100_000_001, 9] {
        let dir = directory();
        let bytes = [&length.to_le_bytes()[..], b"{}      "].concat();
        std::fs::write(dir.path().join("model.safetensors"), bytes).unwrap();
        assert_refused(dir.path(), &["model.safetensors", "it claims a header of", "16 in all"]);
    }
}

#[test]
fn missing_tensor() {
    let (_, mut tensors) = sound();
    tensors.remove(NORM);
    assert_tensors_refused(&tensors, &["missing tensors", NORM]);
}

#[test]
fn unexpected_tensor() {
    let (_, mut tensors) = sound();
    let name = "model.layers.0.self_attn.q_proj.bias";
    tensors.insert(name.into(), (Dtype::F32, vec![64], vec![0; 256]));
    assert_tensors_refused(&tensors, &["unexpected tensors", name]);
}

#[test]
fn wrong_shape() {
    let (_, mut tensors) = sound();
    tensors.insert(NORM.into(), (Dtype::F32, vec![63], vec![0; 252]));
    assert_tensors_refused(&tensors, &["model.safetensors", NORM, "[63]", "[72]"]);
    // As many numbers, in another shape.
    let (dtype, mut shape, bytes) = tensors[EMBEDDING].clone();
    shape.reverse();
    let (_, mut tensors) = sound();
    tensors.insert(EMBEDDING.into(), (dtype, shape, bytes));
    assert_tensors_refused(&tensors, &[EMBEDDING, "[72, 307]", "[307, 72]"]);
}

#[test]
fn wrong_dtype() {
    let (_, mut tensors) = sound();
    tensors.insert(NORM.into(), (Dtype::F64, vec![72], vec![0; 576]));
    assert_tensors_refused(&tensors, &["model.safetensors", NORM, "F64", "convert"]);
}

#[test]
fn not_finite() {
    for value in [f32::NAN, f32::INFINITY] {
        let (_, mut tensors) = sound();
        tensors.entry(NORM.into()).and_modify(|(_, _, bytes)| {
            bytes[20..24].copy_from_slice(&value.to_le_bytes());
        });
        assert_tensors_refused(&tensors, &["model.safetensors", NORM, "element 5", "NaN or infinite"]);
    }
}

#[test]
fn missing_shard() {
    let dir = directory();
    write_shards(dir.path(), &sound().1);
    std::fs::remove_file(dir.path().join("part-1.safetensors")).unwrap();
    assert_refused(dir.path(), &["model.safetensors.index.json", "part-1.safetensors", "download"]);
}

#[test]
fn index_that_leads_elsewhere() {
    let dir = directory();
    for index in [r#"{"weight_map": {"a": "../model.safetensors"}}"#, r#"{"weight_map": {"a": ".."}}"#] {
        std::fs::write(dir.path().join("model.safetensors.index.json"), index).unwrap();
        assert_refused(dir.path(), &["model.safetensors.index.json", "not a plain file name"]);
    }
    for index in ["", "{}", r#"{"weight_map": 3}"#] {
        std::fs::write(dir.path().join("model.safetensors.index.json"), index).unwrap();
        assert_refused(dir.path(), &["model.safetensors.index.json", "not an index"]);
    }
}

#[test]
fn a_tensor_twice_in_the_index() {
    let dir = directory();
    write_shards(dir.path(), &sound().1);
    let path = dir.path().join("model.safetensors.index.json");
    let index = std::fs::read_to_string(&path).unwrap();
    let twice =
        index.replacen(r#""weight_map":{"#, &format!(r#""weight_map":{{"{NORM}":"part-9.safetensors","#), 1);
    assert_ne!(index, twice);
    std::fs::write(&path, twice).unwrap();
    assert_refused(dir.path(), &["model.safetensors.index.json", &format!("`{NORM}` is there twice")]);
}

#[test]
fn a_tensor_in_two_shards() {
    let (_, tensors) = sound();
    let dir = directory();
    write_shards(dir.path(), &tensors);
    write(&dir.path().join("part-0.safetensors"), &tensors);
    assert_refused(dir.path(), &["part-0.safetensors", "part-1.safetensors", "one checkpoint"]);
}

fn assert_tensors_refused(tensors: &Tensors, says: &[&str]) {
    let dir = directory();
    write(&dir.path().join("model.safetensors"), tensors);
    assert_refused(dir.path(), says);
}

fn assert_refused(dir: &Path, says: &[&str]) {
    let message = match Weights::open(dir, &sound().0.tensors()) {
        Ok(_) => panic!("opened, and should have said {says:?}"),
        Err(error) => error.to_string(),
    };
    for part in says {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}
