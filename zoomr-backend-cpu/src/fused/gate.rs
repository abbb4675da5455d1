//! `silu(gate) * up` and its gradients, in one pass each over their elements.

use crate::simd::Simd;

/// Elements whose exponentials are in the first-level cache when they are asked for again.
const BLOCK: usize = 256;

/// `silu(gate) * up`, in `gate`'s place.
pub(crate) fn forward(simd: Simd, gate: &mut [f32], up: &[f32]) {
    let mut sigmoids = [0.0; BLOCK];
    for (gate, up) in gate.chunks_mut(BLOCK).zip(up.chunks(BLOCK)) {
        let sigmoids = &mut sigmoids[..gate.len()];
        sigmoid(simd, gate, sigmoids);
        for ((gate, up), sigmoid) in gate.iter_mut().zip(up).zip(sigmoids) {
            *gate = *sigmoid * (*gate * up);
        }
    }
}

/// The gradients of `gate` and `up`, given that of the result: with `s` the sigmoid of `gate`,
/// `silu'(gate) = s (1 + gate (1 - s))`.
pub(crate) fn backward(simd: Simd, gate: &[f32], up: &[f32], gradient: &[f32]) -> [Vec<f32>; 2] {
    let mut of_gate = vec![0.0; gate.len()];
    sigmoid(simd, gate, &mut of_gate);
    let mut of_up = vec![0.0; gate.len()];
    let given = gate.iter().zip(up).zip(gradient);
    for (((gate, up), gradient), (of_gate, of_up)) in given.zip(of_gate.iter_mut().zip(&mut of_up)) {
        let sigmoid = *of_gate;
        *of_up = gradient * gate * sigmoid;
        *of_gate = gradient * up * sigmoid * (1.0 + gate * (1.0 - sigmoid));
    }
    [of_gate, of_up]
}

/// `1 / (1 + exp(-x))`, of exponentials that cannot overflow, into `out`.
fn sigmoid(simd: Simd, x: &[f32], out: &mut [f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = -x.abs();
    }
    simd.exp_sum(out, 0.0);
    for (out, x) in out.iter_mut().zip(x) {
        let small = *out;
        *out = if *x < 0.0 { small } else { 1.0 } / (1.0 + small);
    }
}
