//! Files that are damaged, claim what they have not, or are of kinds that zoomr does not run.

use std::{fs, path::Path};

use zoomr_model::pretrained::Pretrained;

use crate::{support::golden, write::written};

/// Values of metadata, as a file has them.
fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

fn value(name: &str, code: u32, bytes: &[u8]) -> Vec<u8> {
    [text(name), code.to_le_bytes().to_vec(), bytes.to_vec()].concat()
}

fn number(name: &str, number: u32) -> Vec<u8> {
    value(name, 4, &number.to_le_bytes())
}

/// A tensor `[columns]` of a type at an offset.
fn tensor(name: &str, columns: u64, code: u32, offset: u64) -> Vec<u8> {
    [
        text(name),
        1u32.to_le_bytes().to_vec(),
        columns.to_le_bytes().to_vec(),
        code.to_le_bytes().to_vec(),
        offset.to_le_bytes().to_vec(),
    ]
    .concat()
}

/// A file of these values and tensors, with `data` bytes behind it.
fn file(version: u32, values: &[Vec<u8>], tensors: &[Vec<u8>], data: usize) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((values.len() as u64).to_le_bytes());
    values.iter().chain(tensors).for_each(|part| bytes.extend(part));
    bytes.resize(bytes.len().next_multiple_of(32) + data, 0);
    bytes
}

fn said(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    fs::write(&path, bytes).unwrap();
    let error = Pretrained::open(&path, None).map(drop).unwrap_err().to_string();
    assert!(error.contains("model.gguf"), "{error}");
    error
}

fn assert_says(bytes: &[u8], parts: &[&str]) {
    let error = said(bytes);
    for part in parts {
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}

fn llama() -> Vec<u8> {
    value("general.architecture", 8, &text("llama"))
}

#[test]
fn heads_that_are_none() {
    assert_says(b"", &["truncated or damaged"]);
    assert_says(b"GGUF", &["truncated or damaged"]);
    assert_says(b"GGML\x03\0\0\0\0\0\0\0", &["does not begin with `GGUF`"]);
    assert_says(&file(1, &[], &[], 0), &["version 1", "convert the model again"]);
    assert_says(&file(4, &[], &[], 0), &["version 4"]);
    let mut big = file(3, &[], &[], 0);
    big[4..8].reverse();
    assert_says(&big, &["big-endian", "gguf_convert_endian"]);
}

#[test]
fn claims_that_the_file_has_no_room_for() {
    for at in [8, 16] {
        for count in [u64::MAX, 1 << 40, 1000] {
            let mut bytes = file(3, &[llama()], &[], 0);
            bytes[at..at + 8].copy_from_slice(&count.to_le_bytes());
            assert_says(&bytes, &["truncated or damaged"]);
        }
    }
    let long = [u64::MAX.to_le_bytes().to_vec(), vec![0; 8]].concat();
    assert_says(&file(3, &[value("a", 8, &long)], &[], 0), &["no room"]);
    for code in [0u32, 8, 10, 12] {
        let array = [code.to_le_bytes().to_vec(), (1u64 << 61).to_le_bytes().to_vec()].concat();
        assert_says(&file(3, &[value("a", 9, &array)], &[], 64), &["no room"]);
    }
    let nested = [9u32.to_le_bytes().to_vec(), 1u64.to_le_bytes().to_vec()].concat();
    assert_says(&file(3, &[value("a", 9, &nested)], &[], 64), &["metadata `a`", "list of lists"]);
    assert_says(&file(3, &[value("a", 13, &[])], &[], 64), &["metadata `a`", "type 13"]);
    assert_says(
        &file(3, &[value("a", 8, &[&2u64.to_le_bytes()[..], &[0xff, 0xff]].concat())], &[], 0),
        &["UTF-8"],
    );
    assert_says(&file(3, &[number("a", 1), number("a", 2)], &[], 0), &["metadata `a` is there twice"]);
}

#[test]
fn tensors_that_do_not_fit() {
    let with = |tensors: &[Vec<u8>], data| file(3, &[llama()], tensors, data);
    assert_says(&with(&[tensor("a", 8, 0, 0), tensor("a", 8, 0, 32)], 64), &["`a` is there twice"]);
    assert_says(&with(&[tensor("a", 9, 0, 0), tensor("b", 8, 0, 32)], 64), &["`a` and `b`", "in common"]);
    assert_says(&with(&[tensor("a", 8, 0, 8)], 64), &["`a`", "no multiple of 32"]);
    assert_says(&with(&[tensor("a", 8, 0, 64)], 64), &["`a`", "beyond"]);
    assert_says(&with(&[tensor("a", u64::MAX, 0, 0)], 64), &["`a`"]);
    assert_says(&with(&[tensor("a", 1 << 62, 0, 1 << 63)], 64), &["`a`"]);
    assert_says(&with(&[tensor("a", 33, 8, 0)], 64), &["`a`", "no whole blocks of 32 (q8_0)"]);
    let mut flat = tensor("a", 8, 0, 0);
    flat[9..13].copy_from_slice(&5u32.to_le_bytes());
    assert_says(&with(&[flat], 64), &["5 dimensions"]);
    let odd = file(3, &[llama(), number("general.alignment", 12)], &[], 0);
    assert_says(&odd, &["general.alignment", "power of two"]);
}

#[test]
fn models_that_zoomr_does_not_run_are_named() {
    assert_says(&file(3, &[], &[], 0), &["general.architecture", "missing"]);
    let mamba = value("general.architecture", 8, &text("mamba"));
    assert_says(&file(3, &[mamba], &[], 0), &["`mamba`", "llama, qwen2"]);
    assert_says(&file(3, &[llama(), number("llama.expert_count", 8)], &[], 0), &["mixture of experts"]);
    assert_says(&file(3, &[llama()], &[], 0), &["llama.embedding_length", "missing"]);
    let wrong = value("llama.embedding_length", 8, &text("64"));
    assert_says(&file(3, &[llama(), wrong], &[], 0), &["llama.embedding_length"]);
}

/// Cut anywhere, a file is refused when it is opened or when its weights are; so is one with a number that is none.
#[test]
fn a_real_file_that_was_cut() {
    let (place, path) = written(&golden("llama_tied_theta"), "q8_0");
    let bytes = fs::read(&path).unwrap();
    for keep in [bytes.len() - 33, bytes.len() / 2, 2000, 300, 24, 5] {
        assert_says(&bytes[..keep], &["truncated or damaged", "download it again"]);
    }
    drop(place);
}

#[test]
fn formats_that_zoomr_does_not_read_are_named() {
    let (place, path) = written(&golden("llama_tied_theta"), "q8_0");
    let mut bytes = fs::read(&path).unwrap();
    let name = b"blk.0.ffn_down.weight";
    let at = bytes.windows(name.len()).position(|part| part == name).unwrap() + name.len() + 4 + 16;
    assert_eq!(bytes[at..at + 4], 8u32.to_le_bytes());
    bytes[at..at + 4].copy_from_slice(&11u32.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let pretrained = Pretrained::open(&path, None).unwrap();
    let error =
        zoomr_model::weights::Weights::open(&path, &pretrained.config().tensors()).unwrap_err().to_string();
    for part in ["model.gguf", "mlp.down_proj", "Q3_K", "llama-quantize"] {
        assert!(error.contains(part), "{error}");
    }
    drop(place);
}

/// The parts of a model, each with its number.
fn parts(dir: &Path, count: u16) {
    for part in 0..count {
        let short = |name: &str, number: u16| value(name, 2, &number.to_le_bytes());
        let mut values = vec![short("split.no", part), short("split.count", count)];
        if part == 0 {
            values.push(llama());
        }
        let own = tensor(&format!("tensor-{part}"), 8, 0, 0);
        let name = format!("m-{:05}-of-{count:05}.gguf", part + 1);
        fs::write(dir.join(name), file(3, &values, &[own], 32)).unwrap();
    }
}

#[test]
fn parts_are_found_by_their_names() {
    let dir = tempfile::tempdir().unwrap();
    parts(dir.path(), 3);
    let open = |name: &str| Pretrained::open(&dir.path().join(name), None).map(drop).unwrap_err().to_string();
    // All of them are there; what is missing is the architecture's numbers.
    assert!(
        open("m-00001-of-00003.gguf").contains("llama.embedding_length"),
        "{}",
        open("m-00001-of-00003.gguf")
    );
    assert!(open("").contains("llama.embedding_length"));
    assert!(open("m-00002-of-00003.gguf").contains("give the first"));
    fs::rename(dir.path().join("m-00003-of-00003.gguf"), dir.path().join("away")).unwrap();
    let error = open("m-00001-of-00003.gguf");
    assert!(error.contains("m-00003-of-00003.gguf") && error.contains("cannot be read"), "{error}");
    fs::copy(dir.path().join("m-00002-of-00003.gguf"), dir.path().join("m-00003-of-00003.gguf")).unwrap();
    assert!(open("m-00001-of-00003.gguf").contains("part 3 of 3"));
    fs::copy(dir.path().join("m-00001-of-00003.gguf"), dir.path().join("renamed.gguf")).unwrap();
    assert!(open("renamed.gguf").contains("-00001-of-00003.gguf"));
}
