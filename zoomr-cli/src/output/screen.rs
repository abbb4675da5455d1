//! The text, to standard output as it comes.
//!
//! | standard output | standard error | what is shown |
//! |---|---|---|
//! | terminal | terminal | lines broken between words, summaries faint, a status line below |
//! | terminal | else | the text as it comes, summaries faint |
//! | else | terminal | the text as it comes; a status line |
//! | else | else | the text, and nothing else |

use std::env;

use anyhow::Result;
use console::Term;
use zoomr_core::segment::Kind;

use super::{harmless::harmless, print, print_styled, result_is_seen, status::Status, wrap::Wrap};

/// Columns that are left free, for a terminal that would break a full line by itself.
const MARGIN: usize = 1;

/// Where text goes.
#[derive(Debug)]
pub(crate) struct Screen<'a> {
    status: &'a Status,
    form: Form,
    /// What the status line says.
    line: String,
    /// Whether the last text ended a line, or there was none.
    at_start: bool,
}

#[derive(Debug)]
enum Form {
    /// Nothing: the text is part of a JSON object, printed later.
    Silent,
    /// As it comes.
    Plain { styled: bool },
    /// Line by line, above the status line.
    Wrapped(Wrap),
}

impl<'a> Screen<'a> {
    /// Text is shown as standard output and standard error allow, or not at all.
    pub(crate) fn new(silent: bool, status: &'a Status) -> Self {
        let seen = result_is_seen();
        let styled = seen && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let form = if silent {
            Form::Silent
        } else if seen && Status::is_visible() {
            let (_, columns) = Term::stderr().size();
            Form::Wrapped(Wrap::new(usize::from(columns).saturating_sub(MARGIN), styled))
        } else {
            Form::Plain { styled }
        };
        Self { status, form, line: String::new(), at_start: true }
    }

    /// Shows a piece of text.
    ///
    /// # Errors
    /// Where standard output is closed or full.
    pub(crate) fn text(&mut self, kind: Kind, text: &str) -> Result<()> {
        let faint = kind == Kind::Summary;
        self.at_start = text.ends_with('\n');
        match &mut self.form {
            Form::Silent => Ok(()),
            Form::Plain { styled } if *styled && faint => {
                print_styled(&console::style(harmless(text)).dim().force_styling(true).to_string())
            }
            Form::Plain { .. } => print(text),
            Form::Wrapped(wrap) => {
                let lines = wrap.push(text, faint);
                if !lines.is_empty() {
                    self.status.aside(|| print_styled(&(lines.join("\n") + "\n")))?;
                }
                self.refresh();
                Ok(())
            }
        }
    }

    /// Says how far it is.
    pub(crate) fn progress(&mut self, line: String) {
        self.line = line;
        self.refresh();
    }

    fn refresh(&self) {
        match &self.form {
            Form::Wrapped(wrap) if !wrap.line().is_empty() => {
                self.status.say_styled(&format!("{}\n{}", wrap.line(), harmless(&self.line)));
            }
            _ => self.status.say(&self.line),
        }
    }

    /// Ends the text and its last line.
    ///
    /// # Errors
    /// Where standard output is closed or full.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.status.clear();
        match &mut self.form {
            Form::Silent => Ok(()),
            Form::Plain { .. } if self.at_start => Ok(()),
            Form::Plain { .. } => print("\n"),
            Form::Wrapped(wrap) => wrap.finish().map_or(Ok(()), |line| print_styled(&(line + "\n"))),
        }
    }
}
