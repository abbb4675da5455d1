//! How a download tells of itself; the library draws nothing.

use super::{ModelId, TransportError};

/// Told what happens while a model is fetched. `()` listens to nothing.
pub trait Progress {
    /// A file of `bytes` bytes is about to be downloaded.
    fn begin(&mut self, file: &str, bytes: u64);
    /// So many more bytes of it are here; those of an earlier, cut download count at once.
    fn advance(&mut self, bytes: u64);
    /// All of it is here.
    fn end(&mut self);
    /// Another process downloads this file; it is waited for.
    fn waiting(&mut self, file: &str);
    /// The hub did not answer as it should; the copy in the cache is used instead.
    fn using_cached(&mut self, id: &ModelId, reason: &TransportError);
}

impl Progress for () {
    fn begin(&mut self, _file: &str, _bytes: u64) {}
    fn advance(&mut self, _bytes: u64) {}
    fn end(&mut self) {}
    fn waiting(&mut self, _file: &str) {}
    fn using_cached(&mut self, _id: &ModelId, _reason: &TransportError) {}
}
