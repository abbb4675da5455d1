//! What a set of data is like, by kind: how many examples, how long, how much of a thought its summary takes.

use crate::output::table::columns;

/// The statistics of examples of one kind.
#[derive(Clone, Debug)]
pub(super) struct Statistics {
    name: String,
    /// Tokens of each example.
    tokens: Vec<usize>,
    thoughts: usize,
    detail: usize,
    summary: usize,
}

impl Statistics {
    /// The statistics of no examples.
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), tokens: Vec::new(), thoughts: 0, detail: 0, summary: 0 }
    }

    /// Adds an example of so many tokens; `thoughts` are the tokens of each detail and its summary.
    pub(super) fn add(&mut self, tokens: usize, thoughts: impl IntoIterator<Item = (usize, usize)>) {
        self.tokens.push(tokens);
        for (detail, summary) in thoughts {
            self.thoughts += 1;
            self.detail += detail;
            self.summary += summary;
        }
    }

    /// A line of the table.
    fn row(&self) -> Vec<String> {
        let mut tokens = self.tokens.clone();
        tokens.sort_unstable();
        let at = |place: usize| tokens.get(place).map_or("-".to_owned(), ToString::to_string);
        let ratio = if self.detail > 0 { self.summary as f64 / self.detail as f64 } else { 0.0 };
        vec![
            self.name.clone(),
            tokens.len().to_string(),
            at(0),
            at(tokens.len() / 2),
            at(tokens.len().wrapping_sub(1)),
            tokens.iter().sum::<usize>().to_string(),
            self.thoughts.to_string(),
            format!("{ratio:.3}"),
        ]
    }
}

/// The table for people.
pub(super) fn table(statistics: &[Statistics]) -> String {
    let headings =
        ["kind", "examples", "tokens min", "median", "max", "all", "thoughts", "summary : thought"];
    columns(&headings, &statistics.iter().map(Statistics::row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_this() {
        let mut ledger = Statistics::new("ledger");
        ledger.add(500, [(36, 5), (38, 5)]);
        ledger.add(300, [(36, 5)]);
        ledger.add(900, []);
        insta::assert_snapshot!(table(&[ledger, Statistics::new("lagged-sums")]));
    }
}
