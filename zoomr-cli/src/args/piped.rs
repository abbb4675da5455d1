//! A text that comes on standard input without having been asked for: `echo text | zoomr generate`.

use std::{
    io::{self, IsTerminal, Read, stdin},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use zoomr_model::text_file;

use crate::output::note;

/// How long nothing may come before that is said, or taken for an answer.
const QUIET: Duration = Duration::from_secs(2);

/// What to do where standard input is open and nothing comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Wait: there is nothing else to go on from.
    Endless,
    /// Do without.
    Short,
}

/// The text on standard input, if that is no terminal and not empty.
///
/// # Errors
/// Where it cannot be read, or is no UTF-8 text.
pub(super) fn piped(patience: Patience) -> Result<Option<String>> {
    if stdin().is_terminal() {
        return Ok(None);
    }
    let failed = "cannot read standard input";
    let Reading { begun, whole } = Reading::start().context(failed)?;
    if begun.recv_timeout(QUIET) == Err(RecvTimeoutError::Timeout) {
        if patience == Patience::Short {
            return Ok(None);
        }
        note("waiting for a text on standard input");
    }
    let bytes = whole.recv().context(failed)?.context(failed)?;
    let text = text_file::decode(bytes).context("standard input")?;
    Ok(Some(text).filter(|text| !text.trim().is_empty()))
}

/// Standard input, read on a thread of its own.
struct Reading {
    /// Says when something has come.
    begun: Receiver<()>,
    /// All of it.
    whole: Receiver<io::Result<Vec<u8>>>,
}

impl Reading {
    fn start() -> io::Result<Self> {
        let ((say, begun), (send, whole)) = (channel(), channel());
        let read = move || {
            let (mut input, mut bytes) = (stdin().lock(), Vec::new());
            let first = input.by_ref().take(1).read_to_end(&mut bytes);
            // Whoever does not listen any more goes on without the text.
            let _ = say.send(());
            let read = first.and_then(|_| input.read_to_end(&mut bytes));
            let _ = send.send(read.map(|_| bytes));
        };
        thread::Builder::new().name("standard input".to_owned()).spawn(read)?;
        Ok(Self { begun, whole })
    }
}
