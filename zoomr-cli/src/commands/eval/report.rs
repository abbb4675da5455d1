//! What an evaluation leaves: a table or JSON on standard output, a CSV file, a picture.

use std::path::PathBuf;

use anyhow::{Context, Error, Result};
use clap::Args;
use serde::Serialize;
use zoomr_model::eval::{Row, plot};

use crate::output::{print, print_json, table::columns, whole::WholeFile};

/// Where results go.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Print one JSON object instead of the table.
    #[arg(long)]
    json: bool,

    /// Also write the table to this file, as comma-separated values.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Also draw accuracy against resident memory, one line per policy, into this file (SVG).
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

/// The files, begun before anything is computed, so that a path that is no good is known then.
pub(super) struct Report {
    json: bool,
    csv: Option<WholeFile>,
    plot: Option<WholeFile>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Json<'a> {
    rows: &'a [Row],
}

impl ReportArgs {
    /// Begins the files.
    ///
    /// # Errors
    /// Where one cannot be written; names the flag.
    pub(super) fn begin(&self) -> Result<Report> {
        let begin = |flag, path: &Option<PathBuf>| {
            path.as_ref().map(|path| WholeFile::create(flag, path)).transpose()
        };
        Ok(Report { json: self.json, csv: begin("csv", &self.csv)?, plot: begin("plot", &self.plot)? })
    }
}

impl Report {
    /// Where the unfinished files are.
    pub(super) fn unfinished(&self) -> Vec<PathBuf> {
        self.csv.iter().chain(&self.plot).filter_map(WholeFile::unfinished).collect()
    }

    /// Writes everything.
    ///
    /// # Errors
    /// Where something cannot be written, or the picture cannot be drawn.
    pub(super) fn finish(self, rows: &[Row]) -> Result<()> {
        if let Some(mut file) = self.csv {
            file.write(csv(rows).as_bytes())?;
            file.finish()?;
        }
        if let Some(mut file) = self.plot {
            let drawn = plot(&together(rows)).map_err(Error::msg).context("--plot")?;
            file.write(drawn.unwrap_or_default().as_bytes())?;
            file.finish()?;
        }
        if self.json { print_json(&Json { rows }) } else { print(&table(rows)) }
    }
}

/// The rows that are about all kinds of problems.
fn together(rows: &[Row]) -> Vec<&Row> {
    let several = rows.iter().any(|row| row.kind.is_none());
    rows.iter().filter(|row| row.kind.is_none() || !several).collect()
}

/// The table for people.
fn table(rows: &[Row]) -> String {
    let headings = [
        "setting",
        "problems",
        "count",
        "accuracy",
        "95% interval",
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
    let line = |row: &Row| {
        let (low, high) = row.accuracy_95;
        let share =
            |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{:.1}%", 100.0 * share));
        vec![
            row.setting.clone(),
            kind(row).to_owned(),
            row.problems.to_string(),
            format!("{:.1}%", 100.0 * row.accuracy),
            format!("{:.1}..{:.1}", 100.0 * low, 100.0 * high),
            row.unfinished.to_string(),
            format!("{:.0}", row.output_tokens),
            format!("{:.1}", row.resident_peak / f64::from(1 << 10)),
            format!("{:.1}", row.resident_peak_max as f64 / f64::from(1 << 10)),
            format!("{:.0}", row.resident_area / f64::from(1 << 20)),
            format!("{:.2}x", row.reduction_of_device),
            format!("{:.2}x", row.reduction_of_total),
            format!("{:.0}", row.tokens_per_second),
            share(row.hit_rate),
            share(row.missed_mass),
        ]
    };
    columns(&headings, &rows.iter().map(line).collect::<Vec<_>>())
}

/// A row's problems, for people and spreadsheets.
fn kind(row: &Row) -> &str {
    row.kind.as_deref().unwrap_or("all")
}

/// All rows as comma-separated values (RFC 4180) below a line of names; bytes, seconds and shares as they are.
fn csv(rows: &[Row]) -> String {
    let optional = |number: Option<f64>| number.map_or(String::new(), |number| number.to_string());
    let cells = |row: &Row| {
        [
            ("problems", quoted(kind(row))),
            ("setting", quoted(&row.setting)),
            ("policy", row.policy.to_owned()),
            ("count", row.problems.to_string()),
            ("correct", row.correct.to_string()),
            ("accuracy", row.accuracy.to_string()),
            ("accuracy_95_low", row.accuracy_95.0.to_string()),
            ("accuracy_95_high", row.accuracy_95.1.to_string()),
            ("unfinished", row.unfinished.to_string()),
            ("output_tokens", row.output_tokens.to_string()),
            ("resident_peak", row.resident_peak.to_string()),
            ("resident_peak_max", row.resident_peak_max.to_string()),
            ("resident_area", row.resident_area.to_string()),
            ("full_bytes", row.full_bytes.to_string()),
            ("reduction_of_device", row.reduction_of_device.to_string()),
            ("reduction_of_total", row.reduction_of_total.to_string()),
            ("tokens_per_second", row.tokens_per_second.to_string()),
            ("hit_rate", optional(row.hit_rate)),
            ("missed_mass", optional(row.missed_mass)),
            ("missed_mass_problems", row.missed_mass_problems.to_string()),
        ]
    };
    let lines: Vec<_> = rows.iter().map(cells).collect();
    let names = lines.first().map(|cells| cells.each_ref().map(|(name, _)| (*name).to_owned()));
    let values = lines.iter().map(|cells| cells.each_ref().map(|(_, value)| value.clone()));
    names.into_iter().chain(values).map(|line| line.join(",") + "\r\n").collect()
}

/// A text as it stands in a cell.
fn quoted(text: &str) -> String {
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
            correct: 291,
            accuracy: 0.97,
            accuracy_95: (0.944, 0.984),
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
        insta::assert_snapshot!(table(&rows()));
    }

    #[test]
    fn spreadsheets_read_this() {
        let csv = csv(&rows());
        let lines: Vec<&str> = csv.split("\r\n").collect();
        assert!(lines[0].starts_with("problems,setting,policy,count,correct,accuracy,"), "{csv}");
        assert!(lines[1].starts_with("ledger,\"zoomr:zoom=3,window=64\",zoomr,300,291,0.97,0.944,"), "{csv}");
        assert!(lines[2].starts_with("all,full,") && lines[2].ends_with(",812.5,,,30"), "{csv}");
    }
}
