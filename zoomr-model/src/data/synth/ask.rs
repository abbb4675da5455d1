//! Problems that ask for several values: `find t16 t30 ?`, and the answer `t16 0 t17 4 t30 8`.
//!
//! A problem asks for one value, which is what it takes to grade it. One answer in thousands of tokens teaches little
//! about looking things up that are long gone; the same reasoning answers other questions, too.

use super::{SynthError, draw::Draw, solve::solve};
use crate::data::example::Example;

/// What stands before what is asked for, and after it.
const FIND: (&str, &str) = (" ; find ", " ?");

/// The same problem, which asks for up to `count` values more, other ones, in random order after its own.
///
/// # Errors
/// [`SynthError::Question`] where it is not a problem of the kinds made here.
pub fn more(example: Example, count: usize, draw: &mut Draw) -> Result<Example, SynthError> {
    let refuse = |reason: String| SynthError::Question { question: example.question.clone(), reason };
    let asked = example.question.split_once(FIND.0).and_then(|(given, asked)| {
        let own = asked.strip_suffix(FIND.1)?;
        let until = given.rsplit_once('t')?.1.parse::<usize>().ok()?;
        Some((given, own, until))
    });
    let (given, own, until) = asked.ok_or_else(|| refuse("it does not end as they do".into()))?;
    let question = |wanted: &str| format!("{given}{}{wanted}{}", FIND.0, FIND.1);
    // Not every label is of something that can be asked for.
    let mut labels: Vec<String> = (0..=until).map(|number| format!("t{number}")).collect();
    draw.shuffle(&mut labels);
    let others = labels.into_iter().filter(|label| label != own && solve(&question(label)).is_ok());
    let wanted: Vec<String> = [own.to_owned()].into_iter().chain(others.take(count)).collect();
    let question = question(&wanted.join(" "));
    let answer = solve(&question).map_err(|error| refuse(error.to_string()))?.answer;
    Ok(Example { question, answer, ..example })
}
