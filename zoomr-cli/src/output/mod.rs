//! Everything that is printed or written.
//!
//! | file | where it goes |
//! |---|---|
//! | `screen` | the text, to standard output as it comes |
//! | `thoughts` | reasoning under headings, with what each thought reopened |
//! | `harmless` | text that a terminal may be shown |
//! | `wrap` | lines of a terminal, broken between words |
//! | `status` | the line below the text, on a terminal's standard error |
//! | `counter` | a bar of work that is counted, in the same place; elsewhere a line from time to time |
//! | `account` | what a run took, gathered step by step |
//! | `table` | the account for people, on standard error |
//! | `trace` | the account of each step, in a file |
//! | `logits` | logits, in a file |
//! | `atomic_file` | files under the flags that named them: whole or not at all, each in a place of its own |

pub(crate) mod account;
pub(crate) mod atomic_file;
#[cfg(feature = "train")]
pub(crate) mod counter;
mod harmless;
pub(crate) mod logits;
pub(crate) mod screen;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod thoughts;
pub(crate) mod trace;
mod wrap;

use std::{
    borrow::Cow,
    io::{ErrorKind, Write, stderr, stdout},
};

use anyhow::{Context, Result};
use serde::Serialize;

use self::harmless::{fit_for, harmless};

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
pub(crate) fn usage(error: &clap::Error) -> std::io::Result<()> {
    let commanding = std::env::args_os().any(|arg| matches!(harmless(&arg.to_string_lossy()), Cow::Owned(_)));
    if !commanding {
        return error.print();
    }
    write!(stderr(), "{}", harmless(&error.render().to_string()))
}

/// Makes a fault of the program itself say what it must without commanding the terminal.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|fault| note(&format!("zoomr: internal fault: {fault}"))));
}

/// Writes to standard output, at once.
///
/// # Errors
/// Where standard output is closed or full.
pub(crate) fn print(text: &str) -> Result<()> {
    print_styled(&fit_for(&stdout(), text))
}

/// As [`print()`], with escape sequences of our own.
fn print_styled(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => anyhow::anyhow!(
            "standard output was closed before all was written; give the reader time, or write to a file"
        ),
        _ => anyhow::Error::new(error).context("cannot write to standard output"),
    })
}

/// Writes a value to standard output as one line of JSON.
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
