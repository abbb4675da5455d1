//! Pages for which a store finds no memory: what was asked for is refused, and nothing is lost.

use std::ops::Range;

use burn::tensor::{Tensor, TensorData};
use burn_ndarray::NdArray;
use zoomr_core::{
    Error,
    cache::{ColdPages, HostTier, KvBudget, Layout, Pages, Residency, Tiers},
    kernels::{HeadMove, KvStore, Move, PageBytes, PageShape, PageSpan, PageStore, Slot},
    portable::PortableStore,
    positions::PositionSet,
};

type B = NdArray<f32>;

/// A store that has memory for so many slabs.
#[derive(Debug)]
struct Small {
    store: PortableStore<B>,
    most: usize,
}

impl PageStore for Small {
    fn shape(&self) -> PageShape {
        self.store.shape()
    }

    fn page_bytes(&self) -> u64 {
        self.store.page_bytes()
    }

    fn resize(&mut self, slabs: usize) -> Result<(), Error> {
        if slabs > self.most { Err(Error::Memory { bytes: 1 }) } else { self.store.resize(slabs) }
    }

    fn copy(&mut self, moves: &[Move]) {
        self.store.copy(moves);
    }
}

impl KvStore<B> for Small {
    fn append(&mut self, layer: usize, parts: &[&Tensor<B, 3>], slots: &[Slot]) {
        self.store.append(layer, parts, slots);
    }

    fn copy_heads(&mut self, moves: &[HeadMove]) {
        self.store.copy_heads(moves);
    }

    fn export(&self, pages: &[usize]) -> Vec<PageBytes> {
        self.store.export(pages)
    }

    fn import(&mut self, pages: &[(usize, PageBytes)]) {
        self.store.import(pages);
    }

    fn keys(&self, layer: usize, spans: &[PageSpan]) -> Tensor<B, 3> {
        self.store.keys(layer, spans)
    }
}

/// The keys that are on the device.
fn keys(store: &Small, residency: &Residency, layout: &Layout, positions: Range<usize>) -> Vec<f32> {
    let spans = residency.spans(layout, &PositionSet::from(positions));
    store.keys(0, &spans).into_data().iter().collect()
}

#[test]
fn a_page_that_finds_no_memory_on_its_way_back_stays_where_it_is() {
    let shape = PageShape { layers: 1, parts: 2, kv_heads: 1, page_size: 2, head_dim: 1, pages_per_slab: 1 };
    let mut store = Small { store: PortableStore::new(shape, Default::default()), most: 3 };
    let mut pages = Pages::new(store.page_bytes(), 1);
    let (mut cold, mut budget) = (ColdPages::new(Box::new(HostTier::default())), KvBudget::new(None));
    let mut layout = Layout::new(shape.page_size);
    (0..6).for_each(|_| layout.push(false));
    let mut residency = Residency::default();
    let mut tiers = Tiers { store: &mut store, pages: &mut pages, cold: &mut cold, budget: &mut budget };
    residency.open(&layout, 0..6, &mut tiers).unwrap();
    let slots: Vec<Slot> =
        residency.spans(&layout, &(0..6).into()).iter().flat_map(PageSpan::slots).collect();
    let numbers = TensorData::new((1..7).map(|i| i as f32).collect(), [6, 1, 1]);
    let tokens = Tensor::from_data(numbers, &Default::default());
    tiers.store.append(0, &[&tokens, &tokens], &slots);
    residency.evict(&layout, &PositionSet::default(), &mut tiers).unwrap();

    tiers.store.most = 2;
    assert!(matches!(residency.fetch(0..3, &mut tiers), Err(Error::Memory { .. })));
    assert_eq!(keys(tiers.store, &residency, &layout, 0..6), [1.0, 2.0, 3.0, 4.0], "two pages came");
    assert_eq!(tiers.pages.slabs(), 2, "no page is held that has no memory");
    tiers.store.most = 3;
    residency.fetch(0..3, &mut tiers).unwrap();
    assert_eq!(keys(tiers.store, &residency, &layout, 0..6), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}
