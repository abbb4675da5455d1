//! The tokenizer of synthetic problems, as a model directory has it.

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;
use zoomr_model::{
    atomic_file::Existing,
    data::{
        render::{self, Author, Segment},
        synth::vocabulary,
    },
    text::{stream::Utf8Stream, tokenizer::Tokenizer},
};

use super::synth::{example, kinds};

fn directory() -> (TempDir, Tokenizer) {
    let dir = TempDir::new().unwrap();
    vocabulary::write_tokenizer(dir.path(), Existing::Refuse).unwrap();
    let tokenizer = Tokenizer::from_dir(dir.path()).unwrap();
    (dir, tokenizer)
}

#[test]
fn ids_are_places_in_the_list() {
    let (_dir, tokenizer) = directory();
    let words = vocabulary::words();
    assert!(words.len() < 700, "{}", words.len());
    assert_eq!(tokenizer.vocab_size(), words.len());
    for (id, word) in (0..).zip(&words) {
        assert_eq!(tokenizer.id_of(word), Some(id), "{word}");
        assert_eq!(tokenizer.bytes_with_special(id), format!(" {word}").as_bytes());
        let special = vocabulary::SPECIAL.contains(&word.as_str());
        assert_eq!(tokenizer.bytes_of(id).is_empty(), special, "{word}");
    }
    assert_eq!(words[..7].join(" "), "<pad> <eos> <thought> </thought> <summary> </summary> answer");
    assert_eq!(tokenizer.eos(), [1]);
    assert_eq!(tokenizer.bos(), None);
}

#[test]
fn unknown_words_are_named() {
    let (_dir, tokenizer) = directory();
    let message = tokenizer.encode("lagged sums  mod twenty").unwrap_err().to_string();
    assert!(message.contains("no token for `twenty`, word 4"), "{message}");
    assert!(tokenizer.encode("t600").is_err() && tokenizer.encode("11").is_err());
    assert!(tokenizer.encode("<unk>").is_err());
    let long = tokenizer.encode(&"é".repeat(1 << 16)).unwrap_err().to_string();
    assert!(long.len() < 400, "{}", long.len());
    assert!(tokenizer.encode(" \n").unwrap().is_empty());
}

#[test]
fn files_in_the_way_are_left_alone() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("tokenizer_config.json"), "mine").unwrap();
    let message = vocabulary::write_tokenizer(dir.path(), Existing::Refuse).unwrap_err().to_string();
    assert!(message.contains("tokenizer_config.json exists already"), "{message}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    vocabulary::write_tokenizer(dir.path(), Existing::Replace).unwrap();
    Tokenizer::from_dir(dir.path()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn texts_become_tokens_and_come_back(kind in kinds(), seed: u64, tokens in 400usize..1200) {
        let (_dir, tokenizer) = directory();
        let example = example(kind, tokens, seed);
        let markers = vocabulary::markers();
        let text = render::text(&example, &markers);
        let ids = tokenizer.encode(&text).unwrap();
        prop_assert_eq!(ids.len(), vocabulary::count(&example));
        prop_assert_eq!(ids.len(), text.split(' ').count(), "single spaces");

        let mut stream = Utf8Stream::default();
        let streamed: String = ids.iter().map(|&id| stream.push(tokenizer.bytes_with_special(id))).collect();
        prop_assert_eq!(&streamed[1..], &text);

        // Pieces have the tokens of the whole, so that a mask can be made piece by piece.
        let pieces = render::pieces(&example, &markers);
        let piecewise: Vec<u32> =
            pieces.iter().flat_map(|piece| tokenizer.encode_verbatim(piece.text).unwrap()).collect();
        prop_assert_eq!(piecewise, ids);
    }

    #[test]
    fn pieces_say_whose_they_are(kind in kinds(), seed: u64) {
        let example = example(kind, 600, seed);
        let markers = vocabulary::markers();
        let pieces = render::pieces(&example, &markers);
        let given: Vec<_> = pieces.iter().filter(|piece| piece.author == Author::Given).collect();
        prop_assert_eq!(given.len(), 1);
        prop_assert_eq!((given[0].text, given[0].segment), (&*example.question, Segment::Question));
        let inner = |segment| {
            let own: Vec<_> = pieces.iter().filter(|piece| piece.segment == segment).collect();
            assert_eq!(own.len(), 3);
            own[1].text
        };
        for (j, thought) in example.thoughts.iter().enumerate() {
            prop_assert_eq!(inner(Segment::Thought(j)), &thought.detail);
            prop_assert_eq!(inner(Segment::Summary(j)), &thought.summary);
        }
        prop_assert_eq!(inner(Segment::Answer), &example.answer);
    }
}
