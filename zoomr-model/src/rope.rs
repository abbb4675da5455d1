//! Rotary position embedding: pairs of elements of queries and keys turned by an angle that grows with the
//! position.
//!
//! Pair `i` ([`Rotation`] says which elements it is) turns by `position * frequency[i]`,
//! `frequency[i] = theta^(-2 i / rotary_dim)` before any scaling. Angles are computed in f64 on the host, where
//! `position * frequency` loses nothing at any context length.

use std::f64::consts::TAU;

use burn::tensor::{Device, Tensor, TensorData, backend::Backend};
use zoomr_core::kernels::Rotation;

use crate::config::{Rope, RopeScaling};

/// One rotary embedding, ready for any positions.
#[derive(Clone, Debug)]
pub(crate) struct RotaryEmbedding {
    /// Radians per position, for each pair.
    frequencies: Vec<f64>,
    /// Multiplies cosines and sines (YaRN's temperature).
    attention_factor: f64,
}

impl RotaryEmbedding {
    /// The embedding that a configuration describes.
    pub(crate) fn new(rope: &Rope) -> Self {
        let attention_factor = match rope.scaling {
            RopeScaling::Yarn { attention_factor, .. } => attention_factor,
            _ => 1.0,
        };
        Self { frequencies: frequencies(rope), attention_factor }
    }

    /// The rotation of the rows of one step, shared by all layers with this embedding.
    pub(crate) fn at<B: Backend>(&self, positions: &[usize], device: &Device<B>) -> Rotation<B> {
        let half = self.frequencies.len();
        let mut cos = Vec::with_capacity(2 * half * positions.len());
        let mut sin = Vec::with_capacity(2 * half * positions.len());
        for position in positions {
            let angles = self.frequencies.iter().map(|frequency| *position as f64 * frequency);
            let (sines, cosines): (Vec<f32>, Vec<f32>) = angles
                .map(f64::sin_cos)
                .map(|(s, c)| ((s * self.attention_factor) as f32, (c * self.attention_factor) as f32))
                .unzip();
            cos.extend(cosines.iter().chain(&cosines));
            // The first half of `rotate_half` is negated; its sign lives here.
            sin.extend(sines.iter().map(|sine| -sine).chain(sines.iter().copied()));
        }
        let table =
            |values| Tensor::from_data(TensorData::new(values, [positions.len(), 1, 2 * half]), device);
        Rotation { cos: table(cos), sin: table(sin) }
    }
}

/// Radians per position of each pair, scaling applied.
fn frequencies(rope: &Rope) -> Vec<f64> {
    let dim = rope.rotary_dim as f64;
    let base = (0..rope.rotary_dim / 2).map(|pair| rope.theta.powf(-2.0 * pair as f64 / dim));
    match rope.scaling {
        RopeScaling::Default => base.collect(),
        RopeScaling::Linear { factor } => base.map(|frequency| frequency / factor).collect(),
        RopeScaling::Divided { ref factors } => {
            base.zip(factors).map(|(frequency, factor)| frequency / f64::from(*factor)).collect()
        }
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => base
            .map(|frequency| {
                // Turns within the first training's context: few turns, and the frequency is stretched.
                let turns = original_context * frequency / TAU;
                let kept = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
                blend(frequency, factor, kept.clamp(0.0, 1.0))
            })
            .collect(),
        RopeScaling::Yarn { factor, beta_fast, beta_slow, original_context, truncate, .. } => {
            // The pair (as a fraction) that makes so many turns within the first training's context.
            let pair_of =
                |turns: f64| dim * (original_context / (turns * TAU)).ln() / (2.0 * rope.theta.ln());
            let (low, high) = match truncate {
                true => (pair_of(beta_fast).floor(), pair_of(beta_slow).ceil()),
                false => (pair_of(beta_fast), pair_of(beta_slow)),
            };
            let (low, high) = (low.max(0.0), high.min(dim - 1.0));
            // A ramp of no length would divide by zero; Hugging Face widens it by this much.
            let width = if low == high { 0.001 } else { high - low };
            base.enumerate()
                .map(|(pair, frequency)| {
                    let stretched = ((pair as f64 - low) / width).clamp(0.0, 1.0);
                    blend(frequency, factor, 1.0 - stretched)
                })
                .collect()
        }
    }
}

/// What scaling divides the frequency of each pair by.
pub(crate) fn divisors(rope: &Rope) -> Vec<f32> {
    let plain = frequencies(&Rope { scaling: RopeScaling::Default, ..rope.clone() });
    plain.iter().zip(frequencies(rope)).map(|(plain, scaled)| (plain / scaled) as f32).collect()
}

/// Between the stretched frequency (`kept` = 0) and the original one (`kept` = 1).
fn blend(frequency: f64, factor: f64, kept: f64) -> f64 {
    frequency * kept + frequency / factor * (1.0 - kept)
}

#[cfg(test)]
mod tests {
    use burn_ndarray::NdArray;
    use zoomr_core::{kernels::BlockKernels, portable::Portable};

    use super::*;

    fn rope(scaling: RopeScaling) -> Rope {
        Rope { theta: 10_000.0, rotary_dim: 8, scaling }
    }

    #[test]
    fn linear_scaling_divides_positions() {
        let plain = frequencies(&rope(RopeScaling::Default));
        let scaled = frequencies(&rope(RopeScaling::Linear { factor: 4.0 }));
        for (plain, scaled) in plain.iter().zip(&scaled) {
            assert!((plain / 4.0 - scaled).abs() < 1e-15);
        }
    }

    #[test]
    fn divided_by_its_divisors_a_rotation_is_the_same() {
        let llama3 = RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_context: 64.0,
        };
        let scaled = rope(llama3);
        let divided = rope(RopeScaling::Divided { factors: divisors(&scaled) });
        for (one, other) in frequencies(&scaled).iter().zip(frequencies(&divided)) {
            assert!((one / other - 1.0).abs() < 1e-6);
        }
        let factors = divisors(&scaled);
        assert!(factors.contains(&1.0) && factors.contains(&8.0), "{factors:?}");
    }

    #[test]
    fn only_the_first_elements_rotate() {
        let device = Default::default();
        let rope = Rope { rotary_dim: 4, ..rope(RopeScaling::Default) };
        let x = Tensor::<NdArray, 3>::from_data([[[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]]], &device);
        let turned = Portable.rotate(x, &RotaryEmbedding::new(&rope).at(&[3], &device));
        let turned: Vec<f32> = turned.into_data().to_vec().unwrap();
        // Pairs (1, 3) and (2, 4) turn by 3 * 1 and 3 * 10000^(-1/2) radians.
        let expected = |a: f64, b: f64, angle: f64| {
            [a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()]
        };
        let ([a, c], [b, d]) = (expected(1.0, 3.0, 3.0), expected(2.0, 4.0, 0.03));
        for (found, expected) in turned.iter().zip([a, b, c, d, 5.0, 6.0]) {
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{turned:?}");
        }
    }

    #[test]
    fn position_zero_turns_nothing() {
        let device = Default::default();
        let x = Tensor::<NdArray, 3>::from_data([[[1.0f32, -2.0, 3.0, -4.0, 5.0, 6.0, 7.0, 8.0]]], &device);
        let rotation = RotaryEmbedding::new(&rope(RopeScaling::Default)).at(&[0], &device);
        let turned = Portable.rotate(x.clone(), &rotation);
        assert_eq!(turned.into_data(), x.into_data());
    }
}
