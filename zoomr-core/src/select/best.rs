//! What every choice by scores rests on: the best of them, and their softmax. Plain loops over host numbers, so
//! that equal scores give equal choices everywhere (law 7).

use std::cmp::Ordering;

/// The `count` best scores' indices, in no order of their own: the higher ones, of equals the older; NaN excluded.
pub(crate) fn best<T: PartialOrd>(scores: &[T], count: usize) -> Vec<usize> {
    let number = |&j: &usize| scores[j].partial_cmp(&scores[j]).is_some();
    let mut found: Vec<usize> = (0..scores.len()).filter(number).collect();
    if count < found.len() {
        // No two indices compare as equal, so it is the same set that sorting would put first.
        found.select_nth_unstable_by(count, |&a, &b| {
            scores[b].partial_cmp(&scores[a]).unwrap_or(Ordering::Equal).then(a.cmp(&b))
        });
        found.truncate(count);
    }
    found
}

/// As many choices as fit on the stack.
const FEW: usize = 16;

/// Gives `take` the indices that [`best`] finds; without allocating, where they are few.
pub(super) fn take_best(scores: &[f32], count: usize, mut take: impl FnMut(usize)) {
    if count > FEW {
        return best(scores, count).into_iter().for_each(take);
    }
    // The best so far, the higher first, of equals the older.
    let (mut found, mut held) = ([0; FEW], 0);
    for (j, score) in scores.iter().enumerate().filter(|(_, score)| !score.is_nan()) {
        let place = found[..held].partition_point(|&better: &usize| scores[better] >= *score);
        if place < count {
            held = count.min(held + 1);
            found.copy_within(place..held - 1, place + 1);
            found[place] = j;
        }
    }
    found[..held].iter().for_each(|&j| take(j));
}

/// Gives the softmax of `scores` to `take`, index by index; NaN counts as minus infinity. Where no score is larger
/// than that, there is nothing to give.
pub(crate) fn softmax<T: Copy + Into<f64>>(scores: &[T], mut take: impl FnMut(usize, f64)) {
    let scores = || scores.iter().map(|&score| -> f64 { score.into() });
    let max = scores().filter(|s| !s.is_nan()).fold(f64::NEG_INFINITY, f64::max);
    if max == f64::NEG_INFINITY {
        return;
    }
    // Infinite scores share the whole mass: inf - inf would be NaN.
    let weight = |s: f64| match s {
        s if s.is_nan() => 0.0,
        s if s == max => 1.0,
        s => (s - max).exp(),
    };
    let sum: f64 = scores().map(weight).sum();
    scores().enumerate().for_each(|(i, s)| take(i, weight(s) / sum));
}

/// Adds the softmax of `scores` to `sums`.
pub(crate) fn add_softmax(scores: &[f64], sums: &mut [f64]) {
    softmax(scores, |i, weight| sums[i] += weight);
}
