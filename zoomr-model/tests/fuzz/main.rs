//! The entry points of the fuzz targets over seeds with a few bytes changed: whatever a file becomes, it is taken or
//! refused, soon, and nothing panics. What finds more, and takes longer, is `cargo xtask fuzz`.
//!
//! What a file merely claims, no memory is taken for: a header's length is held against the file's, and counts of
//! layers, ranks and sizes against bounds, before anything is made of them.

#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod change;
#[path = "../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "in the package of the fuzz targets it is a library")]
mod entries;

use std::{
    fmt,
    fs::{self, DirEntry},
    path::PathBuf,
    time::{Duration, Instant},
};

use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};

use self::change::{apply, changes};

/// How long each entry is tried.
const TIME: Duration = Duration::from_secs(10);
/// The most that one input may take, on a machine that has other things to do.
const ONE: Duration = Duration::from_secs(5);

/// A test of each entry, and their names.
macro_rules! survive {
    ($($entry:ident),*) => {
        const ENTRIES: &[&str] = &[$(stringify!($entry)),*];
        $(
            #[test]
            fn $entry() {
                survives(stringify!($entry), entries::$entry);
            }
        )*
    };
}

survive!(
    adapter, checkpoint, config, gguf, grade, index, lines, recording, sidecars, template, tokenizer, weights
);

/// The bytes of a file, written as a string literal has them.
struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// Runs an entry on its seeds, and then, as long as there is time, on what changes make of them.
fn survives(name: &str, entry: fn(&[u8]) -> bool) {
    let begun = Instant::now();
    let seeds: Vec<Vec<u8>> =
        files(&format!("seeds/{name}")).map(|file| fs::read(file.path()).unwrap()).collect();
    // Or else what is to be tested after it was taken is not.
    assert!(seeds.iter().filter(|seed| entry(seed)).count() > 0, "all seeds of {name} are refused");
    let inputs = (select(seeds), changes()).prop_map(|(mut bytes, changes)| {
        apply(&mut bytes, &changes);
        Input(bytes)
    });
    let mut runner = TestRunner::new(Config { cases: 16, failure_persistence: None, ..Config::default() });
    while begun.elapsed() < TIME {
        let case = |Input(bytes): Input| {
            let begun = Instant::now();
            entry(&bytes);
            prop_assert!(begun.elapsed() < ONE, "it took {:?}", begun.elapsed());
            Ok(())
        };
        runner.run(&inputs, case).unwrap();
    }
}

/// The files below `fuzz`.
fn files(folder: &str) -> impl Iterator<Item = DirEntry> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(folder);
    dir.read_dir().unwrap().map(Result::unwrap)
}

#[test]
fn every_fuzz_target_is_tested() {
    let mut targets: Vec<String> = files("fuzz_targets")
        .map(|file| file.path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    targets.sort_unstable();
    assert_eq!(targets, ENTRIES);
}
