//! Tables for people, cut to fit a terminal: rows of a name and a value, and columns under headings.

use std::{env, io::IsTerminal};

use console::{Term, measure_text_width, truncate_str};

use super::wrap::Wrap;

/// The least that a name or a value is shortened to, in columns of the terminal.
const LEAST: usize = 12;

/// The columns of the terminal that `stream` writes to, or of `COLUMNS`; `None` where tables need not fit: with `wide`, or
/// where it is no terminal.
pub(crate) fn width(stream: &impl IsTerminal, wide: bool) -> Option<usize> {
    if wide || !stream.is_terminal() {
        return None;
    }
    let said = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    Some(said.filter(|&columns| columns > 0).unwrap_or_else(|| usize::from(Term::stderr().size().1)))
}

/// Rows of a name and a value, the values below each other; long ones go on below themselves where `width` is given.
pub(crate) fn aligned(rows: &[(&str, String)], width: Option<usize>) -> String {
    let names = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let value = |value: &str| match width {
        Some(width) => wrapped(value, width.saturating_sub(names + 2).max(LEAST)),
        None => vec![value.to_owned()],
    };
    let indent = format!("\n{:names$}  ", "");
    rows.iter().map(|(name, text)| format!("{name:names$}  {}\n", value(text).join(&indent))).collect()
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut wrap = Wrap::new(width, false);
    let mut lines = wrap.push(text, false);
    lines.extend(wrap.finish());
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

/// A table with headings: the first column to the left, numbers to the right.
pub(crate) fn columns(headings: &[&str], rows: &[Vec<String>]) -> String {
    let widths = widths(headings, rows);
    let headings: Vec<String> = headings.iter().map(ToString::to_string).collect();
    let cell = |(column, cell): (usize, &String)| {
        let gap = widths[column].saturating_sub(measure_text_width(cell));
        if column == 0 { format!("{cell}{:gap$}", "") } else { format!("  {:gap$}{cell}", "") }
    };
    let line =
        |line: &Vec<String>| line.iter().enumerate().map(cell).collect::<String>().trim_end().to_owned();
    std::iter::once(&headings).chain(rows).map(|cells| line(cells) + "\n").collect()
}

/// As [`columns`], within `width`: columns that do not fit are left out, those of `spare` in its order, which a line below
/// the table says; then what stands in the first column is shortened.
pub(crate) fn columns_within(
    headings: &[&str],
    rows: &[Vec<String>],
    spare: &[&str],
    width: Option<usize>,
) -> String {
    let Some(width) = width else { return columns(headings, rows) };
    let kept = kept(headings, rows, spare, width);
    fn of<T: Clone>(kept: &[bool], cells: &[T]) -> Vec<T> {
        cells.iter().zip(kept).filter(|(_, kept)| **kept).map(|(cell, _)| cell.clone()).collect()
    }
    let shown = of(&kept, headings);
    let mut rows: Vec<Vec<String>> = rows.iter().map(|row| of(&kept, row)).collect();
    let over = taken(&widths(&shown, &rows)).saturating_sub(width);
    if over > 0 {
        let first = rows.iter().map(|row| measure_text_width(&row[0])).max().unwrap_or(0);
        let room = first.saturating_sub(over).max(LEAST);
        rows.iter_mut().for_each(|row| row[0] = truncate_str(&row[0], room, "…").into_owned());
    }
    let table = columns(&shown, &rows);
    let left_out: Vec<&str> = headings.iter().copied().filter(|heading| !shown.contains(heading)).collect();
    if left_out.is_empty() {
        return table;
    }
    let note = format!("left out: {} (--wide shows all)", left_out.join("; "));
    table + &wrapped(&note, width).join("\n") + "\n"
}

/// Which columns fit into `width`: without as many of `spare`, in its order, as that takes.
fn kept(headings: &[&str], rows: &[Vec<String>], spare: &[&str], width: usize) -> Vec<bool> {
    let widths = widths(headings, rows);
    let mut kept = vec![true; headings.len()];
    let fits = |kept: &[bool]| {
        let shown: Vec<usize> = widths.iter().zip(kept).filter(|(_, kept)| **kept).map(|(w, _)| *w).collect();
        taken(&shown) <= width
    };
    let place = |name: &&str| headings.iter().position(|heading| heading == name);
    let spare: Vec<usize> = spare.iter().filter_map(place).collect();
    for &column in &spare {
        kept[column] &= fits(&kept);
    }
    // A wide column that went may have left room for narrow ones that went before it.
    for &column in spare.iter().rev() {
        let before = kept[column];
        kept[column] = true;
        kept[column] = before || fits(&kept);
    }
    kept
}

/// The columns of the terminal that a table of columns so wide takes.
fn taken(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1)
}

fn widths(headings: &[&str], rows: &[Vec<String>]) -> Vec<usize> {
    let widest = |(column, heading): (usize, &&str)| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| measure_text_width(cell)).fold(measure_text_width(heading), usize::max)
    };
    headings.iter().enumerate().map(widest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        vec![
            row(["zoomr:zoom=3,window=64", "300", "97.0%", "262144.0"]),
            row(["full", "300", "98.0%", "1.0"]),
        ]
    }

    const HEADINGS: [&str; 4] = ["setting", "count", "accuracy", "KV peak, KiB"];

    #[test]
    fn a_table_that_fits_is_whole() {
        let whole = columns(&HEADINGS, &rows());
        let widest = whole.lines().map(|line| line.chars().count()).max().unwrap();
        assert_eq!(columns_within(&HEADINGS, &rows(), &["count"], None), whole);
        assert_eq!(columns_within(&HEADINGS, &rows(), &["count"], Some(widest)), whole);
        assert!(columns_within(&HEADINGS, &rows(), &["count"], Some(widest - 1)).contains("left out: count"));
    }

    #[test]
    fn what_does_not_fit_is_left_out_in_order_and_then_shortened() {
        insta::assert_snapshot!(columns_within(&HEADINGS, &rows(), &["KV peak, KiB", "count"], Some(38)));
        for width in 24..60 {
            let table = columns_within(&HEADINGS, &rows(), &["KV peak, KiB", "count"], Some(width));
            assert!(table.lines().all(|line| measure_text_width(line) <= width), "{width}:\n{table}");
            assert!(table.contains("97.0%") && table.contains("zoomr:zoom"), "{width}:\n{table}");
        }
    }

    #[test]
    fn long_values_go_on_below_themselves() {
        let rows = [("name", "one two three four five".to_owned()), ("a longer name", "six".to_owned())];
        let narrow = aligned(&rows, Some(28));
        assert_eq!(
            narrow,
            "name           one two\n               three four\n               five\na longer name  six\n"
        );
        assert_eq!(aligned(&rows, None).lines().count(), 2);
    }
}
