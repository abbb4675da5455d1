//! The terminal's echo of keys that end a program: `^C`, which would move the status line from where it is taken away
//! again, so that the text above it would be there twice.

#[cfg(unix)]
use std::io::{IsTerminal, stderr};

#[cfg(unix)]
use rustix::{
    process::getpgrp,
    termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr},
};

/// Control keys are not echoed while this lives; a process that is killed leaves that to the shell.
#[derive(Debug)]
pub(crate) struct Silenced {
    /// How the terminal was, where that was changed.
    #[cfg(unix)]
    before: Option<Termios>,
}

#[cfg(unix)]
impl Silenced {
    /// From now on.
    pub(crate) fn begin() -> Self {
        Self { before: silence() }
    }

    /// No longer.
    pub(crate) fn end(&self) {
        if let Some(before) = self.before.as_ref().filter(|_| is_ours()) {
            // What the terminal does with keys is no reason to fail.
            let _ = tcsetattr(stderr(), OptionalActions::Now, before);
        }
    }
}

/// Changes the terminal; returns how it was.
#[cfg(unix)]
fn silence() -> Option<Termios> {
    let before = tcgetattr(stderr()).ok().filter(|_| is_ours())?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHOCTL);
    tcsetattr(stderr(), OptionalActions::Now, &silent).ok()?;
    Some(before)
}

/// Whether there is a terminal that this process may change: one that runs in the background would be stopped for it.
#[cfg(unix)]
fn is_ours() -> bool {
    stderr().is_terminal() && tcgetpgrp(stderr()).is_ok_and(|group| group == getpgrp())
}

#[cfg(not(unix))]
impl Silenced {
    /// Nothing is echoed anyway.
    pub(crate) fn begin() -> Self {
        Self {}
    }

    /// Nothing is to be done.
    pub(crate) fn end(&self) {}
}

impl Drop for Silenced {
    fn drop(&mut self) {
        self.end();
    }
}
