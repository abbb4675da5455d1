//! The table: a line for each run as it is done, what differs below it, and the sum at the end.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use super::{class::Class, differ::Difference};

/// Columns for a run's name; longer names push the rest to the right.
const NAME: usize = 66;

/// What has been found so far.
pub(super) struct Report {
    /// Classes that may differ.
    allow: Vec<Class>,
    identical: usize,
    /// Runs that differ, but only in what may.
    allowed: usize,
    differ: Vec<String>,
    /// Runs that differ in each class, whether or not they may.
    by_class: BTreeMap<Class, usize>,
    /// Of the old binary, and of the new one.
    took: [Duration; 2],
}

impl Report {
    /// Begins the table for so many `runs`.
    pub(super) fn new(allow: Vec<Class>, runs: usize) -> Self {
        println!("{:<NAME$} {:>5} {:>5} s  differs in", counted(runs), "old", "new");
        let (differ, by_class) = (Vec::new(), BTreeMap::new());
        Self { allow, identical: 0, allowed: 0, differ, by_class, took: [Duration::ZERO; 2] }
    }

    /// A line that is no run.
    pub(super) fn note(&self, line: &str) {
        println!("{line}");
    }

    /// Adds a run: the differences that were found, and how long both binaries took.
    pub(super) fn add(&mut self, name: &str, found: &BTreeMap<Class, Difference>, took: [Duration; 2]) {
        let [old, new] = took.map(|time| time.as_secs_f64());
        println!("{name:<NAME$} {old:5.1} {new:5.1}    {}", self.verdict(found));
        for line in found.iter().flat_map(|(class, difference)| lines(*class, difference)) {
            println!("    {line}");
        }
        for (total, time) in self.took.iter_mut().zip(took) {
            *total += time;
        }
        found.keys().for_each(|class| *self.by_class.entry(*class).or_default() += 1);
        match found.keys().all(|class| self.allow.contains(class)) {
            true if found.is_empty() => self.identical += 1,
            true => self.allowed += 1,
            false => self.differ.push(name.to_owned()),
        }
    }

    /// The classes that differ; in brackets, those that may.
    fn verdict(&self, found: &BTreeMap<Class, Difference>) -> String {
        let name = |class: &Class| match self.allow.contains(class) {
            true => format!("({})", class.name()),
            false => class.name().to_owned(),
        };
        let names: Vec<_> = found.keys().map(name).collect();
        if names.is_empty() { "-".to_owned() } else { names.join(" ") }
    }

    /// Prints the sum and gives the exit code.
    pub(super) fn finish(self) -> ExitCode {
        let [old, new] = self.took.map(|time| time.as_secs_f64());
        println!();
        self.differ.iter().for_each(|name| println!("DIFFERS: {name}"));
        for (class, runs) in &self.by_class {
            println!("{} differ in {}", counted(*runs), class.name());
        }
        println!(
            "{} identical, {} differ as allowed, {} differ; {old:.0} s old, {new:.0} s new",
            counted(self.identical),
            self.allowed,
            self.differ.len()
        );
        if self.differ.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn counted(runs: usize) -> String {
    if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") }
}

/// What differs, in lines of a terminal.
fn lines(class: Class, difference: &Difference) -> Vec<String> {
    let Difference { path, values: [old, new], places, largest } = difference;
    let mut rest = format!("{old} -> {new}");
    if *places > 1 {
        rest += &format!(", and {} more", places - 1);
    }
    if *largest > 0.0 {
        rest += &format!(", by at most {largest:.3e}");
    }
    vec![format!("{}: {path}", class.name()), format!("    {rest}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(classes: &[Class]) -> BTreeMap<Class, Difference> {
        let difference = Difference {
            path: "trace[4].bytes.window".to_owned(),
            values: ["64".to_owned(), "32".to_owned()],
            places: 3,
            largest: 48.0,
        };
        classes.iter().map(|class| (*class, difference.clone())).collect()
    }

    fn counts(allow: &[Class], classes: &[Class]) -> (usize, usize, usize) {
        let mut report = Report::new(allow.to_vec(), 1);
        report.add("a run", &found(classes), [Duration::ZERO; 2]);
        (report.identical, report.allowed, report.differ.len())
    }

    #[test]
    fn only_what_is_allowed_may_differ() {
        assert_eq!(counts(&[], &[]), (1, 0, 0));
        assert_eq!(counts(&[Class::Bytes], &[Class::Bytes]), (0, 1, 0));
        assert_eq!(counts(&[Class::Bytes], &[Class::Bytes, Class::Votes]), (0, 0, 1));
        assert_eq!(counts(&[], &[Class::Moved]), (0, 0, 1));
    }

    #[test]
    fn the_exit_code_tells() {
        let finish = |classes: &[Class]| {
            let mut report = Report::new(vec![Class::Moved], 1);
            report.add("a run", &found(classes), [Duration::ZERO; 2]);
            format!("{:?}", report.finish())
        };
        assert_eq!(finish(&[Class::Moved]), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(finish(&[Class::Text]), format!("{:?}", ExitCode::FAILURE));
    }

    #[test]
    fn differences_read_like_this() {
        let report = Report::new(vec![Class::Bytes], 1);
        assert_eq!(report.verdict(&found(&[Class::Votes, Class::Bytes])), "votes (bytes)");
        let line = lines(Class::Bytes, &found(&[Class::Bytes])[&Class::Bytes]).join("|");
        assert_eq!(line, "bytes: trace[4].bytes.window|    64 -> 32, and 2 more, by at most 4.800e1");
    }
}
