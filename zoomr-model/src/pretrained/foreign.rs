//! Models in formats that zoomr does not read: told by their files, each with what to do instead.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use crate::gguf::{is_gguf, located};

/// What is done about it in most cases.
const ORIGINAL: &str = "give the directory, or the hub id, of the checkpoint that it was made from: one with config.json \
                        and *.safetensors in f32, f16 or bf16, which the model card of this one names";

/// A format of models, or of parts of them, that is not a Hugging Face checkpoint in safetensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// llama.cpp's, where it is not said which file.
    Gguf,
    /// llama.cpp's before GGUF.
    Ggml,
    /// GPTQ, with a configuration of its own beside the model's.
    Gptq,
    /// AWQ, with a configuration of its own beside the model's.
    Awq,
    /// MLX's, as arrays of NumPy.
    Npz,
    /// PyTorch's pickles.
    Pickle,
    /// ONNX.
    Onnx,
    /// TensorFlow's, or Flax's.
    TensorFlow,
    /// A text that stands for a file in Git.
    LfsPointer,
    /// An adapter for a model.
    Adapter,
    /// A safetensors file by itself.
    Safetensors,
}

impl Format {
    /// What it is, and what to do.
    fn explained(self) -> String {
        let unread = |what: &str| format!("{what}, which zoomr does not read yet; {ORIGINAL}");
        match self {
            Self::Gguf => "holds models in GGUF; give the file of one of them, or the hub id with the end of its name \
                           (`org/name:Q4_K_M`)"
                .to_owned(),
            Self::Ggml => unread("is a model in GGML, llama.cpp's former format"),
            Self::Gptq => unread("is a model quantized with GPTQ"),
            Self::Awq => unread("is a model quantized with AWQ"),
            Self::Npz => unread("is a model of MLX, in NumPy's format"),
            Self::Onnx => unread("is a model in ONNX"),
            Self::TensorFlow => unread("is a model of TensorFlow or Flax"),
            Self::Pickle => "holds its weights in PyTorch's pickles, which can run code when they are read; save it again \
                             with transformers (`model.save_pretrained(DIR)`), which writes safetensors, or take a \
                             revision of it in that format"
                .to_owned(),
            Self::LfsPointer => "is a pointer of Git LFS, not the file itself; fetch it (`git lfs pull`), or give the hub \
                                 id of the model"
                .to_owned(),
            Self::Adapter => "is an adapter, not a model; give its model with --model, and this with --adapter".to_owned(),
            Self::Safetensors => "is a file of weights; give the directory that it lies in, with config.json".to_owned(),
        }
    }

    /// By the first bytes of a file, or else by the end of its name.
    fn of_file(path: &Path) -> Option<Self> {
        let mut first = Vec::new();
        File::open(path).ok()?.take(64).read_to_end(&mut first).ok()?;
        match &first[..] {
            bytes if bytes.starts_with(b"version https://git-lfs") => Some(Self::LfsPointer),
            bytes if bytes.starts_with(b"GGUF") => Some(Self::Gguf),
            bytes if [b"ggml", b"lmgg", b"tjgg", b"ggjt"].iter().any(|magic| bytes.starts_with(*magic)) => {
                Some(Self::Ggml)
            }
            _ => Self::of_name(path.file_name()?.to_str()?),
        }
    }

    /// By the end of a file's name.
    fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let end = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        Some(match () {
            () if end(&[".gguf"]) => Self::Gguf,
            () if end(&[".npz"]) => Self::Npz,
            () if end(&[".safetensors"]) => Self::Safetensors,
            () if end(&[".bin", ".pt", ".pth", ".ckpt"]) => Self::Pickle,
            () if end(&[".onnx"]) => Self::Onnx,
            () if end(&[".h5", ".msgpack", ".tflite"]) => Self::TensorFlow,
            () => return None,
        })
    }

    /// By the files of a directory, of which those that zoomr reads go first.
    fn of_dir(dir: &Path) -> Option<Self> {
        let has = |name: &str| dir.join(name).exists();
        if has("quantize_config.json") {
            return Some(Self::Gptq);
        }
        if has("quant_config.json") {
            return Some(Self::Awq);
        }
        if !has("config.json") && has("adapter_config.json") {
            return Some(Self::Adapter);
        }
        let paths = fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path()).filter(|path| path.is_file());
        let formats: Vec<Self> = paths.filter_map(|path| Self::of_file(&path)).collect();
        let known = |format: &Self| formats.contains(format);
        // What can be read, and is beside what cannot, is read; pointers stand for all of a checkpoint.
        if !known(&Self::LfsPointer) && known(&Self::Safetensors) {
            return None;
        }
        Self::first_of(&formats)
    }

    /// Of several formats, the one that is named.
    fn first_of(formats: &[Self]) -> Option<Self> {
        let order =
            [Self::LfsPointer, Self::Gguf, Self::Ggml, Self::Npz, Self::Pickle, Self::Onnx, Self::TensorFlow];
        order.into_iter().find(|format| formats.contains(format))
    }
}

/// A model, or a part of one, that zoomr does not read.
#[derive(Debug, thiserror::Error)]
#[error("{} {}", path.display(), format.explained())]
pub struct Foreign {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub format: Format,
}

impl Foreign {
    /// What lies at `path`, a file or a directory, if it is no model that zoomr could read but one that can be told.
    /// Files are told by their first bytes and their names; nothing else of them is read.
    pub fn at(path: &Path) -> Option<Self> {
        let place = located(path);
        if is_gguf(&place) && Format::of_file(&place) == Some(Format::Gguf) {
            return None;
        }
        let format = if path.is_dir() { Format::of_dir(path) } else { Format::of_file(path) };
        format.map(|format| Self { path: path.to_owned(), format })
    }

    /// What a place that has no model for zoomr, called `name`, holds, by the names of its files.
    #[cfg(feature = "hub")]
    pub(crate) fn listed(name: &str, files: &[String]) -> Option<Self> {
        let is_adapter = files.iter().any(|file| file == "adapter_config.json");
        let formats: Vec<Format> = files.iter().filter_map(|file| Format::of_name(file)).collect();
        let format = match () {
            () if is_adapter => Some(Format::Adapter),
            () if formats.contains(&Format::Safetensors) => None,
            () => Format::first_of(&formats),
        };
        format.map(|format| Self { path: name.into(), format })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a directory with these files is taken for.
    fn dir(files: &[(&str, &str)]) -> Option<Format> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        Foreign::at(dir.path()).map(|found| found.format)
    }

    const CONFIG: (&str, &str) = ("config.json", "{}");
    const WEIGHTS: (&str, &str) = ("model.safetensors", "\u{2}\0\0\0\0\0\0\0{}");
    const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";

    #[test]
    fn directories_are_told_by_their_files() {
        for (files, format) in [
            (
                &[("m.Q4_K_M.gguf", "GGUF\u{3}"), ("m.Q8_0.gguf", "GGUF\u{3}"), ("README.md", "")][..],
                Some(Format::Gguf),
            ),
            (&[("m.Q4_K_M.gguf", "GGUF\u{3}"), ("README.md", ""), ("mmproj-m.gguf", "GGUF\u{3}")], None),
            (&[("m-00001-of-00002.gguf", "GGUF\u{3}"), ("m-00002-of-00002.gguf", "GGUF\u{3}")], None),
            (&[("m.gguf", POINTER)], Some(Format::LfsPointer)),
            (&[CONFIG, ("weights.00.npz", "PK")], Some(Format::Npz)),
            (&[CONFIG, WEIGHTS, ("quantize_config.json", "{}")], Some(Format::Gptq)),
            (&[CONFIG, WEIGHTS, ("quant_config.json", "{}")], Some(Format::Awq)),
            (&[CONFIG, ("pytorch_model-00001-of-00002.bin", "PK")], Some(Format::Pickle)),
            (&[("model.onnx", "")], Some(Format::Onnx)),
            (&[CONFIG, ("tf_model.h5", "")], Some(Format::TensorFlow)),
            (&[CONFIG, ("model.safetensors", POINTER)], Some(Format::LfsPointer)),
            (&[("adapter_config.json", "{}"), ("adapter_model.safetensors", "")], Some(Format::Adapter)),
            (&[CONFIG, WEIGHTS, ("pytorch_model.bin", "PK"), ("m.gguf", "GGUF")], None),
            (&[CONFIG, WEIGHTS, ("adapter_config.json", "{}")], None),
            (&[CONFIG], None),
            (&[], None),
        ] {
            assert_eq!(dir(files), format, "{files:?}");
        }
    }

    #[test]
    fn files_are_told_by_their_first_bytes_before_their_names() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text, format) in [
            ("model", "GGUF\u{3}\0\0\0", None),
            ("model.bin", "lmgg", Some(Format::Ggml)),
            ("other.gguf", "", None),
            ("pointer.gguf", POINTER, Some(Format::LfsPointer)),
            ("model.safetensors", "", Some(Format::Safetensors)),
            ("notes.txt", "GG", None),
        ] {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            assert_eq!(Foreign::at(&path).map(|found| found.format), format, "{name}");
        }
        assert!(Foreign::at(&dir.path().join("absent.gguf")).is_none());
    }

    #[test]
    fn messages_say_what_it_is_and_what_to_do() {
        let message = |format| Foreign { path: "here".into(), format }.to_string();
        assert!(
            message(Format::Ggml)
                .starts_with("here is a model in GGML, llama.cpp's former format, which zoomr does")
        );
        assert!(message(Format::Ggml).contains("the checkpoint that it was made from"));
        assert!(message(Format::Gguf).contains("give the file of one"));
        assert!(message(Format::Adapter).contains("--adapter"));
    }
}
