//! Slots keep, bit for bit, what each KV head is told to keep, in as few pages as hold it.

use burn::tensor::{Tensor, TensorData};
use burn_ndarray::NdArray;
use proptest::prelude::*;
use zoomr_core::cache::{Budget, Geometry, Pool, Slots};

type B = NdArray<f32>;

const HEADS: usize = 2;

proptest! {
    #[test]
    fn slots_hold_what_was_kept(
        rounds in prop::collection::vec((1..20usize, 0..20usize, any::<u64>()), 1..8),
        page_size in 1..7usize,
        pages_per_slab in 1..3usize,
    ) {
        let geometry = Geometry { pages_per_slab, kv_heads: HEADS, page_size, head_dim: 1 };
        let mut pool = Pool::<B, 2>::new(geometry, Default::default());
        let (mut slots, mut budget) = (Slots::default(), Budget::new(None));
        // Per head, the tokens held, the oldest first: a token's key is its number, its value the negative.
        let mut held = vec![Vec::<f32>::new(); HEADS];
        let mut next = 0.0;
        for (added, kept, seed) in rounds {
            for span in slots.open(added, &mut pool, &mut budget).unwrap() {
                for slot in span.start..span.start + span.len {
                    for (plane, sign) in [(0, 1.0), (1, -1.0)] {
                        let token = (0..HEADS).map(|head| sign * (next + 0.5 * head as f32)).collect();
                        let token = TensorData::new(token, [HEADS, 1, 1]);
                        pool.write(plane, span.page, slot, Tensor::from_data(token, &Default::default()));
                    }
                    held.iter_mut().enumerate().for_each(|(head, held)| held.push(next + 0.5 * head as f32));
                    next += 1.0;
                }
            }
            let count = kept.min(slots.len());
            let keep: Vec<Vec<usize>> = (0..HEADS).map(|head| choose(slots.len(), count, seed + head as u64)).collect();
            slots.keep(&keep, &mut pool, &mut budget);
            for (held, keep) in held.iter_mut().zip(&keep) {
                *held = keep.iter().map(|&token| held[token]).collect();
            }
            prop_assert_eq!(slots.pages(), count.div_ceil(page_size));
            prop_assert_eq!(budget.used(), pool.bytes());
            prop_assert_eq!(&found(&slots, &pool, 1.0), &held);
            prop_assert_eq!(&found(&slots, &pool, -1.0), &held);
        }
        slots.clear(&mut pool, &mut budget);
        prop_assert_eq!(pool.bytes(), 0);
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
fn found(slots: &Slots, pool: &Pool<B, 2>, sign: f32) -> Vec<Vec<f32>> {
    let size = pool.geometry().page_size;
    let plane = usize::from(sign < 0.0);
    let at = |head: usize, slot: usize| {
        let span = slots.spans(slot..slot + 1, size)[0];
        let page: Vec<f32> = pool.read(plane, span.page).iter().collect();
        sign * page[head * size + span.start]
    };
    let order = |(head, order): (usize, &Vec<usize>)| order.iter().map(|&slot| at(head, slot)).collect();
    slots.order().iter().enumerate().map(order).collect()
}
