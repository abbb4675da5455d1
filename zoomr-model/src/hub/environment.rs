//! The environment variables that Hugging Face's own tools know, as far as they concern fetching.
//!
//! | variable | says |
//! |---|---|
//! | `HF_HOME` | where everything is kept [default: `huggingface` in `XDG_CACHE_HOME`, or in `~/.cache`] |
//! | `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE` | where models are kept [default: `hub` in `HF_HOME`] |
//! | `HF_TOKEN`, `HUGGING_FACE_HUB_TOKEN` | the token |
//! | `HF_TOKEN_PATH` | the file with the token, where no variable has it [default: `token` in `HF_HOME`] |
//! | `HF_ENDPOINT` | the hub's address |
//! | `HF_HUB_OFFLINE`, `TRANSFORMERS_OFFLINE` | `1`, `on`, `yes` or `true`: use no network |
//! | `HF_HUB_ETAG_TIMEOUT` | seconds that a question about a model or file may take |
//! | `HF_HUB_DOWNLOAD_TIMEOUT` | seconds that a download may stall |

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::HubError;
use crate::address::{Address, shown};

/// The hub, where no variable names another.
const ENDPOINT: &str = "https://huggingface.co";
/// How long to wait for anything, where no variable says.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What the variables say.
#[derive(Clone)]
pub(super) struct Environment {
    /// Where models are kept.
    pub(super) cache: PathBuf,
    pub(super) endpoint: Address,
    pub(super) token: Option<String>,
    pub(super) offline: bool,
    /// The longest that a question may take.
    pub(super) question: Duration,
    /// The longest that a download may stall.
    pub(super) stall: Duration,
}

impl Environment {
    /// Reads variables; one that is empty counts as not set.
    ///
    /// # Errors
    /// [`HubError::NoHome`], [`HubError::Endpoint`] and [`HubError::Token`].
    pub(super) fn read(var: impl Fn(&str) -> Option<String>) -> Result<Self, HubError> {
        let one = |name: &str| var(name).filter(|value| !value.is_empty());
        let var = |names: &[&str]| names.iter().find_map(|name| one(name));
        let path = |names: &[&str]| var(names).map(|value| expanded(&value));
        let home = path(&["HF_HOME"]).or_else(|| {
            let caches = path(&["XDG_CACHE_HOME"]);
            let caches = caches.or_else(|| Some(std::env::home_dir()?.join(".cache")));
            caches.map(|dir| dir.join("huggingface"))
        });
        let in_home = |name: &str| home.as_ref().map(|home| home.join(name));
        let cache = path(&["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"]).or_else(|| in_home("hub"));
        // The token that a login left lies beside the cache's usual place, wherever the cache is.
        let token_file = path(&["HF_TOKEN_PATH"]).or_else(|| in_home("token"));
        let token = var(&["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]);
        let token = token.or_else(|| token_file.and_then(|path| fs::read_to_string(path).ok()));
        let endpoint = var(&["HF_ENDPOINT"]).unwrap_or_else(|| ENDPOINT.to_owned());
        let offline = var(&["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]).map(|value| value.to_uppercase());
        let seconds = |name: &str| {
            let seconds =
                one(name).and_then(|value| value.trim().parse().ok()).filter(|seconds| *seconds > 0);
            seconds.map_or(TIMEOUT, Duration::from_secs)
        };
        Ok(Self {
            cache: cache.ok_or(HubError::NoHome)?,
            endpoint: Address::base(&endpoint)
                .map_err(|reason| HubError::Endpoint { url: shown(&endpoint), reason })?,
            token: token.as_deref().map_or(Ok(None), checked)?,
            offline: matches!(offline.as_deref(), Some("1" | "ON" | "YES" | "TRUE")),
            question: seconds("HF_HUB_ETAG_TIMEOUT"),
            stall: seconds("HF_HUB_DOWNLOAD_TIMEOUT"),
        })
    }
}

/// A token as a header can carry it; none where there is nothing but white space.
fn checked(token: &str) -> Result<Option<String>, HubError> {
    let token = token.trim();
    match token.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(Some(token.to_owned()).filter(|token| !token.is_empty())),
        false => Err(HubError::Token),
    }
}

/// A path in which `~` stands for the home directory: variables that no shell has read may have one.
fn expanded(path: &str) -> PathBuf {
    match (path.strip_prefix('~'), std::env::home_dir()) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
            home.join(rest.trim_start_matches('/'))
        }
        _ => Path::new(path).to_owned(),
    }
}
