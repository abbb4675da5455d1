//! Models in GGUF, llama.cpp's format, versions 2 and 3: read as the Hugging Face checkpoints that they were made from, and
//! written as what llama.cpp loads.
//!
//! | file | what it is about |
//! |---|---|
//! | `reader`, `metadata`, `head` | the container: plain values, named values, and the tensors of one file |
//! | `parts` | models in several files |
//! | `names` | what each tensor is called there and in Hugging Face's checkpoints |
//! | `architecture` | metadata as `config.json` |
//! | `vocabulary`, `pre`, `pieces` | metadata as `tokenizer.json`: how text is cut, and SentencePiece's merges |
//! | [`mod@write`] | a model as a file |
//!
//! The format is that of ggml's `docs/gguf.md`; what a model's numbers and names become in it, that of llama.cpp's
//! converter (`conversion/`) and loader (`llama-vocab.cpp`). A head is read into memory of its own, and what it claims is
//! held against the file's length before room is made for it. Tensors stay where they are: [`Weights`] maps them.
//!
//! [`Weights`]: crate::weights::Weights

mod architecture;
mod error;
mod head;
mod metadata;
mod names;
mod parts;
mod pieces;
mod pre;
mod reader;
mod vocabulary;
pub mod write;

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

pub use self::error::{GgufError, GgufProblem};
use self::{head::Head, metadata::Metadata, names::Architecture, parts::PartName};
pub(crate) use self::{
    head::TensorInfo,
    names::{Interleaved, ROPE_FREQS},
};

/// The end of such files' names.
pub(crate) const EXTENSION: &str = "gguf";

/// A model's files, with their heads read.
#[derive(Debug)]
pub(crate) struct Gguf {
    /// In order; the first has the metadata.
    parts: Vec<Part>,
    architecture: Architecture,
}

/// One file.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) head: Head,
}

impl Part {
    fn open(path: &Path) -> Result<Self, GgufError> {
        let opened = || -> Result<_, GgufProblem> {
            let file = File::open(path)?;
            let head = Head::read(&file)?;
            Ok(Self { path: path.to_owned(), file, head })
        };
        opened().map_err(|problem| problem.of(path))
    }
}

impl Gguf {
    /// Reads the heads of a model's files, of which `path` is the only or the first.
    ///
    /// # Errors
    /// Where one is missing, damaged, or of a kind that zoomr does not run.
    pub(crate) fn open(path: &Path) -> Result<Self, GgufError> {
        let first = Part::open(path)?;
        let others = parts::others(path, &first.head.metadata).map_err(|problem| problem.of(path))?;
        let architecture = Architecture::of(&first.head.metadata).map_err(|problem| problem.of(path))?;
        let count = others.len() + 1;
        let mut all = vec![first];
        for (number, path) in (1..).zip(others) {
            let part = Part::open(&path)?;
            parts::check(&part.head.metadata, number, count).map_err(|problem| problem.of(&path))?;
            all.push(part);
        }
        Ok(Self { parts: all, architecture })
    }

    /// The model at `path`, if that is such a file.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn at(path: &Path) -> Result<Option<Self>, GgufError> {
        if is_gguf(path) { Self::open(path).map(Some) } else { Ok(None) }
    }

    /// The first file.
    pub(crate) fn path(&self) -> &Path {
        &self.parts[0].path
    }

    fn metadata(&self) -> &Metadata {
        &self.parts[0].head.metadata
    }

    /// A tensor by its name in the file, and the part that it lies in.
    fn tensor(&self, name: &str) -> Option<(&Part, &TensorInfo)> {
        let found = |part: &'_ Part| part.head.tensors.iter().position(|tensor| tensor.name == name);
        self.parts.iter().find_map(|part| Some((part, &part.head.tensors[found(part)?])))
    }

    /// The files, in order, with their tensors under the names of Hugging Face's checkpoints.
    pub(crate) fn into_parts(self) -> impl Iterator<Item = (Part, Names)> {
        let names = Names(self.architecture);
        self.parts.into_iter().map(move |part| (part, names))
    }
}

/// What tells the names that a model's tensors have in Hugging Face's checkpoints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names(Architecture);

impl Names {
    /// The name that the tensor `name` has there, and how its rows were reordered; none of what a model is not made of.
    pub(crate) fn canonical(self, name: &str) -> Option<(String, Option<Interleaved>)> {
        self.0.canonical(name)
    }
}

/// Whether `path` is a GGUF file, by its first bytes or its name.
pub fn is_gguf(path: &Path) -> bool {
    let begins = || -> io::Result<bool> {
        let mut magic = [0; 4];
        File::open(path)?.read_exact(&mut magic)?;
        Ok(magic == head::MAGIC)
    };
    path.is_file() && (path.extension().is_some_and(|end| end == EXTENSION) || begins().unwrap_or(false))
}

/// The models in GGUF in a directory: of one in parts the first file. What is for pictures (`mmproj`) is none.
pub(crate) fn in_dir(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_model = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        is_model_name(name) && path.is_file()
    };
    let mut models: Vec<PathBuf> = entries.filter(is_model).collect();
    models.sort_unstable();
    models
}

/// Whether a file of this name is a model, or the first part of one.
pub(crate) fn is_model_name(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".gguf") else { return false };
    !stem.starts_with("mmproj") && PartName::parse(stem).is_none_or(|part| part.part == 1)
}

/// Whether the name of a model's file ends in `ending`, a word of it or several (`Q4_K_M`), in either case.
#[cfg(feature = "hub")]
pub(crate) fn ends_in(name: &str, ending: &str) -> bool {
    let stem = name.strip_suffix(".gguf").unwrap_or(name);
    let stem = PartName::parse(stem).map_or(stem, |part| part.name).to_ascii_lowercase();
    let before = stem.strip_suffix(&ending.to_ascii_lowercase());
    // `Q4_K_M` has words in it, which are no endings: `-` and `.` are between.
    before.is_some_and(|before| before.is_empty() || before.ends_with(['-', '.']))
}

/// The files of the model whose first is called `name`.
#[cfg(feature = "hub")]
pub(crate) fn part_names(name: &str) -> Vec<String> {
    match name.strip_suffix(".gguf").and_then(PartName::parse) {
        Some(PartName { name, count, .. }) => {
            (1..=count).map(|part| format!("{name}-{part:05}-of-{count:05}.gguf")).collect()
        }
        None => vec![name.to_owned()],
    }
}

/// Where the model at `path` is: `path` itself, or, where that is a directory with one model in GGUF and without weights in
/// safetensors, that model's file.
pub fn located(path: &Path) -> PathBuf {
    let entries = || fs::read_dir(path).into_iter().flatten().flatten();
    let is_safetensors =
        |entry: &fs::DirEntry| entry.path().extension().is_some_and(|end| end == "safetensors");
    match &in_dir(path)[..] {
        [model] if !entries().any(|entry| is_safetensors(&entry)) => model.clone(),
        _ => path.to_owned(),
    }
}
