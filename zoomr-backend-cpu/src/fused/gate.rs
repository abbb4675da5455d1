//! `silu(gate) * up` and its gradients, in one pass each over their elements.

use crate::simd::Simd;

/// `silu(gate) * up`.
pub(crate) fn forward(simd: Simd, gate: &[f32], up: &[f32]) -> Vec<f32> {
    let mut out = sigmoid(simd, gate);
    for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
        *out *= gate * up;
    }
    out
}

/// The gradients of `gate` and `up`, given that of the result: with `s` the sigmoid of `gate`,
/// `silu'(gate) = s (1 + gate (1 - s))`.
pub(crate) fn backward(simd: Simd, gate: &[f32], up: &[f32], gradient: &[f32]) -> [Vec<f32>; 2] {
    let mut of_gate = sigmoid(simd, gate);
    let mut of_up = vec![0.0; gate.len()];
    let given = gate.iter().zip(up).zip(gradient);
    for (((gate, up), gradient), (of_gate, of_up)) in given.zip(of_gate.iter_mut().zip(&mut of_up)) {
        let sigmoid = *of_gate;
        *of_up = gradient * gate * sigmoid;
        *of_gate = gradient * up * sigmoid * (1.0 + gate * (1.0 - sigmoid));
    }
    [of_gate, of_up]
}

/// `1 / (1 + exp(-x))`, of exponentials that cannot overflow.
fn sigmoid(simd: Simd, x: &[f32]) -> Vec<f32> {
    let mut out: Vec<f32> = x.iter().map(|x| -x.abs()).collect();
    simd.exp_sum(&mut out, 0.0);
    for (out, x) in out.iter_mut().zip(x) {
        let small = *out;
        *out = if *x < 0.0 { small } else { 1.0 } / (1.0 + small);
    }
    out
}
