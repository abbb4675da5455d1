//! What `needle` prints: a row for each setting, and each against the first.

use std::io::stdout;

use anyhow::Result;
use serde::Serialize;
use zoomr_model::eval::needle::{Needle, NeedleRow, Sought};

use super::NeedleArgs;
use crate::output::{
    print as print_text, print_json,
    table::{columns_within, width},
};

/// What came of all needles under a setting.
pub(super) struct Searched {
    pub(super) row: NeedleRow,
    /// For each needle.
    pub(super) sought: Vec<Sought>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Json<'a> {
    needles: &'a [Needle],
    settings: Vec<Compared<'a>>,
}

/// A setting against the first.
#[derive(Serialize)]
struct Compared<'a> {
    #[serde(flatten)]
    row: &'a NeedleRow,
    /// How much likelier the value is than under the first setting, in nats per token.
    logprob_per_token_difference: f64,
    /// What came of each needle.
    needles: &'a [Sought],
}

/// Prints what came of the settings.
///
/// # Errors
/// Where standard output is closed or full.
pub(super) fn print(args: &NeedleArgs, needles: &[Needle], searched: &[Searched]) -> Result<()> {
    let settings = compared(searched);
    match args.json {
        true => print_json(&Json { needles, settings }),
        false => print_text(&table(&settings, width(&stdout(), args.wide))),
    }
}

fn compared(searched: &[Searched]) -> Vec<Compared<'_>> {
    let first = searched.first().map_or(0.0, |searched| searched.row.logprob_per_token);
    let compared = searched.iter().map(|Searched { row, sought }| Compared {
        row,
        logprob_per_token_difference: row.logprob_per_token - first,
        needles: sought,
    });
    compared.collect()
}

/// A row for each setting.
fn table(settings: &[Compared<'_>], width: Option<usize>) -> String {
    let headings = [
        "setting",
        "needles",
        "found",
        "95% interval",
        "exact",
        "log-prob",
        "per token",
        "to the first",
        "attended",
        "times fewer",
    ];
    let spare = ["95% interval", "log-prob", "needles", "attended", "to the first", "per token"];
    let share = |share: f64| format!("{:.1}%", 100.0 * share);
    let row = |compared: &Compared<'_>| {
        let NeedleRow { found_95: (low, high), .. } = compared.row;
        let row = compared.row;
        vec![
            row.setting.clone(),
            compared.needles.len().to_string(),
            share(row.found),
            format!("{:.1}..{:.1}", 100.0 * low, 100.0 * high),
            share(row.exact),
            format!("{:.3}", row.logprob),
            format!("{:.3}", row.logprob_per_token),
            format!("{:+.3}", compared.logprob_per_token_difference),
            format!("{:.0}", row.attended_tokens),
            format!("{:.1}x", row.attended_times_fewer),
        ]
    };
    columns_within(&headings, &settings.iter().map(row).collect::<Vec<_>>(), &spare, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_this() {
        let full = NeedleRow {
            setting: "full".into(),
            policy: "full",
            found: 0.95,
            found_95: (0.764, 0.991),
            exact: 0.9,
            logprob: -0.5,
            logprob_per_token: -0.0625,
            attended_tokens: 2060.0,
            attended_times_fewer: 1.0,
        };
        let window = NeedleRow {
            setting: "window:sinks=32,window=226".into(),
            policy: "window",
            found: 0.25,
            found_95: (0.112, 0.469),
            logprob: -16.0,
            logprob_per_token: -2.0,
            attended_tokens: 258.0,
            attended_times_fewer: 7.98,
            ..full.clone()
        };
        let sought = Sought {
            found: true,
            exact: true,
            logprob: -0.5,
            logprob_per_token: -0.0625,
            distractors: vec![-1.0; 3],
            attended_tokens: 2060.0,
            causal_tokens: 2060.0,
        };
        let searched = [full, window].map(|row| Searched { row, sought: vec![sought.clone(); 20] });
        insta::assert_snapshot!(table(&compared(&searched), None));
        insta::assert_snapshot!("in_80_columns", table(&compared(&searched), Some(80)));
    }
}
