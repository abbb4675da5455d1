//! Inputs as whole numbers from -127 to 127.

use super::GROUP;

/// Rows of inputs, quantised: 32 numbers share a scale.
pub(crate) struct Input {
    /// `[rows, columns]`.
    pub(super) whole: Vec<i8>,
    /// `[rows, columns / 32]`.
    pub(super) scales: Vec<f32>,
    /// A group's sum of whole numbers times its scale, `[rows, columns / 32]`.
    pub(super) sums: Vec<f32>,
    /// Numbers in a row, whole groups.
    pub(super) columns: usize,
}

/// Added to a number smaller than 2^22, it leaves the number, rounded to a whole one, in the lowest bits.
const ROUNDER: f32 = 12_582_912.0;

impl Input {
    /// Quantises rows of `columns` numbers.
    pub(crate) fn new(x: &[f32], columns: usize) -> Self {
        let groups = x.len() / GROUP;
        let mut input =
            Self { whole: vec![0; x.len()], scales: vec![0.0; groups], sums: vec![0.0; groups], columns };
        let outputs = input.scales.iter_mut().zip(&mut input.sums);
        for ((x, whole), (scale, sum)) in
            x.as_chunks().0.iter().zip(input.whole.as_chunks_mut().0).zip(outputs)
        {
            (*scale, *sum) = quantise(x, whole);
        }
        input
    }

    /// Input rows.
    pub(crate) fn rows(&self) -> usize {
        self.whole.len() / self.columns
    }
}

/// One group; its scale, and its sum of whole numbers times the scale. A number that is not finite makes both so.
fn quantise(x: &[f32; GROUP], whole: &mut [i8; GROUP]) -> (f32, f32) {
    // Of the bits without the sign the largest are those of the largest number; this loop has no branch.
    let bits = x.iter().fold(0, |most: u32, x| most.max(x.to_bits() & 0x7fff_ffff));
    let scale = f32::from_bits(bits) / 127.0;
    let inverse = if scale < f32::MIN_POSITIVE { 0.0 } else { 1.0 / scale };
    let mut sum = 0;
    for (whole, x) in whole.iter_mut().zip(x) {
        let rounded = (x * inverse + ROUNDER).to_bits() as i8;
        *whole = rounded;
        sum += i32::from(rounded);
    }
    (scale, scale * sum as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_half_a_step_off_at_most() {
        let x: Vec<f32> = (0..64).map(|i| (i as f32 * 0.37).sin() * 3.0).collect();
        let input = Input::new(&x, 64);
        for (i, x) in x.iter().enumerate() {
            let scale = input.scales[i / GROUP];
            assert!((f32::from(input.whole[i]) * scale - x).abs() <= 0.5001 * scale);
        }
        let sum = |group: usize| input.whole[group * 32..][..32].iter().map(|q| i32::from(*q)).sum::<i32>();
        assert_eq!(input.sums[1], input.scales[1] * sum(1) as f32);
        assert_eq!((input.rows(), input.whole.iter().map(|q| q.unsigned_abs()).max()), (1, Some(127)));
    }

    #[test]
    fn zeros_stay_and_what_is_not_finite_spreads() {
        assert_eq!(Input::new(&[0.0; 32], 32).scales, [0.0]);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut x = [1.0; 32];
            x[7] = bad;
            assert!(!Input::new(&x, 32).scales[0].is_finite());
        }
    }
}
