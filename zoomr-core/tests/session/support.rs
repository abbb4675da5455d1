//! What tests of sessions share: a scenario to start from, and steps whose model fails.

use std::num::NonZeroUsize;

use burn_ndarray::NdArray;
use zoomr_core::{
    Error,
    config::{Options, Scope},
    layer::LayerSpec,
    portable::Portable,
    segment::Role,
    session::Feed,
    testing::{
        host::Host,
        scenario::{Driven, Scenario, Segmentation},
    },
    token::Token,
    trigger::Trigger,
};

/// A session over the portable kernels.
pub(crate) type Session<'a> = Driven<'a, NdArray<f32>, Portable>;

/// `tokens` tokens, pooled, over a layer for each of `windows`, in which 0 stands for none; two query heads read a KV
/// head.
pub(crate) fn scenario<const L: usize>(
    options: Options,
    kv_heads: usize,
    windows: [usize; L],
    tokens: u32,
) -> Scenario {
    let layer = |window: usize| LayerSpec {
        query_heads: 2 * kv_heads,
        kv_heads,
        head_dim: 4,
        scale: 0.5,
        sliding_window: NonZeroUsize::new(window),
    };
    Scenario {
        host: Host { layers: windows.map(layer).to_vec(), seed: 5 },
        options,
        segmentation: Segmentation::Budget(6),
        trigger: Trigger::Pooled,
        tokens: (0..tokens).map(|i| 9 + i * i % 11).collect(),
        prompt: 10,
    }
}

/// Its session, without tokens.
pub(crate) fn start(scenario: &Scenario) -> Session<'_> {
    scenario.start(Portable, &Default::default()).expect("the scenario is sound")
}

/// A step of `tokens` whose model fails after so many layers.
pub(crate) fn fail(driven: &mut Session<'_>, scenario: &Scenario, tokens: &[u32], role: Role, layers: usize) {
    let some = Host { layers: scenario.host.layers[..layers].to_vec(), seed: scenario.host.seed };
    let bare: Vec<Token<'_>> = tokens.iter().map(|&id| Token::bare(id)).collect();
    let feed = Feed { sequence: driven.id, tokens: &bare, role, scope: Scope::Layer };
    let result = driven.session.step(&[feed], |pass, accepted| {
        some.forward(pass, &tokens[..accepted[0]], &Default::default())?;
        Err::<(), _>(Error::Protocol("the host failed"))
    });
    assert!(matches!(result, Err(Error::Protocol("the host failed"))), "{result:?}");
    assert_eq!(driven.session.account().total(), driven.session.allocated());
}
