//! How a download tells of itself; the library draws nothing.

use super::HubError;

/// Told what happens while a model is fetched. `()` listens to nothing.
pub trait Progress {
    /// A file of `bytes` bytes is about to be downloaded.
    fn begin(&mut self, file: &str, bytes: u64);
    /// So many more bytes of it are here; those of an earlier, cut download count at once.
    fn advance(&mut self, bytes: u64);
    /// All of it is here.
    fn end(&mut self);
    /// The hub cannot be reached; the copy in the cache is used instead.
    fn using_cached(&mut self, reason: &HubError);
}

impl Progress for () {
    fn begin(&mut self, _file: &str, _bytes: u64) {}
    fn advance(&mut self, _bytes: u64) {}
    fn end(&mut self) {}
    fn using_cached(&mut self, _reason: &HubError) {}
}

/// hf-hub's idea of progress, which begins a file twice, as ours.
pub(super) struct Listener<'a> {
    progress: &'a mut dyn Progress,
    begun: bool,
}

impl<'a> Listener<'a> {
    pub(super) fn new(progress: &'a mut dyn Progress) -> Self {
        Self { progress, begun: false }
    }
}

impl hf_hub::api::Progress for Listener<'_> {
    fn init(&mut self, size: usize, filename: &str) {
        if !self.begun {
            self.progress.begin(filename, size as u64);
            self.begun = true;
        }
    }

    fn update(&mut self, size: usize) {
        self.progress.advance(size as u64);
    }

    fn finish(&mut self) {
        self.progress.end();
    }
}
