//! Whose votes count: under scopes `global` and `two-pass` all layers zoom into one set of thoughts.

#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

use burn_ndarray::NdArray;
use zoomr_core::{
    config::{Options, Scope},
    layer::LayerSpec,
    portable::Portable,
    testing::{
        host::Host,
        scenario::{Scenario, Segmentation},
        watched::{Call, Watched},
    },
    trigger::Trigger,
};

fn scenario(scope: Scope) -> Scenario {
    let layer = LayerSpec { query_heads: 2, kv_heads: 1, head_dim: 4, scale: 0.5, sliding_window: None };
    Scenario {
        host: Host { layers: vec![layer; 3], seed: 3 },
        options: Options { scope, window: 16, page_size: 4, ..Options::default() },
        segmentation: Segmentation::Budget(8),
        trigger: Trigger::Pooled,
        tokens: (0..120).map(|i| 9 + i * 7 % 11).collect(),
        prompt: 8,
    }
}

/// For each streamed token, the number of candidates and the thoughts zoomed into, layer by layer.
fn zoomed(scope: Scope) -> Vec<(usize, Vec<Vec<usize>>)> {
    let scenario = scenario(scope);
    let mut driven = scenario.start::<NdArray<f32>, _>(Portable, &Default::default()).unwrap();
    driven.feed(driven.id, 0..8, |_| 8).unwrap();
    let mut row = |position: usize| {
        driven.feed(driven.id, position..position + 1, |_| 1).unwrap();
        let row = &driven.session.last_step().last_rows[0];
        (row.votes.len(), row.zoomed.clone())
    };
    (8..120).map(&mut row).collect()
}

/// Steps whose set is decided before they begin wait for no device until their last layer is over, and make one table
/// for all layers.
#[test]
fn votes_are_read_once_a_step_after_the_last_layer() {
    let scenario = scenario(Scope::Global);
    let kernels = Watched::<Portable>::default();
    let calls = kernels.calls.clone();
    let mut driven = scenario.start::<NdArray<f32>, _>(kernels, &Default::default()).unwrap();
    driven.feed(driven.id, 0..8, |_| 8).unwrap();
    let (mut before, mut steady) = (0, 0);
    for position in 8..120 {
        calls.take();
        driven.feed(driven.id, position..position + 1, |_| 1).unwrap();
        let candidates = driven.session.last_step().last_rows[0].votes.len();
        let made = calls.take();
        if candidates > 0 && candidates == before {
            let layer = [Call::Vote, Call::Attend];
            let first = [Call::Vote, Call::Table, Call::Attend];
            assert_eq!(made, [&first[..], &layer, &layer, &[Call::Read]].concat());
            steady += 1;
        } else if candidates > 0 {
            // A thought has just left the window: each layer votes for itself, and its votes are counted at once.
            assert_eq!(made.iter().filter(|call| **call == Call::Read).count(), 3, "{made:?}");
        } else {
            assert!(!made.contains(&Call::Read));
        }
        before = candidates;
    }
    assert!(steady > 80, "{steady}");
}

fn agree(layers: &[Vec<usize>]) -> bool {
    layers.iter().all(|layer| layer == &layers[0])
}

#[test]
fn each_layer_chooses_for_itself_under_scope_layer() {
    assert!(zoomed(Scope::Layer).iter().any(|(_, layers)| !agree(layers)));
}

#[test]
fn one_set_serves_all_layers_under_scope_global_but_for_the_first_step_with_a_new_candidate() {
    let rows = zoomed(Scope::Global);
    let steady = rows.windows(2).filter(|pair| pair[0].0 == pair[1].0);
    assert!(steady.clone().count() > 80);
    for pair in steady {
        assert!(agree(&pair[1].1), "{pair:?}");
    }
}

#[test]
fn one_set_serves_all_layers_under_scope_two_pass() {
    for (candidates, layers) in zoomed(Scope::TwoPass) {
        assert!(agree(&layers), "{candidates} candidates: {layers:?}");
    }
}
