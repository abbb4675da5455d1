//! Answers from a question's text alone: for problems that a person types, and for grading.
//!
//! Nothing here is shared with the generators but the vocabulary, and where there are two ways to an answer, this is
//! the other one: tests hold the two against each other. A question that is not well formed is refused with the word
//! that is wrong and what should stand there; every question that is accepted consists of words of the vocabulary.

mod lagged_sums;
mod ledger;
mod program_trace;
mod words;

pub use self::words::ParseError;
use self::words::Words;
use super::Kind;

/// What a question comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
    /// The kind of problem.
    pub kind: Kind,
    /// The answer, as a model should write it.
    pub answer: String,
}

/// Solves a problem of any kind; white space between words is free.
///
/// ```
/// use zoomr_model::data::synth::solve::solve;
///
/// let solution = solve("lagged sums mod 10 : t7 5 t8 6 rule t9 = t8 + t7 until t12 ; find t10 ?")?;
/// assert_eq!(solution.answer, "t10 7"); // t9 = 6 + 5 = 1, t10 = 1 + 6
///
/// let error = solve("lagged sums mod 10 : t7 5 t9 6 rule").unwrap_err();
/// assert_eq!(error.to_string(), "word 8 is `t9`; expected t8, the name after t7, or `rule`");
/// # Ok::<(), zoomr_model::data::synth::solve::ParseError>(())
/// ```
///
/// # Errors
/// [`ParseError`] where the text is not a well-formed question.
pub fn solve(question: &str) -> Result<Solution, ParseError> {
    let mut words = Words::new(question);
    let (kind, solved) = match words.peek() {
        Some("lagged") => (Kind::LaggedSums, lagged_sums::solve(&mut words)),
        Some("ledger") => (Kind::Ledger, ledger::solve(&mut words)),
        Some("program") => (Kind::ProgramTrace, program_trace::solve(&mut words)),
        _ => return Err(words.expected("`lagged`, `ledger` or `program`: the kind of problem")),
    };
    let answer = solved?;
    words.end()?;
    Ok(Solution { kind, answer })
}

/// What is wanted, one after the other.
fn answers(wanted: &[usize], answer: impl Fn(usize) -> String) -> String {
    wanted.iter().map(|&wanted| answer(wanted)).collect::<Vec<_>>().join(" ")
}
