//! The line below the text, on standard error, where that is a terminal; and the progress of downloads.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
#[cfg(feature = "hub")]
use zoomr_model::hub::{ModelId, Progress, TransportError};

use super::harmless::harmless;
#[cfg(feature = "hub")]
use super::{bytes, note};

/// The status line; says nothing where nobody could read it.
#[derive(Debug)]
pub(crate) struct Status {
    bar: ProgressBar,
}

impl Status {
    /// A status line, hidden unless standard error is a terminal.
    pub(crate) fn new() -> Self {
        Self { bar: bar(None, "{msg}") }
    }

    /// Whether it is seen.
    pub(crate) fn is_visible() -> bool {
        stderr().is_terminal()
    }

    /// Replaces the line; more than one line will do.
    pub(crate) fn say(&self, line: &str) {
        self.say_styled(&harmless(line));
    }

    /// As [`say`](Self::say), with escape sequences of our own.
    pub(super) fn say_styled(&self, line: &str) {
        self.bar.set_message(line.to_owned());
        self.bar.tick();
    }

    /// Takes the line away while `write` writes to the same terminal.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Takes the line away for good.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// What shows the progress of downloads.
    #[cfg(feature = "hub")]
    pub(crate) fn download(&self) -> Download {
        Download { bar: None }
    }
}

/// A bar or line below the text, hidden unless standard error is a terminal.
pub(super) fn bar(length: Option<u64>, template: &str) -> ProgressBar {
    let target =
        if Status::is_visible() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(length, target).with_style(style)
}

/// One bar per file.
#[cfg(feature = "hub")]
#[derive(Debug)]
pub(crate) struct Download {
    bar: Option<ProgressBar>,
}

#[cfg(feature = "hub")]
impl Progress for Download {
    fn begin(&mut self, file: &str, size: u64) {
        let template =
            "{prefix} {bar:30} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta}";
        if !Status::is_visible() {
            note(&format!("fetching {file}, {}", bytes(size)));
        }
        let bar = bar(Some(size), template);
        bar.set_prefix(harmless(file).into_owned());
        self.bar = Some(bar);
    }

    fn advance(&mut self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish();
        }
    }

    fn waiting(&mut self, file: &str) {
        note(&format!("another process fetches {file}; waiting for it"));
    }

    fn using_cached(&mut self, id: &ModelId, reason: &TransportError) {
        note(&format!("warning: {reason}; using the copy of {id} in the cache"));
    }
}
