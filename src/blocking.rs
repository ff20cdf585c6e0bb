//! Work that blocks its thread: key derivations, of thousands of hashes each, and reads of files
//! that may hang.
//!
//! Each piece runs on a thread of its own rather than on the blocking threads of a runtime, which
//! it would share with everything else that blocks. How many run at once is bounded twice: by key
//! (one client's address, one warehouse, one file), so that nobody's work keeps others waiting, and
//! in all. A piece that nobody waits for any more goes on, and keeps its turn until it ends.

use std::collections::HashMap;
use std::hash::Hash;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// The turns of one kind of blocking work. One is shared by all who ask for that kind; each piece
/// of work holds a [`Turn`] until it ends.
pub(crate) struct Lanes<K: Eq + Hash> {
    /// The name of the threads, for people who look at the process.
    name: &'static str,
    /// How many pieces of one key run, or wait for the turns of all, at once.
    each: usize,
    /// The turns of all keys.
    all: Arc<Semaphore>,
    /// The lock is held for one look at the map, never while work runs or waits.
    of_key: Arc<Mutex<OfKey<K>>>,
}

/// The turns of each key that has work, and how many pieces that is.
type OfKey<K> = HashMap<K, (usize, Arc<Semaphore>)>;

/// Why a piece of blocking work has no result.
#[derive(Debug, Error)]
pub enum Unfinished {
    /// The system gave no thread.
    #[error("no thread for it")]
    Thread(#[from] io::Error),
    /// The work panicked before it had a result.
    #[error("it was broken off")]
    Panicked,
}

/// The right of one piece of work to run. Dropping it lets the next piece run.
pub(crate) struct Turn<K: Eq + Hash> {
    key: K,
    of_key: Arc<Mutex<OfKey<K>>>,
    permits: Vec<OwnedSemaphorePermit>,
}

impl<K: Clone + Eq + Hash + Send + 'static> Lanes<K> {
    /// Lets so many pieces run at once: `each` of one key, at least 1, and `all` of all keys.
    pub(crate) fn new(name: &'static str, each: usize, all: usize) -> Self {
        Self { name, each, all: Arc::new(Semaphore::new(all)), of_key: Arc::default() }
    }

    /// Does the work when it is its turn: first of its key, then of all, each in the order of
    /// asking. The caller sets the deadline. Cancel safe: work that has begun goes on.
    ///
    /// # Errors
    /// See [`Unfinished`].
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        key: K,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unfinished> {
        let turn = self.turn(key).await;
        let (tell, told) = oneshot::channel();
        thread::Builder::new()
            .name(self.name.to_owned())
            .spawn(move || {
                let done = work();
                drop(turn);
                // Nobody may be waiting any more.
                let _ = tell.send(done);
            })?;
        told.await.map_err(|_closed| Unfinished::Panicked)
    }

    /// Does work that must not be left undone: as [`Self::run`] does, and where that has no result,
    /// once more on the thread of the caller, which it blocks. Tells what went wrong the first
    /// time.
    ///
    /// # Errors
    /// [`Unfinished::Panicked`]: it panicked here too.
    pub(crate) async fn run_or_here<T: Send + 'static>(
        &self,
        key: K,
        work: impl Fn() -> T + Send + Sync + 'static,
    ) -> Result<(T, Option<Unfinished>), Unfinished> {
        let work = Arc::new(work);
        let on_a_thread = Arc::clone(&work);
        match self.run(key, move || on_a_thread()).await {
            Ok(done) => Ok((done, None)),
            Err(unfinished) => panic::catch_unwind(AssertUnwindSafe(|| work()))
                .map(|done| (done, Some(unfinished)))
                .map_err(|_panic| Unfinished::Panicked),
        }
    }

    /// Waits for a turn, for work that the caller does elsewhere.
    pub(crate) async fn turn(&self, key: K) -> Turn<K> {
        let of_this = {
            let mut of_key = self.of_key.lock();
            let (pieces, turns) = of_key
                .entry(key.clone())
                .or_insert_with(|| (0, Arc::new(Semaphore::new(self.each))));
            *pieces += 1;
            Arc::clone(turns)
        };
        // Before the first wait, so that a piece that is given up while it waits is counted out
        // again.
        let mut turn = Turn { key, of_key: Arc::clone(&self.of_key), permits: Vec::with_capacity(2) };
        for turns in [of_this, Arc::clone(&self.all)] {
            // Never closed.
            turn.permits.extend(turns.acquire_owned().await);
        }
        turn
    }
}

impl<K: Eq + Hash> Drop for Turn<K> {
    fn drop(&mut self) {
        let mut of_key = self.of_key.lock();
        if let Some((pieces, _)) = of_key.get_mut(&self.key) {
            *pieces -= 1;
            if *pieces == 0 {
                of_key.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::poll;

    use super::*;

    /// Work that ends when it is told to.
    fn held() -> (mpsc::Sender<()>, impl FnOnce() + Send + 'static) {
        let (go_on, told) = mpsc::channel::<()>();
        (go_on, move || told.recv().unwrap_or_default())
    }

    #[tokio::test]
    async fn abandoned_work_keeps_its_turn_to_its_end() {
        let lanes = Lanes::new("test", 1, 1);
        let (go_on, work) = held();
        let mut abandoned = Box::pin(lanes.run(1, work));
        assert!(poll!(&mut abandoned).is_pending());
        drop(abandoned);
        let mut next = Box::pin(lanes.run(2, || 7));
        assert!(poll!(&mut next).is_pending());
        assert_eq!(lanes.all.available_permits(), 0);
        go_on.send(()).unwrap();
        assert_eq!(next.await.unwrap(), 7);
    }

    #[tokio::test]
    async fn work_that_panics_gives_its_turn_back() {
        let lanes = Lanes::new("test", 1, 1);
        let broken: Result<(), _> = lanes.run(1, || panic!("broken")).await;
        assert!(matches!(broken, Err(Unfinished::Panicked)));
        assert_eq!(lanes.run(1, || 7).await.unwrap(), 7);
        assert!(lanes.of_key.lock().is_empty());
    }

    /// Review of issue 13: where a reload had no thread, no session lost its right.
    #[tokio::test]
    async fn work_that_must_be_done_is_done_here_where_a_thread_does_not_do_it() {
        let lanes = Lanes::new("test", 1, 1);
        let here = thread::current().id();
        let (done, failed) = lanes
            .run_or_here(1, move || thread::current().id() != here)
            .await
            .unwrap();
        assert!(done && failed.is_none());
        let here_only = move || {
            assert_eq!(thread::current().id(), here, "broken");
            7
        };
        let (done, failed) = lanes.run_or_here(1, here_only).await.unwrap();
        assert!(done == 7 && matches!(failed, Some(Unfinished::Panicked)));
        let broken: Result<((), _), _> = lanes.run_or_here(1, || panic!("broken")).await;
        assert!(matches!(broken, Err(Unfinished::Panicked)));
        assert_eq!(lanes.run(1, || 7).await.unwrap(), 7);
    }

    /// Issue 11, A3 and A4: a crowd of one key filled the queue that all share.
    #[tokio::test]
    async fn a_crowd_of_one_key_does_not_stand_ahead_of_others() {
        let lanes = Lanes::new("test", 1, 2);
        let (go_on, work) = held();
        let mut first = Box::pin(lanes.run("crowd", work));
        assert!(poll!(&mut first).is_pending());
        let mut crowd: Vec<_> = (0..100).map(|_| Box::pin(lanes.turn("crowd"))).collect();
        for waiting in &mut crowd {
            assert!(poll!(waiting).is_pending());
        }
        assert_eq!(lanes.run("other", || 7).await.unwrap(), 7);
        go_on.send(()).unwrap();
        first.await.unwrap();
        drop(crowd);
        assert!(lanes.of_key.lock().is_empty(), "nothing is kept of keys without work");
        assert_eq!(lanes.all.available_permits(), 2);
    }
}
