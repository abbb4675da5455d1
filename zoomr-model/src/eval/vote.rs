//! The majority vote over several answers to one problem (Wang et al., "Self-consistency improves chain of thought
//! reasoning in language models", arXiv 2203.11171).

use crate::grade;

/// Which answer most of them give: the place of the first that gives it. Answers are the same where [`grade::same`] says
/// so, each compared with the first of its kind; none, or an empty one, is a kind of its own. Of kinds that are equally frequent
/// that wins which came first; `None` where there are no answers.
pub fn majority<'a>(answers: impl IntoIterator<Item = Option<&'a str>>) -> Option<usize> {
    let mut kinds: Vec<(usize, Option<&str>, usize)> = Vec::new();
    let answers = answers.into_iter().map(|answer| answer.filter(|answer| !answer.trim().is_empty()));
    for (place, answer) in answers.enumerate() {
        let is_it = |first: Option<&str>| match (first, answer) {
            (Some(first), Some(answer)) => grade::same(answer, first),
            (first, answer) => first == answer,
        };
        match kinds.iter_mut().find(|(_, first, _)| is_it(*first)) {
            Some((_, _, votes)) => *votes += 1,
            None => kinds.push((place, answer, 1)),
        }
    }
    // Of several greatest, the last would be given: so the other way round.
    let most = kinds.into_iter().rev().max_by_key(|(_, _, votes)| *votes);
    most.map(|(place, _, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_votes_win_and_the_first_of_equals() {
        for (answers, winner) in [
            (&[Some("1"), Some("2"), Some("2")][..], Some(1)),
            (&[Some("1"), Some("2"), Some("2"), Some("1")], Some(0)),
            (&[Some("3"), Some("2"), Some("1")], Some(0)),
            (&[], None),
        ] {
            assert_eq!(majority(answers.iter().copied()), winner, "{answers:?}");
        }
    }

    #[test]
    fn one_answer_may_be_spelled_in_many_ways() {
        let spelled = [Some("3"), Some("0.5"), Some("3.0"), Some("\\frac{1}{2}"), Some("1/2")];
        assert_eq!(majority(spelled), Some(1));
        assert_eq!(majority([Some("x"), Some("1,000"), Some("1000"), Some("X")]), Some(0));
    }

    #[test]
    fn no_answer_is_a_kind_of_its_own() {
        assert_eq!(majority([Some("1"), None, None]), Some(1));
        assert_eq!(majority([Some("2"), None, Some("2"), Some(""), Some(" ")]), Some(1));
    }
}
