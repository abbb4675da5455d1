//! An exercise as text for a model that nobody taught zoomr's markers: the question, what is asked for, and worked
//! examples before it.
//!
//! In a chat each of these is a turn. In plain text they are blocks, which a model that goes on writing goes on with:
//!
//! ```text
//! Question: What is 2 + 2?
//! Answer: 2 + 2 = 4. The final answer is \boxed{4}.
//!
//! Question: What is 3 + 3?
//! Answer:
//! ```

use super::{Shots, ShotsError};
use crate::{
    data::{
        example::Example,
        exercise::{Exercise, Form},
    },
    grade,
    text::chat::Message,
};

/// What is asked for after a question that others have published.
pub const REQUEST: &str = "Reason step by step, and give the final answer in \\boxed{}.";

/// What begins the next block, where a model goes on after its answer.
pub(super) const NEXT_BLOCK: &str = "\nQuestion:";

/// What surrounds a question.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prompt<'a> {
    /// What follows each question; where nothing is given, [`REQUEST`] follows those that others have published.
    pub request: Option<&'a str>,
    /// Worked examples that go before it.
    pub shots: Option<&'a Shots>,
}

impl Prompt<'_> {
    /// A question as the last turn of a conversation.
    ///
    /// # Errors
    /// [`ShotsError::FewOthers`].
    pub(super) fn chat(&self, exercise: &Exercise) -> Result<Vec<Message>, ShotsError> {
        let shots = self.before(exercise)?.into_iter();
        let turns = shots
            .flat_map(|shot| [Message::user(self.asked(shot)), Message::assistant(worked(&shot.example))]);
        Ok(turns.chain([Message::user(self.asked(exercise))]).collect())
    }

    /// A question as the beginning of a text; and whether it comes in blocks.
    ///
    /// # Errors
    /// [`ShotsError::FewOthers`].
    pub(super) fn plain(&self, exercise: &Exercise) -> Result<(String, bool), ShotsError> {
        let shots = self.before(exercise)?;
        if exercise.form == Form::Zoomr && shots.is_empty() {
            return Ok((self.asked(exercise), false));
        }
        let shown = shots
            .into_iter()
            .map(|shot| format!("Question: {}\nAnswer: {}\n\n", self.asked(shot), worked(&shot.example)));
        let question = format!("Question: {}\nAnswer:", self.asked(exercise));
        Ok((shown.chain([question]).collect(), true))
    }

    fn before(&self, exercise: &Exercise) -> Result<Vec<&Exercise>, ShotsError> {
        self.shots.map_or(Ok(Vec::new()), |shots| shots.before(exercise))
    }

    fn asked(&self, exercise: &Exercise) -> String {
        let question = &exercise.example.question;
        let usual = if exercise.form == Form::Published { REQUEST } else { "" };
        match self.request.unwrap_or(usual) {
            "" => question.clone(),
            request => format!("{question}\n{request}"),
        }
    }
}

/// The way to an example's answer, and the answer in a box.
fn worked(example: &Example) -> String {
    let details: Vec<&str> = example.thoughts.iter().map(|thought| thought.detail.trim()).collect();
    let way = details.join("\n\n");
    if grade::boxed(&way).is_some_and(|given| grade::same(given, &example.answer)) {
        return way;
    }
    let answer = format!("The final answer is \\boxed{{{}}}.", example.answer);
    if way.is_empty() { answer } else { format!("{way}\n{answer}") }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;

    fn exercise(line: Value) -> Exercise {
        serde_json::from_value(line).unwrap()
    }

    fn asked() -> Exercise {
        exercise(json!({"question": "How many legs have 2 ducks?", "answer": "2 * 2 = <<2*2=4>>4\n#### 4"}))
    }

    /// Worked examples of all forms: the first asks what [`asked`] asks.
    fn shots(count: usize) -> Shots {
        let lines = [
            json!({"problem": "How many legs  have 2 ducks?", "answer": 4}),
            json!({"question": "Legs of 3 hens?", "answer": "3 * 2 = <<3*2=6>>6\n#### 6"}),
            json!({"problem": "Legs of 1 cow?", "solution": "It has $\\boxed{4.0}$ legs.", "answer": "4"}),
            json!({"question": "1 + 2", "thoughts": [{"detail": "one", "summary": "s"}, {"detail": "two", "summary": "s"}], "answer": "3"}),
            json!({"problem": "1 + 3", "answer": "4"}),
        ];
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shots.jsonl");
        fs::write(&path, lines.map(|line| line.to_string()).join("\n")).unwrap();
        Shots::read(&path, count).unwrap()
    }

    #[test]
    fn in_a_chat_examples_are_turns_before_the_question() {
        let shots = shots(4);
        let turns = Prompt { request: None, shots: Some(&shots) }.chat(&asked()).unwrap();
        let said: Vec<(&str, &str)> = turns.iter().map(|turn| (&*turn.role, &*turn.content)).collect();
        let request = |question: &str| format!("{question}\n{REQUEST}");
        assert_eq!(
            said,
            [
                ("user", &*request("Legs of 3 hens?")),
                ("assistant", "3 * 2 = 6\nThe final answer is \\boxed{6}."),
                ("user", &*request("Legs of 1 cow?")),
                // It gives its answer in a box already.
                ("assistant", "It has $\\boxed{4.0}$ legs."),
                // Our own questions say all there is to say.
                ("user", "1 + 2"),
                ("assistant", "one\n\ntwo\nThe final answer is \\boxed{3}."),
                ("user", &*request("1 + 3")),
                ("assistant", "The final answer is \\boxed{4}."),
                ("user", &*request("How many legs have 2 ducks?")),
            ]
        );
    }

    #[test]
    fn in_plain_text_they_are_blocks() {
        let shots = shots(2);
        let prompt = Prompt { request: Some(""), shots: Some(&shots) };
        let text = "Question: Legs of 3 hens?\nAnswer: 3 * 2 = 6\nThe final answer is \\boxed{6}.\n\n\
                    Question: Legs of 1 cow?\nAnswer: It has $\\boxed{4.0}$ legs.\n\n\
                    Question: How many legs have 2 ducks?\nAnswer:";
        assert_eq!(prompt.plain(&asked()).unwrap(), (text.to_owned(), true));
        assert!(text.contains(NEXT_BLOCK), "a text that goes on is known to");
        let bare = format!("Question: How many legs have 2 ducks?\n{REQUEST}\nAnswer:");
        assert_eq!(Prompt::default().plain(&asked()).unwrap(), (bare, true));
    }

    #[test]
    fn our_own_questions_stand_alone() {
        let own = exercise(json!({"question": "1 + 2", "thoughts": [], "answer": "3"}));
        assert_eq!(Prompt::default().plain(&own).unwrap(), ("1 + 2".to_owned(), false));
        assert_eq!(Prompt::default().chat(&own).unwrap(), [Message::user("1 + 2")]);
        let prompt = Prompt { request: Some("Be brief."), shots: None };
        assert_eq!(prompt.plain(&own).unwrap(), ("1 + 2\nBe brief.".to_owned(), false));
    }

    #[test]
    fn the_problem_itself_is_no_example_of_it() {
        let all = shots(5);
        let other = exercise(json!({"problem": "1 + 4", "answer": 5}));
        let prompt = Prompt { request: None, shots: Some(&all) };
        assert_eq!(prompt.chat(&other).unwrap().len(), 11);
        let error = prompt.chat(&asked()).unwrap_err().to_string();
        assert!(
            error.contains("shots.jsonl has 4 worked examples besides this very problem, and 5"),
            "{error}"
        );
        assert_eq!(Prompt { request: None, shots: Some(&shots(0)) }.chat(&asked()).unwrap().len(), 1);
    }
}
