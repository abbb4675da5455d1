//! Problems of a wanted length.
//!
//! Generators draw a shape (how many starts, accounts, statements), and the length follows: as many units (terms,
//! days, passes) as fit. Lengths are measured by making the text, so that formats can change without formulas
//! that have to follow. A shape for which the names run out before the length is reached is passed over.

use super::{Kind, SynthError, draw::Draw};

/// What decides, with the number of units, how many tokens a problem has.
pub(super) trait Shape {
    /// The most units that there are names for; at least 2.
    fn most(&self) -> usize;

    /// Tokens of the whole text with so many units, at least 1; grows with them.
    fn tokens(&self, units: usize) -> usize;
}

/// One of `shapes`, and how many units of it make at most `tokens` tokens.
///
/// # Errors
/// [`SynthError::Length`] where none has such a length.
pub(super) fn choose<S: Shape>(
    kind: Kind,
    mut shapes: Vec<S>,
    tokens: usize,
    draw: &mut Draw,
) -> Result<(S, usize), SynthError> {
    draw.shuffle(&mut shapes);
    let fitting = shapes.iter().enumerate().find_map(|(i, shape)| Some((i, units(shape, tokens)?)));
    if let Some((i, units)) = fitting {
        return Ok((shapes.swap_remove(i), units));
    }
    let shortest = shapes.iter().map(|shape| shape.tokens(1)).min().unwrap_or(0);
    let longest = shapes.iter().map(|shape| shape.tokens(shape.most())).max().unwrap_or(0);
    Err(SynthError::Length { kind, tokens, shortest, longest })
}

/// The most units with at most `tokens` tokens; `None` where even one is too many, or all leave room for more.
fn units(shape: &impl Shape, tokens: usize) -> Option<usize> {
    // A number of units and its tokens: `fits` do, `too_many` do not.
    let probe = |units| (units, shape.tokens(units));
    let (most, mut fits) = (shape.most(), probe(1));
    if fits.1 > tokens {
        return None;
    }
    let mut too_many = loop {
        if fits.0 == most {
            let step = fits.1 - shape.tokens(most - 1);
            return (tokens - fits.1 < step).then_some(most);
        }
        // Growing from short texts costs no more than the text that is wanted.
        let next = probe((4 * fits.0).min(most));
        if next.1 > tokens {
            break next;
        }
        fits = next;
    };
    while too_many.0 - fits.0 > 1 {
        // Every unit takes about as much as any other: a guess or two suffice.
        let share = (tokens - fits.1) * (too_many.0 - fits.0) / (too_many.1 - fits.1);
        let guess = probe((fits.0 + share).clamp(fits.0 + 1, too_many.0 - 1));
        *if guess.1 <= tokens { &mut fits } else { &mut too_many } = guess;
    }
    Some(fits.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Even(usize);

    impl Shape for Even {
        fn most(&self) -> usize {
            self.0
        }

        fn tokens(&self, units: usize) -> usize {
            20 + 10 * units
        }
    }

    #[test]
    fn as_many_as_fit() {
        for (tokens, wanted) in [(29, None), (30, Some(1)), (39, Some(1)), (69, Some(4)), (79, Some(5))] {
            assert_eq!(units(&Even(5), tokens), wanted, "{tokens}");
        }
        assert_eq!(units(&Even(5), 80), None);
    }

    #[test]
    fn shapes_that_do_not_fit_are_passed_over() {
        let chosen = |tokens| choose(Kind::Ledger, vec![Even(3), Even(9)], tokens, &mut Draw::new(0, 0));
        assert_eq!(chosen(105).unwrap().1, 8);
        let refused = chosen(200).err().unwrap();
        let wanted = SynthError::Length { kind: Kind::Ledger, tokens: 200, shortest: 30, longest: 110 };
        assert_eq!(refused, wanted);
    }
}
