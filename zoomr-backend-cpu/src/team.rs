//! Threads that share the tasks of one small operation, and meet again microseconds later.
//!
//! A decode step has some hundred operations of tens of microseconds, each of which all threads work on: what it costs to
//! call them together is what limits it. So members look out for work for a moment before they sleep ([`SPINS`]); who calls works
//! along, and waits only for members that have joined in: one that sleeps, or whose core another process holds, is done
//! without. Everybody begins with a run of neighbouring tasks of its own, since memory is read fastest in one run, and takes
//! half of what another has left when it has none. Work that takes milliseconds is rayon's.

#![expect(unsafe_code, reason = "tasks borrow from the caller, who waits for all that have them")]

use std::{
    hint::spin_loop,
    ops::Range,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
};

/// Looks for work before a member sleeps: some 50 microseconds, more than lies between two operations of a step.
const SPINS: usize = 10_000;

/// Looks at whether others are done before a caller gives its core up to whoever holds them back.
const PATIENCE: usize = 2_000;

/// Set in [`Shared::gate`] while members may join in; below it, how many have.
const OPEN: usize = 1 << (usize::BITS - 1);

/// Runs `task(0)` to `task(tasks - 1)`, each once, on the threads at hand; in any order.
///
/// On the calling thread alone where the caller is one of [one thread](crate::on_one_thread), or the team is busy.
pub(crate) fn run(tasks: usize, task: impl Fn(usize) + Sync) {
    let alone = tasks <= 1 || rayon::current_num_threads() == 1;
    match (!alone).then(team).flatten() {
        Some(team) if team.shared.claim() => team.run(tasks, &task),
        _ => (0..tasks).for_each(task),
    }
}

/// Runs `task(i, chunk)` for the `i`th chunk of `width` elements of `out`, as [`run`] does.
pub(crate) fn run_chunks<T: Send>(out: &mut [T], width: usize, task: impl Fn(usize, &mut [T]) + Sync) {
    run_chunks_of_each([(out, width)], |_, i, chunk| task(i, chunk));
}

/// [`run_chunks`] of several slices in one pile, each cut into chunks of a width of its own: `task(which, i, chunk)`.
pub(crate) fn run_chunks_of_each<T: Send, const N: usize>(
    outs: [(&mut [T], usize); N],
    task: impl Fn(usize, usize, &mut [T]) + Sync,
) {
    let counts = outs.each_ref().map(|(out, width)| out.len().div_ceil(*width));
    let outs = outs.map(|(out, width)| (AtomicPtr::new(out.as_mut_ptr()), out.len(), width));
    run(counts.iter().sum(), |number| {
        let (mut which, mut i) = (0, number);
        while i >= counts[which] {
            i -= counts[which];
            which += 1;
        }
        let (first, len, width) = &outs[which];
        let start = i * width;
        // SAFETY: chunk `i` of a slice borrowed mutably for the whole call; every number is run once, so that nobody else has
        // this chunk.
        let chunk = unsafe {
            let first = first.load(Ordering::Relaxed).add(start);
            std::slice::from_raw_parts_mut(first, (*len - start).min(*width))
        };
        task(which, i, chunk);
    });
}

/// As many threads as rayon's, the caller among them; none where there is but one, or the system allows of no more.
fn team() -> Option<&'static Team> {
    static TEAM: OnceLock<Option<Team>> = OnceLock::new();
    TEAM.get_or_init(|| Team::start(rayon::current_num_threads() - 1)).as_ref()
}

/// What an operation does with a task's number. In [`Shared`] its lifetime is the caller's, who waits.
type Task<'a> = dyn Fn(usize) + Sync + 'a;

struct Team {
    shared: Arc<Shared>,
    members: Vec<Thread>,
}

/// What members look at.
struct Shared {
    /// A caller has the team.
    claimed: AtomicBool,
    /// [`OPEN`], and how many members have joined in.
    gate: AtomicUsize,
    /// How many operations there have been: a member joins each but once.
    operation: AtomicUsize,
    /// The operation's task: where the caller's fat pointer lies.
    task: AtomicPtr<&'static Task<'static>>,
    /// The tasks that nobody has claimed yet: the caller's share, then each member's.
    shares: Vec<Share>,
    /// Members that sleep, by their number.
    asleep: Vec<AtomicBool>,
    /// A task has panicked.
    panicked: AtomicBool,
}

/// A run of tasks, first and end in the halves of one number; on a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Share(AtomicU64);

impl Share {
    /// Only its owner's, and where it is empty, or nobody else looks at it.
    fn set(&self, tasks: Range<usize>) {
        self.0.store((tasks.start as u64) << 32 | tasks.end as u64, Ordering::Release);
    }

    fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The first task.
    fn claim(&self) -> Option<usize> {
        self.take(|tasks| (tasks.start + 1..tasks.end, tasks.start))
    }

    /// The second half of the tasks; of a single one, that.
    fn halve(&self) -> Option<Range<usize>> {
        self.take(|tasks| {
            let middle = tasks.start + tasks.len() / 2;
            (tasks.start..middle, middle..tasks.end)
        })
    }

    /// Takes away what `cut` does not leave, unless there is nothing.
    fn take<T>(&self, cut: impl Fn(Range<usize>) -> (Range<usize>, T)) -> Option<T> {
        let mut found = self.0.load(Ordering::Acquire);
        loop {
            let tasks = (found >> 32) as usize..found as u32 as usize;
            if tasks.is_empty() {
                return None;
            }
            let (left, taken) = cut(tasks);
            let left = (left.start as u64) << 32 | left.end as u64;
            match self.0.compare_exchange_weak(found, left, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(taken),
                Err(now) => found = now,
            }
        }
    }
}

impl Team {
    fn start(members: usize) -> Option<Self> {
        let shared = Arc::new(Shared {
            claimed: AtomicBool::new(false),
            gate: AtomicUsize::new(0),
            operation: AtomicUsize::new(0),
            task: AtomicPtr::new(std::ptr::null_mut()),
            shares: (0..=members).map(|_| Share::default()).collect(),
            asleep: (0..members).map(|_| AtomicBool::new(false)).collect(),
            panicked: AtomicBool::new(false),
        });
        let member = |number: usize| {
            let shared = Arc::clone(&shared);
            let named = thread::Builder::new().name(format!("team {number}"));
            named.spawn(move || shared.serve(number)).map(|handle| handle.thread().clone())
        };
        let members: Vec<Thread> = (0..members).map_while(|number| member(number).ok()).collect();
        (!members.is_empty()).then_some(Self { shared, members })
    }

    /// Runs an operation; the caller has [claimed](Shared::claim) the team.
    fn run(&self, tasks: usize, task: &Task<'_>) {
        let shared = &*self.shared;
        // SAFETY: only the lifetime changes. Members call it while they are inside of the gate, and this returns after
        // the last of them has left.
        let mut task = unsafe { std::mem::transmute::<&Task<'_>, &'static Task<'static>>(task) };
        shared.task.store(&raw mut task, Ordering::Relaxed);
        let cut = |number: usize| number * tasks / shared.shares.len();
        for (number, share) in shared.shares.iter().enumerate() {
            share.set(cut(number)..cut(number + 1));
        }
        shared.operation.fetch_add(1, Ordering::Relaxed);
        // Before the look at who sleeps, in the one order that all threads see: who does not see the gate open is seen to sleep.
        shared.gate.store(OPEN, Ordering::SeqCst);
        for (member, asleep) in self.members.iter().zip(&shared.asleep) {
            if asleep.load(Ordering::SeqCst) && asleep.swap(false, Ordering::SeqCst) {
                member.unpark();
            }
        }
        // However the caller's own tasks end, the others have left before this returns.
        let left = Leave(shared);
        shared.work(0, task);
        drop(left);
        assert!(!shared.panicked.swap(false, Ordering::Relaxed), "a task on another thread panicked");
    }
}

/// Closes the gate, waits until all members have left, and gives the team back.
struct Leave<'a>(&'a Shared);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        // Only then: a member may be about to run what it has taken from another's share into its own.
        if thread::panicking() {
            self.0.shares.iter().for_each(Share::clear);
        }
        self.0.gate.fetch_and(!OPEN, Ordering::AcqRel);
        let mut looks = 0;
        while self.0.gate.load(Ordering::Acquire) != 0 {
            looks += 1;
            if looks < PATIENCE { spin_loop() } else { thread::yield_now() }
        }
        self.0.claimed.store(false, Ordering::Release);
    }
}

impl Shared {
    /// Takes the team, if nobody has it.
    fn claim(&self) -> bool {
        self.claimed.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Claims tasks and runs them, until there are none; `number` is that of the claimer's share.
    fn work(&self, number: usize, task: &Task<'_>) {
        let own = &self.shares[number];
        loop {
            while let Some(first) = own.claim() {
                task(first);
            }
            let others = self.shares.iter().cycle().skip(number + 1).take(self.shares.len() - 1);
            let Some(half) = others.into_iter().find_map(Share::halve) else { return };
            own.set(half);
        }
    }

    /// A member's life.
    fn serve(&self, number: usize) {
        let mut seen = 0;
        loop {
            self.wait(number, seen);
            if !self.enter() {
                continue;
            }
            seen = self.operation.load(Ordering::Relaxed);
            let run = || {
                // SAFETY: inside of the gate the caller's pointer is alive, and what it points at.
                let task: &Task<'_> = unsafe { *self.task.load(Ordering::Relaxed) };
                self.work(number + 1, task);
            };
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err() {
                self.panicked.store(true, Ordering::Relaxed);
            }
            self.gate.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Whether there is an operation that a member has not seen.
    fn calls(&self, seen: usize) -> bool {
        self.gate.load(Ordering::SeqCst) & OPEN != 0 && self.operation.load(Ordering::Relaxed) != seen
    }

    /// Looks out for an operation, then sleeps until there is one.
    fn wait(&self, number: usize, seen: usize) {
        for _ in 0..SPINS {
            if self.calls(seen) {
                return;
            }
            spin_loop();
        }
        self.asleep[number].store(true, Ordering::SeqCst);
        while !self.calls(seen) && self.asleep[number].load(Ordering::SeqCst) {
            thread::park();
        }
        self.asleep[number].store(false, Ordering::SeqCst);
    }

    /// Joins in, if the gate is open.
    fn enter(&self) -> bool {
        let joined = |gate: usize| (gate & OPEN != 0).then_some(gate + 1);
        self.gate.fetch_update(Ordering::AcqRel, Ordering::Relaxed, joined).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(ran: &AtomicUsize) {
        ran.fetch_add(1, Ordering::Relaxed);
    }

    #[test]
    fn every_task_runs_once() {
        for tasks in [0, 1, 2, 3, 100, 1000] {
            let ran: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
            for _ in 0..200 {
                run(tasks, |i| count(&ran[i]));
            }
            assert!(ran.iter().all(|ran| ran.load(Ordering::Relaxed) == 200), "{tasks}");
        }
    }

    #[test]
    fn chunks_are_their_own_and_in_their_places() {
        let (mut first, mut second) = ([0; 10], [0; 7]);
        run_chunks_of_each([(&mut first, 4), (&mut second, 3)], |which, i, chunk| {
            chunk.fill(10 * which + i + 1);
        });
        assert_eq!(first, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]);
        assert_eq!(second, [11, 11, 11, 12, 12, 12, 13]);
    }

    #[test]
    fn callers_side_by_side_and_within_each_other_all_get_their_work_done() {
        let ran = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        run(5, |_| run(3, |_| count(&ran)));
                    }
                });
            }
        });
        assert_eq!(ran.into_inner(), 4 * 100 * 5 * 3);
    }

    #[test]
    fn a_panic_is_passed_on_and_the_team_works_again() {
        for _ in 0..20 {
            let panicked = std::panic::catch_unwind(|| run(8, |i| assert_ne!(i, 5)));
            assert!(panicked.is_err());
        }
        let ran = AtomicUsize::new(0);
        run(8, |_| count(&ran));
        assert_eq!(ran.into_inner(), 8);
    }

    #[test]
    fn a_caller_with_one_thread_runs_alone() {
        let caller = thread::current().id();
        crate::on_one_thread(&mut || {
            let own = thread::current().id();
            run(10, |_| assert_eq!(thread::current().id(), own));
            assert_ne!(own, caller);
        });
    }
}
