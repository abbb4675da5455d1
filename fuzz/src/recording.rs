//! Recordings: what is read is what is written again, and every policy can be applied to it.

use std::{fs, num::NonZeroUsize, ops::ControlFlow};

use burn_ndarray::NdArray;
use zoomr_core::{
    config::{Options, Scope},
    portable::Portable,
    segment::Budget,
    trigger::Trigger,
};
use zoomr_model::{eval::Replay, recording::Recording, setting::Setting};

use super::file::{framed, scratch};

/// Every policy, over a short window and few pages.
const SETTINGS: [&str; 8] = [
    "full",
    "window:sinks=1",
    "zoomr:zoom=1",
    "summaries",
    "oracle:zoom=1",
    "h2o:budget=9",
    "rkv:budget=9,buffer=8",
    "quest:budget=4",
];
/// How much is replayed: bytes of a recording.
const SMALL: usize = 1 << 12;

/// A recording, as [`framed`] has it.
pub fn recording(bytes: &[u8]) -> bool {
    let path = scratch("recording").join("run.safetensors");
    fs::write(&path, framed(bytes)).unwrap();
    let Ok(recording) = Recording::read(&path) else { return false };
    let written = recording.to_bytes().unwrap();
    fs::write(&path, &written).unwrap();
    let again = Recording::read(&path).unwrap();
    assert_eq!((again.tokens(), again.prompt()), (recording.tokens(), recording.prompt()));
    assert_eq!(again.layers(), recording.layers());
    assert!(again.to_bytes().unwrap() == written);
    if written.len() <= SMALL {
        replay(&recording);
    }
    true
}

/// Every policy gives a share of attention that it missed, or an error.
fn replay(recording: &Recording) {
    let two = NonZeroUsize::new(2).unwrap();
    let base = Options { scope: Scope::Layer, votes: 1, window: 3, page_size: 2, ..Options::default() };
    for line in SETTINGS {
        let replay: Replay<'_, NdArray, Portable> = Replay {
            recording,
            settings: &[Setting::parse(line, &base).unwrap()],
            tokenizer: None,
            kernels: Portable,
            device: Default::default(),
            segmenter: Box::new(Budget::new(two)),
            trigger: Trigger::Pooled,
            chunk: two,
            workers: NonZeroUsize::MIN,
            alone: |work| work(),
        };
        let Ok(replayed) = replay.run(&mut |_| ControlFlow::Continue(())) else { continue };
        for row in replayed.unwrap() {
            assert!((-0.01..=1.01).contains(&row.missed_mass), "{row:?}");
            assert_eq!(row.prompt_tokens + row.output_tokens, recording.tokens().len());
        }
    }
}
