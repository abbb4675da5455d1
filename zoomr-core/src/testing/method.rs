//! The whole method in f64 and plain loops, without pages: what sessions are held to.

use burn::tensor::{Device, backend::Backend};

use super::{
    baselines::DenseRows,
    host::Projection,
    laws::{check_equal, fail, for_all, slack},
    oracle::{self, DenseKv},
    scenario::{Scenario, Segmentation},
};
use crate::{
    Error,
    config::{PolicyKind, Scope, Settings, SummaryVisibility},
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
        scenario.options.blocks = None;
        let mut driven = scenario.start(kernels.clone(), device).map_err(fail)?;
        let found = driven.run(|_| 1).map_err(fail)?;
        let stream = driven.session.stream(driven.id).map_err(fail)?;
        check_equal(&found, &expected(&scenario, stream).map_err(fail)?, slack::<B>(&scenario))
    });
}

/// Policies from other papers do what those say, computed in f64 without pages.
pub fn baselines_do_what_their_papers_say<B: Backend, K: AttentionKernels<B> + Clone>(
    kernels: &K,
    device: &Device<B>,
) {
    for policy in [PolicyKind::H2o, PolicyKind::Rkv, PolicyKind::Quest] {
        for_all(90, |mut scenario| {
            scenario.trigger = Trigger::Pooled;
            scenario.set_policy(policy);
            // Quest leaves the first two layers alone.
            let first = LayerSpec { sliding_window: None, ..scenario.host.layers[0] };
            scenario.host.layers.extend([first; 2]);
            scenario.host.layers.rotate_right(2);
            let mut driven = scenario.start(kernels.clone(), device).map_err(fail)?;
            let found = driven.run(|i| 1 + i % 3).map_err(fail)?;
            let stream = driven.session.stream(driven.id).map_err(fail)?;
            check_equal(&found, &expected(&scenario, stream).map_err(fail)?, slack::<B>(&scenario))
        });
    }
}

/// The oracle attends to the blocks with most true mass, computed in f64 without pages.
pub fn the_oracle_finds_most_mass<B: Backend, K: AttentionKernels<B> + Clone>(
    kernels: &K,
    device: &Device<B>,
) {
    for_all(60, |mut scenario| {
        scenario.trigger = Trigger::Pooled;
        scenario.set_policy(PolicyKind::Oracle);
        scenario.options.blocks = Some(scenario.options.blocks.unwrap_or(scenario.options.page_size));
        scenario.options.summaries = SummaryVisibility::All;
        let mut driven = scenario.start(kernels.clone(), device).map_err(fail)?;
        let found = driven.run(|i| 1 + i % 3).map_err(fail)?;
        let stream = driven.session.stream(driven.id).map_err(fail)?;
        check_equal(&found, &expected(&scenario, stream).map_err(fail)?, slack::<B>(&scenario))
    });
}

/// Every row's outputs, by METHOD.md's steps in plain loops, given the segments.
fn expected(scenario: &Scenario, stream: &Stream) -> Result<Vec<Vec<f64>>, Error> {
    let settings = Settings::try_from(scenario.options.clone())?;
    let mut outputs = vec![Vec::new(); scenario.tokens.len()];
    for (layer, spec) in scenario.host.layers.iter().enumerate() {
        let (dense, scale) = (dense(scenario, layer), f64::from(spec.scale));
        let queries: Vec<Vec<f64>> = scenario.projections(Projection::Query, layer).collect();
        let rows = DenseRows { dense: &dense, queries: &queries, scale, prompt: scenario.prompt };
        let each = |see: &dyn Fn(usize) -> PositionSet| {
            (0..queries.len()).map(|position| vec![see(position); spec.query_heads]).collect()
        };
        let seen: Vec<Vec<PositionSet>> = match (spec.sliding_window.map(usize::from), settings.policy) {
            (Some(window), _) => {
                each(&|position| ((position + 1).saturating_sub(window)..position + 1).into())
            }
            (None, PolicyKind::H2o) => rows.h2o(settings.budget),
            (None, PolicyKind::Rkv) => rows.rkv(settings.budget, settings.buffer),
            (None, PolicyKind::Quest) if layer >= 2 => rows.quest(&settings),
            (None, PolicyKind::Oracle) if settings.blocks.is_some() => {
                let blocks = settings.policy().choice().blocks().expect("blocks, as given");
                rows.most_mass(&blocks, stream)
            }
            (None, _) => {
                each(&|position| zoomed_set(&settings, stream, position, &queries[position], &dense, scale))
            }
        };
        for ((output, q), seen) in outputs.iter_mut().zip(&queries).zip(&seen) {
            for (head, set) in seen.iter().enumerate() {
                let all = oracle::attend(q, &dense, set, scale).0;
                output.extend(&all[head * spec.head_dim..][..spec.head_dim]);
            }
        }
    }
    Ok(outputs)
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

/// All keys and values of a layer, as they are stored.
pub(super) fn dense(scenario: &Scenario, layer: usize) -> DenseKv {
    let spec = scenario.host.layers[layer];
    let all = |what| {
        let vectors = scenario.projections(what, layer).flatten().collect();
        oracle::stored(vectors, scenario.options.kv, spec.head_dim)
    };
    DenseKv {
        keys: all(Projection::Key),
        values: all(Projection::Value),
        ..DenseKv::new(spec.kv_heads, spec.head_dim)
    }
}

impl Scenario {
    /// What every token projects to, in order.
    pub(super) fn projections(&self, what: Projection, layer: usize) -> impl Iterator<Item = Vec<f64>> + '_ {
        let one = move |(position, token): (usize, &u32)| {
            self.host.project(what, layer, position, *token).into_iter().map(f64::from).collect()
        };
        self.tokens.iter().enumerate().map(one)
    }
}
