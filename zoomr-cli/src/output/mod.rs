//! Everything that is printed or written.
//!
//! | file | where it goes |
//! |---|---|
//! | `screen` | the text, to standard output as it comes |
//! | `thoughts` | reasoning under headings, with what each thought reopened |
//! | `sparkline` | memory over a run, in a few characters |
//! | `harmless` | text that a terminal may be shown |
//! | `wrap` | lines of a terminal, broken between words |
//! | `status` | the line below the text, on a terminal's standard error |
//! | `counter` | a bar of work that is counted, in the same place; elsewhere a line from time to time |
//! | `account` | what a run took, gathered step by step |
//! | `account_table` | the account for people, on standard error |
//! | `table` | tables, cut to fit a terminal |
//! | `trace` | the account of each step, in a file |
//! | `logits` | logits, in a file |
//! | `out_file` | files under the flags that named them |
//! | `places` | no output is an input, or another output |

pub(crate) mod account;
pub(crate) mod account_table;
#[cfg(feature = "train")]
pub(crate) mod counter;
mod harmless;
pub(crate) mod logits;
mod out_file;
pub(crate) mod places;
pub(crate) mod screen;
pub(crate) mod sparkline;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod thoughts;
pub(crate) mod trace;
mod wrap;

use std::{
    borrow::Cow,
    io::{self, ErrorKind, IsTerminal, Write, stderr, stdout},
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result};
use serde::Serialize;

use self::harmless::{fit_for, harmless};
pub(crate) use self::out_file::OutFile;

/// Whether a flag has taken standard output for a file: the result then goes to standard error.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Leaves standard output to a file that a flag has called `-`.
fn take_standard_output() {
    TAKEN.store(true, Ordering::Relaxed);
}

/// Whether what [`print()`] writes is seen on a terminal.
fn result_is_seen() -> bool {
    if TAKEN.load(Ordering::Relaxed) { stderr().is_terminal() } else { stdout().is_terminal() }
}

/// Whether a command ended because nobody reads what it writes any more: nothing that anybody wants to hear of.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == ErrorKind::BrokenPipe)
}

/// Says on standard error what went wrong: the error and its causes, each once.
pub(crate) fn complain(error: &anyhow::Error) {
    let mut message = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Many messages quote their cause already.
        if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
    }
    note(&format!("error: {message}"));
}

/// Writes a line to standard error; where nobody listens, nothing can be said.
pub(crate) fn note(line: &str) {
    let _ = writeln!(stderr(), "{}", fit_for(&stderr(), line));
}

/// Says what clap has to say: with colours, unless an argument would command the terminal.
///
/// # Errors
/// Where the stream is closed or full.
pub(crate) fn usage(error: &clap::Error) -> Result<()> {
    let commanding = std::env::args_os().any(|arg| matches!(harmless(&arg.to_string_lossy()), Cow::Owned(_)));
    let printed = match commanding {
        false => error.print().and_then(|()| stdout().flush()),
        true => write!(stderr(), "{}", harmless(&error.render().to_string())),
    };
    let stream = if error.use_stderr() || commanding { "error" } else { "output" };
    printed.with_context(|| format!("cannot write to standard {stream}"))
}

/// Makes a fault of the program itself say what it must without commanding the terminal.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|fault| note(&format!("zoomr: internal fault: {fault}"))));
}

/// Writes a result, at once: to standard output, unless a flag has taken that for a file.
///
/// # Errors
/// Where standard output is closed or full.
pub(crate) fn print(text: &str) -> Result<()> {
    let taken = TAKEN.load(Ordering::Relaxed);
    print_styled(&if taken { fit_for(&stderr(), text) } else { fit_for(&stdout(), text) })
}

/// As [`print()`], with escape sequences of our own.
fn print_styled(text: &str) -> Result<()> {
    if TAKEN.load(Ordering::Relaxed) {
        return stderr().write_all(text.as_bytes()).context("cannot write to standard error");
    }
    let mut out = stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.context("cannot write to standard output")
}

/// Writes a value as one line of JSON, as [`print()`].
///
/// # Errors
/// Where standard output is closed or full.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_string(value).context("cannot write JSON")?;
    line.push('\n');
    print(&line)
}

/// Bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let power = (0..units.len() - 1).take_while(|&power| count >> (10 * (power + 1)) > 0).count();
    match power {
        0 => format!("{count} bytes"),
        _ => format!("{:.2} {}", count as f64 / (1u64 << (10 * power)) as f64, units[power]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_unit_that_fits() {
        let shown = [0, 1023, 1024, 3 << 19, (1 << 30) - 1, 5 << 40].map(bytes);
        assert_eq!(shown, ["0 bytes", "1023 bytes", "1.00 KiB", "1.50 MiB", "1024.00 MiB", "5.00 TiB"]);
    }
}
