//! Several threads that work off a list, and one that takes what they bring, in whatever order it comes.
//!
//! Who brings something waits until it is taken, so whoever is killed has no more in hand than one result for each
//! thread.

use std::{
    num::NonZeroUsize,
    ops::ControlFlow,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc::{RecvTimeoutError, sync_channel},
    },
    thread,
    time::Duration,
};

/// How often the taker is called where nothing comes.
const LOOK: Duration = Duration::from_millis(100);

/// Works off `tasks` on `workers` threads. `work` returns early, with `None`, where its flag says to stop; `take`
/// gets each result on this thread, and is called without one now and then: it may end the work.
///
/// # Errors
/// The first that `work` or `take` return; what is under way by then is still finished and taken.
pub(crate) fn work<T: Sync, R: Send, E: Send>(
    workers: NonZeroUsize,
    tasks: &[T],
    work: impl Fn(&T, &AtomicBool) -> Result<Option<R>, E> + Sync,
    mut take: impl FnMut(Option<(&T, R)>) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let (stop, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut outcome = Ok(());
    thread::scope(|scope| {
        // Within the scope: where `take` panics, nobody waits for ever.
        let (sender, results) = sync_channel(0);
        let mut started = 0;
        for _ in 0..workers.get().min(tasks.len()) {
            let (sender, stop, next, work) = (sender.clone(), &stop, &next, &work);
            let worker = move || {
                while let Some(task) = tasks.get(next.fetch_add(1, Relaxed)).filter(|_| !stop.load(Relaxed)) {
                    let result = work(task, stop);
                    let ended = !matches!(result, Ok(Some(_)));
                    if sender.send((task, result)).is_err() || ended {
                        break;
                    }
                }
            };
            // Where the system allows of no more threads, those that there are do the work.
            if thread::Builder::new().spawn_scoped(scope, worker).is_err() {
                break;
            }
            started += 1;
        }
        drop(sender);
        if started == 0 {
            outcome = alone(tasks, &work, &mut take);
            return;
        }
        loop {
            let taken = match results.recv_timeout(LOOK) {
                Ok((task, Ok(Some(result)))) => take(Some((task, result))),
                Ok((_, Ok(None))) => Ok(ControlFlow::Break(())),
                Ok((_, Err(error))) => Err(error),
                Err(RecvTimeoutError::Timeout) => take(None),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if !matches!(taken, Ok(ControlFlow::Continue(()))) {
                stop.store(true, Relaxed);
            }
            if outcome.is_ok() {
                outcome = taken.map(|_| ());
            }
        }
    });
    outcome
}

/// Works off all tasks on this thread.
fn alone<T, R, E>(
    tasks: &[T],
    work: &impl Fn(&T, &AtomicBool) -> Result<Option<R>, E>,
    take: &mut impl FnMut(Option<(&T, R)>) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    for task in tasks {
        let Some(result) = work(task, &AtomicBool::new(false))? else { break };
        if take(Some((task, result)))?.is_break() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUR: NonZeroUsize = NonZeroUsize::new(4).unwrap();

    #[test]
    fn everything_is_worked_off_once() {
        let tasks: Vec<usize> = (0..100).collect();
        let mut squares = vec![0; 100];
        let taken = work(
            FOUR,
            &tasks,
            |task, _| Ok::<_, ()>(Some(task * task)),
            |result| {
                result.into_iter().for_each(|(task, square)| squares[*task] += square);
                Ok(ControlFlow::Continue(()))
            },
        );
        assert_eq!(taken, Ok(()));
        assert!(squares.iter().enumerate().all(|(task, square)| *square == task * task));
        let mut sum = 0;
        let add = |task: &usize, _: &AtomicBool| Ok::<_, ()>(Some(*task));
        let mut take = |result: Option<(&usize, usize)>| {
            sum += result.map_or(0, |(_, task)| task);
            Ok(if sum > 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        assert_eq!((alone(&tasks, &add, &mut take), sum), (Ok(()), 6));
        work(FOUR, &[], |_: &usize, _| Ok::<_, ()>(Some(1)), |_| Ok(ControlFlow::Continue(()))).unwrap();
    }

    #[test]
    fn after_an_error_what_is_under_way_is_still_taken() {
        let (tasks, begun) = ([0, 1, 2, 3, 4, 5, 6, 7], AtomicUsize::new(0));
        let mut taken = 0;
        let slow = |task: &usize, stop: &AtomicBool| {
            begun.fetch_add(1, Relaxed);
            if *task == 0 {
                return Err("no");
            }
            while !stop.load(Relaxed) {
                thread::yield_now();
            }
            Ok(Some(()))
        };
        let outcome = work(FOUR, &tasks, slow, |result| {
            taken += usize::from(result.is_some());
            Ok(ControlFlow::Continue(()))
        });
        assert_eq!((outcome, taken + 1), (Err("no"), begun.into_inner()));
    }

    #[test]
    fn whoever_takes_may_end_it() {
        let wait = |_: &usize, stop: &AtomicBool| {
            while !stop.load(Relaxed) {
                thread::yield_now();
            }
            Ok::<Option<()>, ()>(None)
        };
        work(FOUR, &[1, 2, 3], wait, |_| Ok(ControlFlow::Break(()))).unwrap();
        let failed = work(FOUR, &[1, 2, 3], |task, _| Ok(Some(*task)), |_| Err("full"));
        assert_eq!(failed, Err("full"));
    }
}
