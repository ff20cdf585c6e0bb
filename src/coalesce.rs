//! Work that many ask for at once and whose result all of them can share: the text of the metrics,
//! the status, a reload.
//!
//! One run goes on at a time, and at most one more is waited for, which all who ask meanwhile
//! share. So a result is never older than the question, and a crowd costs no more than one. A run
//! goes on to its end, whoever leaves: what it holds stays bounded.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Mutex as Turn, watch};
use tokio::time::{Instant, sleep_until};

/// The longest pause between two runs.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// The runs of one kind of work. All who ask for that kind share it.
pub(crate) struct Coalesced<T> {
    runtime: Handle,
    /// How many times as long as a run the pause after it is.
    rest: u32,
    /// The run that has not begun. The lock is held for a look or a swap.
    next: Arc<Mutex<Option<Run<T>>>>,
    /// Held for the time of a run and the pause before it: when the next one may begin.
    turn: Arc<Turn<Option<Instant>>>,
}

/// A run, for those who wait for its result.
type Run<T> = watch::Receiver<Option<T>>;

impl<T: Clone + Send + Sync + 'static> Coalesced<T> {
    /// Work that runs on this runtime. Of the time, no more than one part in `1 + rest` goes into
    /// it, but for runs that take longer than [`LONGEST_REST`] allows to make up for.
    pub(crate) fn new(runtime: Handle, rest: u32) -> Self {
        Self { runtime, rest, next: Arc::default(), turn: Arc::default() }
    }

    /// Waits for the result of a run that begins after this call, which does `work` unless somebody
    /// else's has been put there before. `None`: it panicked, or the process ends. Cancel safe: the
    /// run goes on.
    pub(crate) async fn run<F>(&self, work: impl FnOnce() -> F + Send + 'static) -> Option<T>
    where
        F: Future<Output = T> + Send,
    {
        let mut run = self.join(work);
        let done = run.wait_for(Option::is_some).await.ok()?;
        done.clone()
    }

    fn join<F>(&self, work: impl FnOnce() -> F + Send + 'static) -> Run<T>
    where
        F: Future<Output = T> + Send,
    {
        let mut next = self.next.lock();
        // One whose sender is gone was lost.
        if let Some(run) = next.as_ref().filter(|run| run.has_changed().is_ok()) {
            return run.clone();
        }
        let (tell, told) = watch::channel(None);
        *next = Some(told.clone());
        let (place, turn, rest) = (Arc::clone(&self.next), Arc::clone(&self.turn), self.rest);
        self.runtime.spawn(async move {
            let mut may_begin = turn.lock().await;
            if let Some(at) = *may_begin {
                sleep_until(at).await;
            }
            // Whoever asks from now on is answered by the next run.
            drop(place.lock().take());
            let began = Instant::now();
            let done = work().await;
            let ended = Instant::now();
            *may_begin = Some(ended + (began.elapsed() * rest).min(LONGEST_REST));
            // Nobody may be waiting any more.
            let _gone = tell.send(Some(done));
        });
        told
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use futures_util::poll;
    use tokio::sync::Semaphore;
    use tokio::task::yield_now;

    use super::*;

    /// Work that counts its runs, and ends when it is told to.
    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Counted {
        fn run(self: &Arc<Self>) -> usize {
            self.0.fetch_add(1, Ordering::Relaxed) + 1
        }
    }

    #[tokio::test]
    async fn a_crowd_shares_the_run_after_the_one_that_goes_on() {
        let (all, counted, go_on) =
            (Coalesced::new(Handle::current(), 0), Arc::new(Counted::default()), Arc::new(Semaphore::new(0)));
        let ask = || {
            let (counted, go_on) = (Arc::clone(&counted), Arc::clone(&go_on));
            all.run(move || async move {
                let number = counted.run();
                go_on.acquire().await.unwrap().forget();
                number
            })
        };
        let mut first = Box::pin(ask());
        assert!(poll!(&mut first).is_pending());
        while counted.0.load(Ordering::Relaxed) == 0 {
            yield_now().await;
        }
        // They come, and leave, and others come.
        for _ in 0..100 {
            assert!(poll!(&mut Box::pin(ask())).is_pending());
            yield_now().await;
        }
        let mut crowd: Vec<_> = (0..100).map(|_| Box::pin(ask())).collect();
        for waiting in &mut crowd {
            assert!(poll!(waiting).is_pending());
        }
        yield_now().await;
        assert_eq!(counted.0.load(Ordering::Relaxed), 1, "one at a time, though others left");
        go_on.add_permits(2);
        assert_eq!(first.await, Some(1));
        assert!(
            join_all(crowd)
                .await
                .into_iter()
                .all(|number| number == Some(2))
        );
    }

    #[tokio::test]
    async fn whoever_leaves_does_not_end_the_run_nor_its_turn() {
        let (all, go_on) = (Coalesced::new(Handle::current(), 0), Arc::new(Semaphore::new(0)));
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for _ in 0..20 {
            let (running, most, go_on) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&go_on));
            let mut asked = Box::pin(all.run(move || async move {
                most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                go_on.acquire().await.unwrap().forget();
                running.fetch_sub(1, Ordering::Relaxed);
            }));
            assert!(poll!(&mut asked).is_pending());
            yield_now().await;
            drop(asked);
        }
        go_on.add_permits(20);
        assert_eq!(all.run(|| async {}).await, Some(()));
        assert_eq!((most.load(Ordering::Relaxed), running.load(Ordering::Relaxed)), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn runs_leave_a_pause() {
        let all = Coalesced::new(Handle::current(), 10);
        let took = |secs_of_run: u64| {
            let all = &all;
            async move {
                let began = Instant::now();
                all.run(move || tokio::time::sleep(Duration::from_millis(secs_of_run)))
                    .await
                    .unwrap();
                began.elapsed().as_millis()
            }
        };
        assert_eq!(took(20).await, 20, "the first one waits for nothing");
        assert_eq!(took(500).await, 200 + 500);
        assert_eq!(took(1).await, 1000 + 1, "the longest pause");
    }

    #[tokio::test]
    async fn work_that_panics_does_not_keep_the_next_from_running() {
        let all = Coalesced::new(Handle::current(), 0);
        assert_eq!(all.run(|| async { panic!("broken") }).await, None::<u8>);
        assert_eq!(all.run(|| async { 7 }).await, Some(7));
    }
}
