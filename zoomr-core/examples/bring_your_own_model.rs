//! A small Burn transformer that was not written for zoomr decodes with it.
//!
//! All that the model had to change is the line in `Block::forward` that said "attend": it now calls the
//! hook. Random weights write nonsense, so the example checks numbers instead of words: with every thought
//! zoomed into, ZoomR gives the logits of full attention (law 1); with two of them, it holds a fraction of
//! the memory.
//!
//! `cargo run -p zoomr-core --example bring_your_own_model`

use std::{error::Error, num::NonZeroUsize};

use burn::{
    module::Module,
    nn::{Embedding, EmbeddingConfig, Gelu, LayerNorm, LayerNormConfig, Linear, LinearConfig},
    tensor::{Int, Tensor, backend::Backend},
};
use burn_ndarray::NdArray;
use zoomr_core::{
    config::{Options, PolicyKind, Settings},
    hook::AttentionHook,
    layer::LayerSpec,
    portable::Portable,
    segment::{Budget, Role},
    select::Zoom,
    session::{Feed, Session},
    token::Token,
    trigger::Trigger,
};

const VOCABULARY: usize = 101;
const WIDTH: usize = 48;
const HEADS: usize = 4;
const HEAD_DIM: usize = WIDTH / HEADS;
const LAYERS: usize = 3;
const MAX_TOKENS: usize = 1024;

/// A plain pre-norm transformer with learned positions.
#[derive(Module, Debug)]
struct Transformer<B: Backend> {
    tokens: Embedding<B>,
    positions: Embedding<B>,
    blocks: Vec<Block<B>>,
    head: Linear<B>,
}

#[derive(Module, Debug)]
struct Block<B: Backend> {
    attention_norm: LayerNorm<B>,
    qkv: Linear<B>,
    output: Linear<B>,
    mlp_norm: LayerNorm<B>,
    up: Linear<B>,
    down: Linear<B>,
}

impl<B: Backend> Transformer<B> {
    fn new(device: &B::Device) -> Self {
        let block = || Block {
            attention_norm: LayerNormConfig::new(WIDTH).init(device),
            qkv: LinearConfig::new(WIDTH, 3 * WIDTH).init(device),
            output: LinearConfig::new(WIDTH, WIDTH).init(device),
            mlp_norm: LayerNormConfig::new(WIDTH).init(device),
            up: LinearConfig::new(WIDTH, 4 * WIDTH).init(device),
            down: LinearConfig::new(4 * WIDTH, WIDTH).init(device),
        };
        Self {
            tokens: EmbeddingConfig::new(VOCABULARY, WIDTH).init(device),
            positions: EmbeddingConfig::new(MAX_TOKENS, WIDTH).init(device),
            blocks: (0..LAYERS).map(|_| block()).collect(),
            head: LinearConfig::new(WIDTH, VOCABULARY).init(device),
        }
    }

    /// Logits `[rows, vocabulary]` of the rows of a step.
    fn forward(
        &self,
        ids: &[u32],
        hook: &mut impl AttentionHook<B>,
        device: &B::Device,
    ) -> Result<Tensor<B, 2>, zoomr_core::Error> {
        let positions: Vec<i64> = hook.positions().iter().map(|&p| p as i64).collect();
        let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
        let int = |values: &[i64]| Tensor::<B, 1, Int>::from_ints(values, device).unsqueeze::<2>();
        let mut x = self.tokens.forward(int(&ids)) + self.positions.forward(int(&positions));
        for (layer, block) in self.blocks.iter().enumerate() {
            x = block.forward(layer, x, hook)?;
        }
        Ok(self.head.forward(x).squeeze_dim(0))
    }
}

impl<B: Backend> Block<B> {
    /// `x` is `[1, rows, width]`.
    fn forward(
        &self,
        layer: usize,
        x: Tensor<B, 3>,
        hook: &mut impl AttentionHook<B>,
    ) -> Result<Tensor<B, 3>, zoomr_core::Error> {
        let rows = x.dims()[1];
        let qkv = self.qkv.forward(self.attention_norm.forward(x.clone()));
        let part = |i: usize| qkv.clone().narrow(2, i * WIDTH, WIDTH).reshape([rows, HEADS, HEAD_DIM]);
        // The one line that knows of zoomr. Before: softmax(q k^T / sqrt(d) + causal mask) v over a cache.
        let mixed = hook.attend(layer, part(0), part(1), part(2))?;
        let x = x + self.output.forward(mixed.reshape([1, rows, WIDTH]));
        let mlp = self.down.forward(Gelu::new().forward(self.up.forward(self.mlp_norm.forward(x.clone()))));
        Ok(x + mlp)
    }
}

type B = NdArray<f32>;

/// Decodes `count` tokens greedily; returns the last logits and the session.
fn decode(
    model: &Transformer<B>,
    options: Options,
    count: usize,
) -> Result<(Vec<f32>, Session<B, Portable>), zoomr_core::Error> {
    let device = Default::default();
    let layer = LayerSpec {
        query_heads: HEADS,
        kv_heads: HEADS,
        head_dim: HEAD_DIM,
        scale: (HEAD_DIM as f32).sqrt().recip(),
        sliding_window: None,
    };
    let scope = options.scope;
    let mut session = Session::new(&[layer; LAYERS], Settings::try_from(options)?, Portable, &device)?;
    let thoughts = Budget::new(NonZeroUsize::new(32).unwrap_or(NonZeroUsize::MIN));
    let sequence = session.add_sequence(Box::new(thoughts), Trigger::Pooled);
    let mut next = vec![1, 2, 3, 4, 5];
    let mut role = Role::Prompt;
    let mut logits = Vec::new();
    for step in 0..count {
        let tokens: Vec<_> = next.iter().map(|&id| Token::bare(id)).collect();
        let feed = Feed { sequence, tokens: &tokens, role, scope };
        let (_, output) = session
            .step(&[feed], |pass, accepted| model.forward(&next[..accepted[0]], pass, &device))?
            .single()?;
        let last = output.dims()[0] - 1;
        logits = output.slice(last..last + 1).into_data().iter().collect();
        // Greedy decoding of random weights gets stuck; a fixed walk through the vocabulary does not.
        next = vec![(step * 37 % VOCABULARY) as u32];
        role = Role::Stream;
    }
    Ok((logits, session))
}

fn main() -> Result<(), Box<dyn Error>> {
    let device = Default::default();
    B::seed(&device, 7);
    let model = Transformer::<B>::new(&device);
    let tokens = 600;
    let options =
        |policy, zoom| Options { policy, zoom: Zoom::Thoughts(zoom), window: 64, ..Options::default() };
    let (full, baseline) = decode(&model, options(PolicyKind::Full, 0), tokens)?;
    let (everything, _) = decode(&model, options(PolicyKind::Zoomr, usize::MAX), tokens)?;
    let (_, zoomr) = decode(&model, options(PolicyKind::Zoomr, 2), tokens)?;

    let difference = full.iter().zip(&everything).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("zooming into everything differs from full attention by {difference:.1e} (logits)");
    if difference > 1e-4 {
        return Err("law 1 does not hold".into());
    }
    let (all, held) = (baseline.account().resident(), zoomr.account().resident());
    println!(
        "after {tokens} tokens: full cache {all} bytes, zoomr holds {held}: {:.1}x less",
        all as f64 / held as f64
    );
    if held * 2 > all {
        return Err("zoomr holds more than half of the full cache".into());
    }
    Ok(())
}
