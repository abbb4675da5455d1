//! The whole method in f64 and plain loops, without pages: what sessions are held to.

use burn::tensor::{Device, backend::Backend};

use super::{
    host::Projection,
    laws::{check_equal, fail, for_all, slack},
    oracle::{self, DenseKv},
    scenario::{Scenario, Segmentation},
};
use crate::{
    Error,
    config::{PolicyKind, Scope, Settings},
    kernels::AttentionKernels,
    layer::LayerSpec,
    positions::PositionSet,
    segment::Stream,
    select::{Selection, Tally},
    trigger::Trigger,
};

/// A session does what METHOD.md says, computed in f64 without pages.
pub fn session_does_the_method<B: Backend, K: AttentionKernels<B> + Clone>(kernels: &K, device: &Device<B>) {
    for_all(60, |mut scenario| {
        // Thoughts whose lengths are powers of two have exact mean keys, so that f64 and f32 vote alike.
        scenario.segmentation = Segmentation::Budget(4);
        scenario.trigger = Trigger::Pooled;
        if scenario.options.policy == PolicyKind::Oracle {
            // Its choice rests on rounded masses; what it attends to is checked by `attend`'s own tests.
            scenario.options.policy = PolicyKind::Zoomr;
        }
        scenario.options.scope = Scope::Layer;
        let mut driven = scenario.start(kernels.clone(), device).map_err(fail)?;
        let found = driven.run(|_| 1).map_err(fail)?;
        let stream = driven.session.stream(driven.id).map_err(fail)?;
        check_equal(&found, &expected(&scenario, stream).map_err(fail)?, slack::<B>(&scenario))
    });
}

/// Every row's outputs, by METHOD.md's steps in plain loops, given the segments.
fn expected(scenario: &Scenario, stream: &Stream) -> Result<Vec<Vec<f64>>, Error> {
    let settings = Settings::try_from(scenario.options.clone())?;
    let own = |spec: &LayerSpec| spec.sliding_window.map(Into::into);
    let mut rows = vec![Vec::new(); scenario.tokens.len()];
    for (layer, spec) in scenario.host.layers.iter().enumerate() {
        let dense = dense(scenario, layer);
        for (position, token) in scenario.tokens.iter().enumerate() {
            let q = widen(&scenario.host.project(Projection::Query, layer, position, *token));
            let visible = match own(spec) {
                Some(window) => PositionSet::from((position + 1).saturating_sub(window)..position + 1),
                None => zoomed_set(&settings, stream, position, &q, &dense, f64::from(spec.scale)),
            };
            rows[position].extend(oracle::attend(&q, &dense, &visible, f64::from(spec.scale)).0);
        }
    }
    Ok(rows)
}

fn zoomed_set(
    settings: &Settings,
    stream: &Stream,
    position: usize,
    q: &[f64],
    dense: &DenseKv,
    scale: f64,
) -> PositionSet {
    let policy = settings.policy();
    let mut visible = policy.base(stream, position);
    let candidates = policy.candidates(stream, position);
    let thoughts = &stream.thoughts()[..candidates];
    let index: Vec<_> = thoughts.iter().map(|t| oracle::mean_key(dense, t.indexed_by())).collect();
    let scores = oracle::scores(q, &index, dense.kv_heads, dense.head_dim, scale);
    let scores: Vec<f32> = scores.into_iter().map(|s| s as f32).collect();
    let tally = Tally::from_scores(&scores, candidates, settings.votes);
    let chosen = Selection::consensus(&tally, settings.zoom, |j| thoughts[j].detail.clone());
    chosen.zoomed.iter().for_each(|&j| visible.insert(thoughts[j].detail.clone()));
    visible
}

fn dense(scenario: &Scenario, layer: usize) -> DenseKv {
    let spec = scenario.host.layers[layer];
    let mut dense = DenseKv::new(spec.kv_heads, spec.head_dim);
    for (position, token) in scenario.tokens.iter().enumerate() {
        dense.keys.extend(widen(&scenario.host.project(Projection::Key, layer, position, *token)));
        dense.values.extend(widen(&scenario.host.project(Projection::Value, layer, position, *token)));
    }
    dense
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}
