//! Masks of training under level 2, against sessions that decode token by token.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData, backend::Backend};

use super::{
    host::Projection,
    laws::{check_equal, fail, for_all, slack},
    scenario::Scenario,
};
use crate::{
    Error,
    config::{AtHand, PolicyKind, Scope, Settings, SummaryVisibility},
    kernels::{TrainingKernels, Whole},
    kv::KvDtype,
    policy::{Policy, Window},
    positions::PositionSet,
    segment::Stream,
    trigger::Trigger,
};

/// Rows of a whole sequence that choose from its blocks find what they find when they are decoded one by one.
pub fn masks_show_what_decoding_attends_to<B: Backend, K: TrainingKernels<B> + Clone>(
    kernels: &K,
    device: &Device<B>,
) {
    for_all(90, |mut scenario| {
        scenario.options.policy = PolicyKind::Zoomr;
        scenario.options.summaries = SummaryVisibility::All;
        // Nobody writes summaries here.
        if scenario.trigger == Trigger::Forced {
            scenario.trigger = Trigger::ModelEmitted;
        }
        if scenario.options.blocks.is_none() {
            scenario.options.blocks = Some(scenario.options.page_size);
            scenario.options.zoom_share = 0.2;
        }
        scenario.options.at_hand = AtHand::All;
        scenario.options.scope = Scope::Layer;
        // Nothing is stored where a sequence is there as a whole.
        scenario.options.kv = KvDtype::F32;
        let mut driven = scenario.start(kernels.clone(), device).map_err(fail)?;
        let found = driven.run(|_| 1).map_err(fail)?;
        let stream = driven.session.stream(driven.id).map_err(fail)?;
        let masked = masked(&scenario, stream, kernels, device).map_err(fail)?;
        check_equal(&masked, &found, slack::<B>(&scenario))
    });
}

/// For each row the outputs of all layers, one after another, of the whole sequence at once.
fn masked<B: Backend, K: TrainingKernels<B>>(
    scenario: &Scenario,
    stream: &Stream,
    kernels: &K,
    device: &Device<B>,
) -> Result<Vec<Vec<f64>>, Error> {
    let rows = scenario.tokens.len();
    let rule = Settings::try_from(scenario.options.clone())?.zoom_blocks().expect("blocks, as set above");
    let mut outputs = vec![Vec::new(); rows];
    for (layer, spec) in scenario.host.layers.iter().enumerate() {
        let tensor = |what, heads: usize| {
            let flat: Vec<f32> = scenario.projections(what, layer).flatten().map(|x| x as f32).collect();
            Tensor::<B, 3>::from_data(TensorData::new(flat, [rows, heads, spec.head_dim]), device)
        };
        let q = tensor(Projection::Query, spec.query_heads);
        let [k, v] = [Projection::Key, Projection::Value].map(|what| tensor(what, spec.kv_heads));
        let sees = |policy: &dyn Policy| -> Arc<[PositionSet]> {
            (0..rows).map(|row| policy.base(stream, row)).collect()
        };
        let visible = match spec.sliding_window {
            Some(window) => vec![sees(&Window { sinks: 0, window: window.get() })],
            None => {
                let base = [sees(&rule)];
                let whole =
                    Whole { q: q.clone(), k: k.clone(), v: v.clone(), visible: &base, scale: spec.scale };
                let sets = kernels.zoom_whole(&whole, &rule.whole(stream, rows))?;
                sets.into_iter().map(Arc::from).collect()
            }
        };
        let whole = Whole { q, k, v, visible: &visible, scale: spec.scale };
        let found: Vec<f64> = kernels.attend_whole(&whole).output.into_data().iter().collect();
        let by_row = found.chunks(spec.query_heads * spec.head_dim);
        outputs.iter_mut().zip(by_row).for_each(|(all, row)| all.extend(row));
    }
    Ok(outputs)
}
