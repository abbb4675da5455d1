//! The decoder under autodiff: the definition that decodes is the one that will be trained.

use std::sync::Mutex;

use burn::tensor::{Device, Tensor};
use burn_autodiff::Autodiff;
use zoomr_core::{
    kernels::{BlockKernels, LinearKernels},
    portable::Portable,
    weight::StoredWeight,
};
use zoomr_model::{Model, config::ModelConfig, weights::Weights};

use crate::support::{Cpu, DenseCache, golden};

type Train = Autodiff<Cpu>;
type Matrix = Tensor<Train, 2>;

/// The portable kernels over matrices that ask for gradients, and the matrices made so far.
struct Trained<'a>(&'a Mutex<Vec<Matrix>>);

impl BlockKernels<Train> for Trained<'_> {}

impl LinearKernels<Train> for Trained<'_> {
    type Matrix = Matrix;

    fn matrix(&self, weight: StoredWeight, device: &Device<Train>) -> Matrix {
        let matrix = LinearKernels::<Train>::matrix(&Portable, weight, device).require_grad();
        self.0.lock().expect("no thread panicked").push(matrix.clone());
        matrix
    }

    fn linear(&self, x: Tensor<Train, 2>, weight: &Matrix) -> Tensor<Train, 2> {
        Portable.linear(x, weight)
    }

    fn rows(&self, weight: &Matrix, ids: &[u32], device: &Device<Train>) -> Tensor<Train, 2> {
        Portable.rows(weight, ids, device)
    }
}

/// Gemma 3 has every norm, tied embeddings and sliding layers; Phi 3 fused projections and an own output head.
#[test]
fn every_matrix_gets_a_gradient() {
    for architecture in ["gemma3", "phi3"] {
        let dir = golden(architecture);
        let config = ModelConfig::from_dir(&dir).expect("a supported architecture");
        let weights = Weights::open(&dir, &config.tensors()).expect("sound weights");
        let matrices = Mutex::new(Vec::new());
        let model =
            Model::load(config, &weights, Trained(&matrices), &Default::default()).expect("sound weights");

        let mut cache = DenseCache::<Train>::new(model.config().layer_specs());
        let logits = model.forward(&[5, 17, 3, 250], cache.step(4)).expect("a sound step");
        let gradients = (logits.clone() * logits).mean().backward();
        let matrices = matrices.lock().expect("no thread panicked");
        assert!(!matrices.is_empty());
        for (number, matrix) in matrices.iter().enumerate() {
            let gradient = matrix.grad(&gradients).expect("the matrix was used");
            let size: f32 = gradient.abs().sum().into_scalar();
            assert!(size.is_finite() && size > 0.0, "{architecture}, matrix {number}: {size}");
        }
    }
}
