//! Tokenizers and the files beside them: ids stay within the vocabulary, and every id has its bytes, maybe none.

use std::{fs, path::Path};

use zoomr_core::config::Settings;
use zoomr_model::{
    reasoning_format::ReasoningFormat,
    text::{chat::ChatTemplate, defaults::SamplingDefaults, sample::Sampler, tokenizer::Tokenizer},
};

use super::{file::scratch, template::renders};

/// A tokenizer that sidecars are put beside.
const SOUND: &str = include_str!("../seeds/tokenizer/sentencepiece.json");

/// `tokenizer.json`.
pub fn tokenizer(bytes: &[u8]) -> bool {
    let dir = scratch("tokenizer");
    fs::write(dir.join("tokenizer.json"), bytes).unwrap();
    encodes(&dir)
}

/// Each of the small files of a model's directory.
pub fn sidecars(bytes: &[u8]) -> bool {
    let dir = scratch("sidecars");
    fs::write(dir.join("tokenizer.json"), SOUND).unwrap();
    let sidecars = [
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "generation_config.json",
        "config.json",
        "zoomr.json",
    ];
    let taken = sidecars.map(|name| {
        fs::write(dir.join(name), bytes).unwrap();
        let taken = [encodes(&dir), ChatTemplate::from_dir(&dir).is_ok_and(|chat| renders(&chat))];
        samples(&dir);
        thinks(&dir);
        fs::remove_file(dir.join(name)).unwrap();
        taken.contains(&true)
    });
    taken.contains(&true)
}

/// Whether a place has a tokenizer; if so, it is tried.
pub(crate) fn encodes(dir: &Path) -> bool {
    let Ok(tokenizer) = Tokenizer::from_dir(dir) else { return false };
    let ids = tokenizer.encode("a b <s> two words é \u{0}").unwrap_or_default();
    for id in ids {
        assert!((id as usize) < tokenizer.vocab_size(), "{id}");
        assert!(tokenizer.bytes_with_special(id).ends_with(tokenizer.bytes_of(id)), "{id}");
    }
    let _ = tokenizer.check_vocabulary(100);
    true
}

fn samples(dir: &Path) {
    if let Ok(defaults) = SamplingDefaults::from_dir(dir)
        && let Ok(mut sampler) = Sampler::new(defaults.options())
    {
        // Where nothing can be chosen, it says so.
        assert!(sampler.sample(&[0.5, -1.0, 3.0], &[1]).unwrap_or_default() < 3);
    }
}

fn thinks(dir: &Path) {
    if let (Ok(Some(format)), Ok(tokenizer)) = (ReasoningFormat::from_dir(dir), Tokenizer::from_dir(dir)) {
        let _ = format.segmenter(&tokenizer);
        let _ = Settings::try_from(format.method);
    }
}
