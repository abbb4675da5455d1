//! Slots keep, bit for bit, what each KV head is told to keep, in as few pages as hold it.

use burn::tensor::{Tensor, TensorData};
use burn_ndarray::NdArray;
use proptest::prelude::*;
use zoomr_core::{
    cache::{KvBudget, Pages, Slots},
    kernels::{KvStore, PageShape, PageSpan, PageStore},
    kv::KvDtype,
    portable::PortableStore,
};

type B = NdArray<f32>;

const HEADS: usize = 2;

proptest! {
    #[test]
    fn slots_hold_what_was_kept(
        rounds in prop::collection::vec((1..20usize, 0..20usize, any::<u64>()), 1..8),
        page_size in 1..7usize,
        pages_per_slab in 1..3usize,
    ) {
        let shape = PageShape { layers: 1, parts: 2, kv_heads: HEADS, page_size, head_dim: 1, pages_per_slab };
        let mut store = PortableStore::<B>::new(shape, KvDtype::F32, Default::default());
        let mut pages = Pages::new(store.page_bytes(), pages_per_slab);
        let (mut slots, mut budget) = (Slots::new(HEADS, page_size), KvBudget::new(None));
        // Per head, the tokens held, the oldest first: a token's key is its number, its value the negative.
        let mut held = vec![Vec::<f32>::new(); HEADS];
        let mut next = 0.0;
        for (added, kept, seed) in rounds {
            let spans = slots.open(added, &mut pages, &mut budget).unwrap();
            store.resize(pages.slabs()).unwrap();
            let token = |i: usize, head: usize| next + i as f32 + 0.5 * head as f32;
            let keys: Vec<f32> = (0..added * HEADS).map(|at| token(at / HEADS, at % HEADS)).collect();
            let values: Vec<f32> = keys.iter().map(|key| -key).collect();
            let [keys, values] = [keys, values]
                .map(|part| Tensor::from_data(TensorData::new(part, [added, HEADS, 1]), &Default::default()));
            let places: Vec<_> = spans.iter().flat_map(PageSpan::slots).collect();
            store.append(0, &[&keys, &values], &places);
            held.iter_mut().enumerate().for_each(|(head, held)| held.extend((0..added).map(|i| token(i, head))));
            next += added as f32;
            let count = kept.min(slots.len());
            let keep: Vec<Vec<usize>> = (0..HEADS).map(|head| choose(slots.len(), count, seed + head as u64)).collect();
            let moves = slots.keep(&keep, &mut pages, &mut budget);
            store.copy_heads(&moves);
            store.resize(pages.slabs()).unwrap();
            for (held, keep) in held.iter_mut().zip(&keep) {
                *held = keep.iter().map(|&token| held[token]).collect();
            }
            prop_assert_eq!(slots.pages().len(), count.div_ceil(page_size));
            prop_assert_eq!(budget.used(), pages.bytes());
            prop_assert_eq!(&found(&slots, &store, 1.0), &held);
            prop_assert_eq!(&found(&slots, &store, -1.0), &held);
        }
        slots.clear(&mut pages, &mut budget);
        prop_assert_eq!(pages.bytes(), 0);
    }
}

/// `count` of `0..len`, in order.
fn choose(len: usize, count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by_key(|&i| (i as u64 + 1).wrapping_mul(seed | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32);
    order.truncate(count);
    order.sort_unstable();
    order
}

/// Per head, the keys (or, with a negative sign, the negatives of the values) held, the oldest first.
fn found(slots: &Slots, store: &PortableStore<B>, sign: f32) -> Vec<Vec<f32>> {
    let PageShape { page_size, .. } = store.shape();
    let part = usize::from(sign < 0.0);
    let at = |head: usize, slot: usize| {
        let span = slots.spans(slot..slot + 1)[0];
        let bytes = &store.export(&[span.page])[0].0;
        // A page is `[keys and values, heads, slots]` of f32.
        let element = (part * HEADS + head) * page_size + span.start;
        let bytes = bytes[4 * element..].first_chunk().expect("a page has all its slots");
        sign * f32::from_le_bytes(*bytes)
    };
    let order = |(head, order): (usize, &Vec<usize>)| order.iter().map(|&slot| at(head, slot)).collect();
    slots.order().iter().enumerate().map(order).collect()
}
