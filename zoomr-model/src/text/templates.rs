//! Where a model's chat templates are: files of their own before the fields of `tokenizer_config.json`, as in
//! transformers.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::sidecar::{FileError, read_if_there, read_optional};
use crate::gguf::Gguf;

/// The name of the template that is taken where no tools are given.
const DEFAULT: &str = "default";

/// The templates of a model, by name.
#[derive(Debug)]
pub(super) struct Templates {
    /// The file that holds the default one, or else the file or folder that holds the others.
    pub(super) path: PathBuf,
    /// Sources by name.
    pub(super) named: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
struct Config {
    chat_template: Option<Field>,
}

/// The field `chat_template`: one template, or several by name, in either of two spellings.
#[derive(Deserialize)]
#[serde(untagged, expecting = "chat_template is neither a text, nor a list or an object of named texts")]
enum Field {
    One(String),
    List(Vec<Named>),
    Map(BTreeMap<String, String>),
}

#[derive(Deserialize)]
struct Named {
    name: String,
    template: String,
}

impl Templates {
    /// Those of a model directory, or of a GGUF file; `None` where it has none.
    ///
    /// # Errors
    /// [`FileError`], where a file cannot be read or is not what it should be.
    pub(super) fn from_dir(dir: &Path) -> Result<Option<Self>, FileError> {
        if let Some(gguf) = Gguf::at(dir)? {
            let named = gguf.chat_templates();
            return Ok(
                Some(Self { path: dir.to_owned(), named }).filter(|templates| !templates.named.is_empty())
            );
        }
        if let Some(files) = Self::from_files(dir)? {
            return Ok(Some(files));
        }
        let path = dir.join("tokenizer_config.json");
        let config: Config = read_optional(&path)?.unwrap_or_default();
        let named = match config.chat_template {
            None => return Ok(None),
            Some(Field::One(template)) => BTreeMap::from([(DEFAULT.to_owned(), template)]),
            Some(Field::List(list)) => list.into_iter().map(|one| (one.name, one.template)).collect(),
            Some(Field::Map(map)) => map,
        };
        Ok(Some(Self { path, named }))
    }

    fn from_files(dir: &Path) -> Result<Option<Self>, FileError> {
        let (file, folder) = (dir.join("chat_template.jinja"), dir.join("additional_chat_templates"));
        let mut named = BTreeMap::new();
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if let (Some("jinja"), Some(name)) = (extension(&path), path.file_stem()) {
                let source = read_if_there(&path)?.unwrap_or_default();
                named.insert(name.to_string_lossy().into_owned(), source);
            }
        }
        let default = read_if_there(&file)?;
        let path = if default.is_some() { file } else { folder };
        named.extend(default.map(|source| (DEFAULT.to_owned(), source)));
        Ok((!named.is_empty()).then_some(Self { path, named }))
    }
}

/// The sources of a model's templates, by name.
///
/// # Errors
/// [`FileError`], where a file cannot be read or is not what it should be.
pub(crate) fn template_sources(dir: &Path) -> Result<BTreeMap<String, String>, FileError> {
    Ok(Templates::from_dir(dir)?.map(|templates| templates.named).unwrap_or_default())
}

fn extension(path: &Path) -> Option<&str> {
    path.extension()?.to_str()
}
