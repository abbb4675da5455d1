//! SentencePiece's pieces with their scores, and the merges of byte-pair encoding that come to the same.
//!
//! SentencePiece joins the two neighbours whose union has the best score; byte-pair encoding those whose merge stands first.
//! So a piece gives a merge for each way of cutting it in two pieces, in the order of scores, as Hugging Face's converter
//! (`convert_slow_tokenizer.generate_merges`) makes them.

use std::{cmp::Reverse, collections::HashMap};

/// The longest piece that is cut in two, in bytes; SentencePiece makes none so long.
const LONGEST: usize = 1024;

/// A piece: its text, id and score.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) id: u32,
    pub(super) score: f32,
}

/// The merges of `pieces`, the first to be made first.
pub(super) fn merges<'a>(pieces: &[Piece<'a>]) -> Vec<[&'a str; 2]> {
    let ids: HashMap<&str, u32> = pieces.iter().map(|piece| (piece.text, piece.id)).collect();
    let mut merges = Vec::new();
    for piece in pieces.iter().filter(|piece| piece.text.len() <= LONGEST) {
        let cut = |at: usize| {
            let (left, right) = piece.text.split_at(at);
            Some(([*ids.get(left)?, *ids.get(right)?], [left, right], piece.score))
        };
        let places = piece.text.char_indices().map(|(at, _)| at).skip(1);
        let mut own: Vec<_> = places.filter_map(cut).collect();
        own.sort_by_key(|(ids, ..)| *ids);
        merges.extend(own);
    }
    let characters = |text: &str| text.chars().count();
    merges.sort_by(|(_, [left, right], score), (_, [other_left, other_right], other_score)| {
        let lengths = |left, right| Reverse((characters(left), characters(right)));
        other_score.total_cmp(score).then_with(|| lengths(left, right).cmp(&lengths(other_left, other_right)))
    });
    merges.into_iter().map(|(_, parts, _)| parts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_follow_scores() {
        let pieces = ["a", "b", "c", "ab", "bc", "abc"];
        let scores = [-9.0, -9.0, -9.0, -2.0, -1.0, -3.0];
        let pieces: Vec<Piece<'_>> = (0..)
            .zip(pieces.into_iter().zip(scores))
            .map(|(id, (text, score))| Piece { text, id, score })
            .collect();
        assert_eq!(merges(&pieces), [["b", "c"], ["a", "b"], ["ab", "c"], ["a", "bc"]]);
    }
}
