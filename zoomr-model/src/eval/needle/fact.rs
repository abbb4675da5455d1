//! What is hidden: `To open the quiet lantern, enter quiet lantern 48213.`
//!
//! Everyday words make the key, so that a small model has seen all of them; the value is a number, which nothing but the
//! fact can tell. The key stands right before the value, and so it does in the question: a model that only knows how to
//! go on as it once went on after the same words finds it. Where the same words stand between all keys and values
//! (`The access code of the quiet lantern is 48213.`), SmolLM2-135M mixes them up under full attention.

use crate::data::synth::draw::Draw;

const ADJECTIVES: [&str; 24] = [
    "ancient", "bitter", "brave", "bright", "clever", "crooked", "dusty", "eager", "fancy", "fragile",
    "gentle", "golden", "hidden", "hollow", "humble", "lonely", "modern", "narrow", "polite", "quiet",
    "silver", "stormy", "velvet", "wooden",
];

const NOUNS: [&str; 24] = [
    "anchor", "badger", "balcony", "bridge", "candle", "castle", "compass", "dragon", "falcon", "garden",
    "guitar", "harbor", "hammer", "island", "lantern", "mirror", "orchard", "otter", "pepper", "rocket",
    "saddle", "temple", "violin", "window",
];

/// The least values of five, six and seven digits.
const LEAST: [usize; 3] = [10_000, 100_000, 1_000_000];

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) key: String,
    pub(super) value: String,
}

impl Fact {
    /// Facts that share no word of their keys, with different values of equally many digits.
    pub(super) fn draw(draw: &mut Draw, count: usize) -> Vec<Self> {
        let keys = draw.some_of(&ADJECTIVES, count).into_iter().zip(draw.some_of(&NOUNS, count));
        let keys: Vec<String> = keys.map(|(adjective, noun)| format!("{adjective} {noun}")).collect();
        let least = LEAST[draw.below(LEAST.len())];
        let mut values: Vec<usize> = Vec::new();
        while values.len() < keys.len() {
            let value = draw.within(least..=10 * least - 1);
            if !values.contains(&value) {
                values.push(value);
            }
        }
        keys.into_iter().zip(values).map(|(key, value)| Self { key, value: value.to_string() }).collect()
    }

    /// As it stands in the text.
    pub(super) fn sentence(&self) -> String {
        format!("To open the {key}, enter {key}{}", self.answer(), key = self.key)
    }

    /// What is asked at the end: the same words again.
    pub(super) fn question(&self) -> String {
        format!("\n\nTo open the {key}, enter {key}", key = self.key)
    }

    /// What follows on the question.
    pub(super) fn answer(&self) -> String {
        format!(" {}.", self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_told_apart_by_key_and_value() {
        for index in 0..200 {
            let facts = Fact::draw(&mut Draw::new(3, index), 4);
            let lengths: Vec<usize> = facts.iter().map(|fact| fact.value.len()).collect();
            assert!((5..=7).contains(&lengths[0]) && lengths.iter().all(|length| *length == lengths[0]));
            let mut words: Vec<&str> =
                facts.iter().flat_map(|fact| fact.key.split(' ').chain([&*fact.value])).collect();
            words.sort_unstable();
            words.dedup();
            assert_eq!(words.len(), 12, "{facts:?}");
        }
    }

    #[test]
    fn the_question_ends_where_the_answer_begins() {
        let fact = Fact { key: "quiet lantern".into(), value: "48213".into() };
        assert_eq!(fact.sentence(), "To open the quiet lantern, enter quiet lantern 48213.");
        assert_eq!(fact.question() + &fact.answer(), format!("\n\n{}", fact.sentence()));
    }
}
