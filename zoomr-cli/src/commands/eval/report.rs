//! What an evaluation leaves: a table or JSON on standard output, a CSV file, a picture.

use std::{io::stdout, path::PathBuf};

use anyhow::{Context, Error, Result};
use clap::Args;
use serde::Serialize;
use zoomr_model::eval::{Row, plot};

use crate::output::{
    OutFile,
    places::Places,
    print, print_json,
    table::{columns_within, width},
};

/// Where results go.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Print one JSON object instead of the table.
    #[arg(long)]
    json: bool,

    /// Show all columns, whether the terminal has room for them or not.
    #[arg(long)]
    wide: bool,

    /// Also write the table to this file, as comma-separated values.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Also draw accuracy (with --replay, missed attention) against resident memory, one line per policy, into this
    /// file (SVG).
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

/// The files, begun before anything is computed, so that a path that is no good is known then.
pub(super) struct Report {
    json: bool,
    wide: bool,
    csv: Option<OutFile>,
    plot: Option<OutFile>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Json<'a, L> {
    rows: &'a [L],
}

/// A line of results, in all forms.
pub(super) trait Line: Serialize + Sized {
    /// What stands above the table's columns.
    fn headings(lines: &[Self]) -> Vec<&'static str>;

    /// Which of them go first where not all have room.
    const SPARE: &[&str];

    /// The line in the table for people.
    fn cells(&self) -> Vec<String>;

    /// Names and values for spreadsheets; bytes, seconds and shares as they are.
    fn fields(&self) -> Vec<(&'static str, String)>;

    /// All lines as a picture, if there are any.
    ///
    /// # Errors
    /// What the drawing library says.
    fn picture(lines: &[Self]) -> Result<Option<String>, String>;
}

impl ReportArgs {
    /// Begins the files.
    ///
    /// # Errors
    /// Where one cannot be written, or is one of `places` already; names the flag.
    pub(super) fn begin(&self, places: &mut Places) -> Result<Report> {
        let mut begin = |flag, path: &Option<PathBuf>| {
            let Some(path) = path else { return Ok(None) };
            places.output(flag, path)?;
            OutFile::create(flag, path).map(Some)
        };
        let (csv, plot) = (begin("--csv", &self.csv)?, begin("--plot", &self.plot)?);
        Ok(Report { json: self.json, wide: self.wide, csv, plot })
    }
}

impl Report {
    /// Writes everything.
    ///
    /// # Errors
    /// Where something cannot be written, or the picture cannot be drawn.
    pub(super) fn finish<L: Line>(self, rows: &[L]) -> Result<()> {
        if let Some(mut file) = self.csv {
            file.write(csv(rows).as_bytes())?;
            file.finish()?;
        }
        if let Some(mut file) = self.plot {
            let drawn = L::picture(rows).map_err(Error::msg).context("--plot")?;
            file.write(drawn.unwrap_or_default().as_bytes())?;
            file.finish()?;
        }
        if self.json { print_json(&Json { rows }) } else { print(&table(rows, width(&stdout(), self.wide))) }
    }
}

impl Line for Row {
    fn headings(rows: &[Self]) -> Vec<&'static str> {
        let voted = rows.iter().any(|row| row.majority.is_some());
        let right =
            if voted { &["pass@1", "95% interval", "majority"][..] } else { &["accuracy", "95% interval"] };
        let measured = [
            "unfinished",
            "tokens",
            "KV peak, KiB",
            "at most",
            "area, MiB x steps",
            "reduction",
            "offloaded",
            "tokens/s",
            "hits",
            "missed mass",
        ];
        [&["setting", "problems", "count"][..], right, &measured].concat()
    }

    const SPARE: &[&str] = &[
        "area, MiB x steps",
        "at most",
        "offloaded",
        "hits",
        "unfinished",
        "missed mass",
        "tokens",
        "tokens/s",
        "count",
        "KV peak, KiB",
        "95% interval",
    ];

    fn cells(&self) -> Vec<String> {
        let (low, high) = self.accuracy_95;
        let count = match self.samples {
            1 => self.problems.to_string(),
            samples => format!("{} x {samples}", self.problems),
        };
        let mut cells = vec![
            self.setting.clone(),
            kind(self).to_owned(),
            count,
            share(Some(self.accuracy)),
            format!("{:.1}..{:.1}", 100.0 * low, 100.0 * high),
        ];
        cells.extend(self.majority.map(|majority| share(Some(majority))));
        cells.extend([
            self.unfinished.to_string(),
            format!("{:.0}", self.output_tokens),
            kib(self.resident_peak),
            kib(self.resident_peak_max as f64),
            format!("{:.0}", self.resident_area / f64::from(1 << 20)),
            format!("{:.2}x", self.reduction_of_device),
            format!("{:.2}x", self.reduction_of_total),
            format!("{:.0}", self.tokens_per_second),
            share(self.hit_rate),
            share(self.missed_mass),
        ]);
        cells
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("problems", quoted(kind(self))),
            ("setting", quoted(&self.setting)),
            ("policy", self.policy.to_owned()),
            ("count", self.problems.to_string()),
            ("correct", self.correct.to_string()),
            ("accuracy", self.accuracy.to_string()),
            ("accuracy_95_low", self.accuracy_95.0.to_string()),
            ("accuracy_95_high", self.accuracy_95.1.to_string()),
            ("unfinished", self.unfinished.to_string()),
            ("output_tokens", self.output_tokens.to_string()),
            ("resident_peak", self.resident_peak.to_string()),
            ("resident_peak_max", self.resident_peak_max.to_string()),
            ("resident_area", self.resident_area.to_string()),
            ("full_bytes", self.full_bytes.to_string()),
            ("reduction_of_device", self.reduction_of_device.to_string()),
            ("reduction_of_total", self.reduction_of_total.to_string()),
            ("tokens_per_second", self.tokens_per_second.to_string()),
            ("hit_rate", optional(self.hit_rate)),
            ("missed_mass", optional(self.missed_mass)),
            ("missed_mass_problems", self.missed_mass_problems.to_string()),
            ("samples", self.samples.to_string()),
            ("majority", optional(self.majority)),
            ("majority_95_low", optional(self.majority_95.map(|(low, _)| low))),
            ("majority_95_high", optional(self.majority_95.map(|(_, high)| high))),
        ]
    }

    fn picture(rows: &[Self]) -> Result<Option<String>, String> {
        plot(&together(rows))
    }
}

/// The rows that are about all kinds of problems.
fn together(rows: &[Row]) -> Vec<&Row> {
    let several = rows.iter().any(|row| row.kind.is_none());
    rows.iter().filter(|row| row.kind.is_none() || !several).collect()
}

/// A row's problems, for people and spreadsheets.
fn kind(row: &Row) -> &str {
    row.kind.as_deref().unwrap_or("all")
}

/// The table for people, within `width`.
pub(super) fn table<L: Line>(lines: &[L], width: Option<usize>) -> String {
    columns_within(&L::headings(lines), &lines.iter().map(Line::cells).collect::<Vec<_>>(), L::SPARE, width)
}

/// All lines as comma-separated values (RFC 4180) below a line of names.
pub(super) fn csv<L: Line>(lines: &[L]) -> String {
    let lines: Vec<_> = lines.iter().map(Line::fields).collect();
    let names = lines.first().map(|fields| fields.iter().map(|(name, _)| (*name).to_owned()).collect());
    let values = lines.iter().map(|fields| fields.iter().map(|(_, value)| value.clone()).collect());
    names.into_iter().chain(values).map(|line: Vec<String>| line.join(",") + "\r\n").collect()
}

/// Bytes in KiB, for people.
pub(super) fn kib(bytes: f64) -> String {
    format!("{:.1}", bytes / f64::from(1 << 10))
}

/// A share for people, if it is known.
pub(super) fn share(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.1}%", 100.0 * share))
}

/// A number for spreadsheets, if it is known.
pub(super) fn optional(number: Option<f64>) -> String {
    number.map_or(String::new(), |number| number.to_string())
}

/// A text as it stands in a cell.
pub(super) fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = Row {
            kind: Some("ledger".into()),
            setting: "zoomr:zoom=3,window=64".into(),
            policy: "zoomr",
            problems: 300,
            samples: 1,
            correct: 291,
            accuracy: 0.97,
            accuracy_95: (0.944, 0.984),
            majority: None,
            majority_95: None,
            unfinished: 2,
            output_tokens: 1803.25,
            resident_peak: 262_144.0,
            resident_peak_max: 524_288,
            resident_area: 5e8,
            full_bytes: 2_621_440.0,
            reduction_of_device: 10.0,
            reduction_of_total: 0.875,
            tokens_per_second: 812.5,
            hit_rate: Some(0.9),
            missed_mass: Some(0.125),
            missed_mass_problems: 30,
        };
        let full =
            Row { kind: None, setting: "full".into(), hit_rate: None, missed_mass: None, ..row.clone() };
        vec![row, full]
    }

    #[test]
    fn reads_like_this() {
        insta::assert_snapshot!(table(&rows(), None));
        insta::assert_snapshot!("in_80_columns", table(&rows(), Some(80)));
    }

    #[test]
    fn several_texts_are_told_from_one() {
        let mut rows = rows();
        for row in &mut rows {
            (row.samples, row.majority, row.majority_95) = (4, Some(0.985), Some((0.96, 0.995)));
        }
        insta::assert_snapshot!("several_texts", table(&rows, None));
        insta::assert_snapshot!("several_texts_in_80_columns", table(&rows, Some(80)));
        assert!(csv(&rows).contains(",812.5,,,30,4,0.985,0.96,0.995\r\n"), "{}", csv(&rows));
    }

    #[test]
    fn spreadsheets_read_this() {
        let csv = csv(&rows());
        let lines: Vec<&str> = csv.split("\r\n").collect();
        assert!(lines[0].starts_with("problems,setting,policy,count,correct,accuracy,"), "{csv}");
        assert!(lines[1].starts_with("ledger,\"zoomr:zoom=3,window=64\",zoomr,300,291,0.97,0.944,"), "{csv}");
        assert!(lines[2].starts_with("all,full,") && lines[2].ends_with(",812.5,,,30,1,,,"), "{csv}");
    }
}
