//! Colder tiers: where pages go that leave the compute device, bit for bit.

use std::{fmt::Debug, io};

use crate::kernels::PageBytes;

/// What a tier gives for a page that it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Handle(pub usize);

/// Keeps pages away from the compute device.
///
/// The host tier is [`HostTier`]; a tier on disk implements the same three calls. A lossless tier returns the
/// very bits it was given.
pub trait ColdTier: Send + Sync + Debug {
    /// Takes a page in.
    ///
    /// # Errors
    /// Where the medium fails; the page is then still the caller's.
    fn store(&mut self, page: PageBytes) -> io::Result<Handle>;

    /// Reads a page back; the tier keeps its copy.
    ///
    /// # Errors
    /// Where the medium fails, or `handle` names no page.
    fn load(&self, handle: Handle) -> io::Result<PageBytes>;

    /// Forgets a page; an unknown handle is no error.
    fn forget(&mut self, handle: Handle);

    /// Bytes of all pages kept.
    fn bytes(&self) -> u64;
}

/// Host memory.
#[derive(Debug, Default)]
pub struct HostTier {
    pages: Vec<Option<PageBytes>>,
    free: Vec<usize>,
    bytes: u64,
}

impl ColdTier for HostTier {
    fn store(&mut self, page: PageBytes) -> io::Result<Handle> {
        self.bytes += page.len();
        let slot = self.free.pop().unwrap_or_else(|| {
            self.pages.push(None);
            self.pages.len() - 1
        });
        self.pages[slot] = Some(page);
        Ok(Handle(slot))
    }

    fn load(&self, handle: Handle) -> io::Result<PageBytes> {
        let page = self.pages.get(handle.0).and_then(Option::as_ref);
        page.cloned().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no page {}", handle.0)))
    }

    fn forget(&mut self, handle: Handle) {
        if let Some(page) = self.pages.get_mut(handle.0).and_then(Option::take) {
            self.bytes -= page.len();
            self.free.push(handle.0);
        }
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}
