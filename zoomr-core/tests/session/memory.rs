//! Pages for which a store finds no memory: what was asked for is refused, and nothing is lost.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use burn::tensor::{Device, Tensor, TensorData};
use burn_ndarray::NdArray;
use zoomr_core::{
    Error,
    cache::{ColdPages, HostTier, KvBudget, Layout, Pages, Residency, Tiers},
    config::{Options, PolicyKind},
    kernels::{
        AttendGroup, AttentionKernels, HeadMove, KvStore, Move, PageBytes, PageShape, PageSpan, PageStore,
        ScoreGroup, Slot, Zoom,
    },
    kv::KvDtype,
    portable::{Portable, PortableStore},
    positions::PositionSet,
    state::AttentionState,
};

use crate::support;

type B = NdArray<f32>;

/// A device's memory, in slabs.
#[derive(Debug, Default)]
struct Memory {
    held: AtomicUsize,
    most: AtomicUsize,
}

impl Memory {
    fn of(most: usize) -> Arc<Self> {
        Arc::new(Self { held: AtomicUsize::new(0), most: AtomicUsize::new(most) })
    }
}

/// A store in such a memory.
#[derive(Debug)]
struct Small {
    store: PortableStore<B>,
    slabs: usize,
    memory: Arc<Memory>,
}

impl Small {
    fn new(shape: PageShape, kv: KvDtype, memory: &Arc<Memory>) -> Self {
        let store = PortableStore::new(shape, kv, Default::default());
        Self { store, slabs: 0, memory: Arc::clone(memory) }
    }
}

impl PageStore for Small {
    fn shape(&self) -> PageShape {
        self.store.shape()
    }

    fn page_bytes(&self) -> u64 {
        self.store.page_bytes()
    }

    fn resize(&mut self, slabs: usize) -> Result<(), Error> {
        let held = self.memory.held.load(Relaxed) - self.slabs + slabs;
        if slabs > self.slabs && held > self.memory.most.load(Relaxed) {
            return Err(Error::Memory { bytes: 1 });
        }
        self.memory.held.store(held, Relaxed);
        self.slabs = slabs;
        self.store.resize(slabs)
    }

    fn copy(&mut self, moves: &[Move]) {
        self.store.copy(moves);
    }
}

impl KvStore<B> for Small {
    fn vector_bytes(kv: KvDtype, head_dim: usize) -> usize {
        <PortableStore<B> as KvStore<B>>::vector_bytes(kv, head_dim)
    }

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

/// The portable kernels, whose stores share a memory.
#[derive(Clone, Debug)]
struct Scarce(Arc<Memory>);

impl AttentionKernels<B> for Scarce {
    type Ballot = <Portable as AttentionKernels<B>>::Ballot;
    type Blocks = PortableStore<B>;
    type Store = Small;
    type Table = <Portable as AttentionKernels<B>>::Table;

    fn store(&self, shape: PageShape, kv: KvDtype, _: &Device<B>) -> Small {
        Small::new(shape, kv, &self.0)
    }

    fn blocks(&self, shape: PageShape, device: &Device<B>) -> PortableStore<B> {
        PortableStore::new(shape, KvDtype::F32, *device)
    }

    fn table(&self, groups: &[AttendGroup<'_>]) -> Self::Table {
        AttentionKernels::<B>::table(&Portable, groups)
    }

    fn ballot(&self, candidates: &[usize]) -> Self::Ballot {
        AttentionKernels::<B>::ballot(&Portable, candidates)
    }

    fn vote(
        &self,
        q: &Tensor<B, 3>,
        index: &Small,
        layer: usize,
        groups: &[ScoreGroup<'_>],
        votes: usize,
        scale: f32,
        into: &mut Self::Ballot,
    ) {
        Portable.vote(q, &index.store, layer, groups, votes, scale, into);
    }

    fn attend(
        &self,
        q: &Tensor<B, 3>,
        kv: &Small,
        layer: usize,
        table: &Self::Table,
        scale: f32,
        zoom: Option<Zoom<'_, B, Self>>,
    ) -> AttentionState<B> {
        assert!(zoom.is_none(), "no test here has blocks");
        Portable.attend(q, &kv.store, layer, table, scale, None)
    }
}

/// The keys that are on the device.
fn keys(store: &Small, residency: &Residency, layout: &Layout, positions: Range<usize>) -> Vec<f32> {
    let spans = residency.spans(layout, &PositionSet::from(positions)).expect("they are resident");
    store.keys(0, &spans).into_data().iter().collect()
}

#[test]
fn a_page_that_finds_no_memory_on_its_way_back_stays_where_it_is() {
    let shape = PageShape { layers: 1, parts: 2, kv_heads: 1, page_size: 2, head_dim: 1, pages_per_slab: 1 };
    let memory = Memory::of(3);
    let mut store = Small::new(shape, KvDtype::F32, &memory);
    let mut pages = Pages::new(store.page_bytes(), 1);
    let (mut cold, mut budget) = (ColdPages::new(Box::new(HostTier::default())), KvBudget::new(None));
    let mut layout = Layout::new(shape.page_size);
    (0..6).for_each(|_| layout.push(false));
    let mut residency = Residency::default();
    let mut tiers = Tiers { store: &mut store, pages: &mut pages, cold: &mut cold, budget: &mut budget };
    residency.open(&layout, 0..6, &mut tiers).unwrap();
    let slots: Vec<Slot> =
        residency.spans(&layout, &(0..6).into()).unwrap().iter().flat_map(PageSpan::slots).collect();
    let numbers = TensorData::new((1..7).map(|i| i as f32).collect(), [6, 1, 1]);
    let tokens = Tensor::from_data(numbers, &Default::default());
    tiers.store.append(0, &[&tokens, &tokens], &slots);
    residency.evict(&layout, &PositionSet::default(), &mut tiers).unwrap();

    memory.most.store(2, Relaxed);
    assert!(matches!(residency.fetch(0..3, &mut tiers), Err(Error::Memory { .. })));
    assert_eq!(keys(tiers.store, &residency, &layout, 0..4), [1.0, 2.0, 3.0, 4.0], "two pages came");
    let missing = residency.spans(&layout, &(1..6).into());
    assert!(matches!(missing, Err(Error::NotResident { position: 4 })), "{missing:?}");
    assert_eq!(tiers.pages.slabs(), 2, "no page is held that has no memory");
    memory.most.store(3, Relaxed);
    residency.fetch(0..3, &mut tiers).unwrap();
    assert_eq!(keys(tiers.store, &residency, &layout, 0..6), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn a_fork_that_finds_no_memory_leaves_nothing_behind() {
    // Each layer has stores of its own, so that there is room for the fork in some of them.
    for policy in [PolicyKind::H2o, PolicyKind::Rkv] {
        let options = Options { policy, budget: 16, page_size: 4, ..Options::default() };
        let scenario = support::scenario(options, 1, [0, 6, 0, 0], 60);
        let expected = support::start(&scenario).run(|_| 1).unwrap();
        let memory = Memory::of(usize::MAX);
        let mut driven = scenario.start(Scarce(Arc::clone(&memory)), &Default::default()).unwrap();
        let original = driven.id;
        driven.feed(original, 0..30, |_| 1).unwrap();
        let (held, allocated) = (memory.held.load(Relaxed), driven.session.allocated());
        let fork = (0..).find_map(|room| {
            memory.most.store(held + room, Relaxed);
            let fork = driven.session.fork(original, 30);
            if let Err(error) = &fork {
                assert!(matches!(error, Error::Memory { .. }), "{error}");
                assert_eq!(memory.held.load(Relaxed), held, "{policy}, room for {room} slabs");
                assert_eq!(driven.session.allocated(), allocated, "{policy}, room for {room} slabs");
                assert_eq!(driven.session.account().total(), allocated);
            }
            fork.ok()
        });
        assert!(memory.most.load(Relaxed) > held + 3, "it found no room in any of the layers");
        memory.most.store(usize::MAX, Relaxed);
        for id in [original, fork.unwrap()] {
            assert_eq!(driven.feed(id, 30..60, |_| 1).unwrap(), expected[30..], "{policy}");
            driven.session.remove_sequence(id).unwrap();
        }
        assert_eq!(memory.held.load(Relaxed), 0);
    }
}
