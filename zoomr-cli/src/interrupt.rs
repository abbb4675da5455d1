//! Ctrl-C: the first one lets a running generation end in order, any other ends the process at once.
//!
//! On Unix, SIGTERM and SIGHUP count as Ctrl-C, and exit with its code: they ask for the same, and no unfinished
//! file may stay behind.

use std::{
    process::{ExitCode, exit},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use anyhow::{Context, Result};
use zoomr_model::atomic_file::remove_unfinished;

use crate::{echo::Silenced, output::note};

/// What a shell expects of a process that Ctrl-C ended: 128 + SIGINT.
const CODE: u8 = 130;

/// Nothing is under way that could be ended in order.
const IDLE: u8 = 0;
/// Steps are being taken; between two of them somebody looks here.
const STEPPING: u8 = 1;
/// Ctrl-C has come.
const STOPPING: u8 = 2;

/// Whether Ctrl-C has been pressed.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt {
    state: Arc<AtomicU8>,
    /// As long as somebody listens, what is typed does not move what is drawn.
    _silenced: Arc<Silenced>,
}

impl Interrupt {
    /// Listens for Ctrl-C from now on.
    ///
    /// # Errors
    /// Where the system refuses.
    pub(crate) fn listen() -> Result<Self> {
        let state = Arc::new(AtomicU8::new(IDLE));
        let silenced = Arc::new(Silenced::begin());
        let (seen, silent) = (Arc::clone(&state), Arc::downgrade(&silenced));
        let handler = move || {
            let first = seen.compare_exchange(STEPPING, STOPPING, Ordering::SeqCst, Ordering::SeqCst);
            if first.is_err() {
                note("interrupted");
                remove_unfinished();
                silent.upgrade().iter().for_each(|silent| silent.end());
                exit(CODE.into());
            }
        };
        ctrlc::set_handler(handler).context("cannot listen for Ctrl-C")?;
        Ok(Self { state, _silenced: silenced })
    }

    /// From now on somebody looks at [`stopping`](Self::stopping) soon after Ctrl-C.
    pub(crate) fn begin_steps(&self) {
        self.state.store(STEPPING, Ordering::SeqCst);
    }

    /// Whether Ctrl-C has come since.
    pub(crate) fn stopping(&self) -> bool {
        self.state.load(Ordering::SeqCst) == STOPPING
    }

    /// The exit code after it.
    pub(crate) fn code() -> ExitCode {
        CODE.into()
    }
}
