//! Files in GGUF, by the end of their names.

use std::fs;

use tempfile::TempDir;
use zoomr_model::hub::{HubError, ModelId};

use crate::{ID, SHA, hub, hub_with, names, server::Server, weights};

/// One file of many is fetched, or all parts of one model; offline it is found again.
#[test]
fn a_file_in_gguf_is_fetched_by_the_end_of_its_name() {
    let files = [
        "tiny-Q4_K_M.gguf",
        "tiny-Q8_0.gguf",
        "tiny-F16-00001-of-00002.gguf",
        "tiny-F16-00002-of-00002.gguf",
    ];
    let contents: Vec<(&str, Vec<u8>)> = (1..).zip(files).map(|(n, name)| (name, weights(n))).collect();
    let listed: Vec<(&str, &[u8])> = contents.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    let server = Server::start(ID, SHA, &listed);
    let cache = TempDir::new().unwrap();
    let (online, forbidden) =
        (hub(&cache, &server), hub_with(&cache, &server.url(), &[("HF_HUB_OFFLINE", "1")]));
    let id = |ending: &str| ModelId::parse(&format!("{ID}:{ending}")).unwrap();

    let path = online.fetch(&id("q4_k_m"), &mut ()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), weights(1));
    assert_eq!(names(path.parent().unwrap()), ["tiny-Q4_K_M.gguf"]);
    assert_eq!(forbidden.fetch(&id("Q4_K_M"), &mut ()).unwrap(), path);
    let error = forbidden.fetch(&id("F16"), &mut ()).unwrap_err();
    assert!(matches!(error, HubError::Offline { .. }), "{error}");

    let first = online.fetch(&id("F16"), &mut ()).unwrap();
    assert!(first.ends_with("tiny-F16-00001-of-00002.gguf"), "{}", first.display());
    assert_eq!(names(first.parent().unwrap()).len(), 3);
    assert_eq!(forbidden.fetch(&id("F16"), &mut ()).unwrap(), first);

    let error = online.fetch(&id("Q5_0"), &mut ()).unwrap_err().to_string();
    for part in [":Q5_0", "tiny-Q4_K_M.gguf", "tiny-Q8_0.gguf"] {
        assert!(error.contains(part), "{error}");
    }
    for bad in ["", "../x", "a/b", ".hidden"] {
        assert!(ModelId::parse(&format!("{ID}:{bad}")).is_err(), "{bad}");
    }
}
