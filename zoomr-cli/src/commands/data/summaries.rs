//! What annotated traces are like, as tables for people.

use std::{io::stdout, ops::RangeInclusive};

use zoomr_model::data::annotate::{Lengths, Statistics, Tally};

use crate::output::table::{aligned, columns, width};

/// The tables: lengths, what stands out, and what a teacher was asked.
pub(super) fn report(
    statistics: &Statistics,
    range: &RangeInclusive<usize>,
    tally: Option<&Tally>,
) -> String {
    let unit = statistics.unit;
    let lengths = [
        ("thoughts of a trace".to_owned(), &statistics.thoughts),
        (format!("{unit} of a thought"), &statistics.details),
        (format!("{unit} of a summary"), &statistics.summaries),
    ];
    let headings = ["", "number", "min", "median", "max", "all"];
    let table = columns(&headings, &lengths.map(|(name, lengths)| row(name, lengths)));

    let mut rows = vec![
        ("summary : thought".to_owned(), format!("{:.3}", statistics.ratio())),
        (format!("thoughts outside {}..{}", range.start(), range.end()), statistics.outside.to_string()),
        ("summaries cut off at the limit".to_owned(), statistics.cut.to_string()),
        ("summaries no shorter than the thought".to_owned(), statistics.no_shorter.to_string()),
    ];
    if let Some(tally) = tally {
        let requests = format!("{}, of which {} were tried again", tally.requests, tally.failures);
        let tokens = format!("{} read, {} written", tally.prompt_tokens, tally.completion_tokens);
        rows.extend([("requests".to_owned(), requests), ("the teacher's tokens".to_owned(), tokens)]);
    }
    let rows: Vec<_> = rows.iter().map(|(name, value)| (&**name, value.clone())).collect();
    format!("{table}\n{}", aligned(&rows, width(&stdout(), false)))
}

/// A line of the table of lengths.
fn row(name: String, lengths: &Lengths) -> Vec<String> {
    let spread = lengths.spread().map_or(["-".to_owned(), "-".to_owned(), "-".to_owned()], |spread| {
        spread.map(|length| length.to_string())
    });
    let [min, median, max] = spread;
    vec![name, lengths.count().to_string(), min, median, max, lengths.total().to_string()]
}
