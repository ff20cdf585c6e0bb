//! When values are read again: at start, and every two minutes by one background task, each value
//! by itself. A login never waits for a read, and the last good value stays while reads fail.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::sleep;

use super::reader::{RETRY_PAUSE, References};
use super::record::ReadRecord;
use super::watched::Watched;

/// From one read of a value to the next.
const INTERVAL: Duration = Duration::from_secs(120);

/// The values that are read again and again. The app holds it, and so does the task that runs it.
pub(crate) struct Watch {
    references: References,
    /// The lock of a value is held while it is read, so that it is read by one task at a time. No
    /// value waits for another.
    all: Vec<Mutex<Watched>>,
    /// What operators are shown of each.
    records: Vec<Arc<ReadRecord>>,
}

impl Watch {
    /// Watches some values, from [`Watch::run`] on.
    pub(crate) fn new(references: References, all: Vec<Watched>) -> Arc<Self> {
        let records = all
            .iter()
            .map(|watched| Arc::clone(watched.record()))
            .collect();
        Arc::new(Self { references, all: all.into_iter().map(Mutex::new).collect(), records })
    }

    /// What operators are shown of each value.
    pub(crate) fn records(&self) -> &[Arc<ReadRecord>] {
        &self.records
    }

    /// Takes over what operators are shown of the values that an earlier configuration has too.
    pub(crate) fn follow(&self, before: &Self) {
        let name = |record: &ReadRecord| (record.key.clone(), record.reference.clone());
        let known: HashMap<_, _> = before
            .records
            .iter()
            .map(|record| (name(record), record))
            .collect();
        for record in &self.records {
            if let Some(before) = known.get(&name(record)) {
                record.follow(before);
            }
        }
    }

    /// Reads every value once, all at a time, and ends when all are read.
    pub(crate) async fn read_all(&self) {
        join_all(self.all.iter().map(|watched| self.read(watched))).await;
    }

    /// Reads every value again and again, and never ends. `first` is told once each has been read,
    /// or has failed, for the first time. A value that takes long holds up no other.
    pub(crate) async fn run(self: Arc<Self>, first: oneshot::Sender<()>) {
        let (unread, mut all_read) = mpsc::channel(1);
        let readings: Vec<_> = self
            .all
            .iter()
            .map(|watched| self.keep(watched, unread.clone()))
            .collect();
        drop(unread);
        let reported = async {
            // Ends when each has dropped its end of the channel.
            let _: Option<Infallible> = all_read.recv().await;
            // The app may have stopped waiting.
            let _ = first.send(());
        };
        tokio::join!(join_all(readings), reported);
    }

    /// Reads one value again and again, and drops `unread` after the first time. A value that could
    /// not be read at all yet is tried more often.
    async fn keep(&self, watched: &Mutex<Watched>, unread: mpsc::Sender<Infallible>) {
        let (mut unread, mut soon) = (Some(unread), RETRY_PAUSE);
        loop {
            let is_unread = self.read(watched).await;
            drop(unread.take());
            sleep(if is_unread { soon } else { INTERVAL }).await;
            soon = if is_unread { (soon * 2).min(INTERVAL) } else { RETRY_PAUSE };
        }
    }

    /// Reads one value once no other task does. The answer is whether none has been accepted yet.
    async fn read(&self, watched: &Mutex<Watched>) -> bool {
        let mut watched = watched.lock().await;
        watched.refresh(&self.references).await;
        watched.is_unread()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::BoxFuture;
    use tokio::time::advance;

    use super::*;
    use crate::aws::{Base, Calls, StoreReader};
    use crate::config::{Aws, HomeRegion};
    use crate::fault::chain;
    use crate::references::{Listing, ReferenceError};

    /// Something whose reads are counted. `read`: what comes of each.
    fn watched(
        reads: &Arc<AtomicUsize>,
        read: impl Fn() -> BoxFuture<'static, Result<Listing, ReferenceError>> + Send + Sync + 'static,
    ) -> Watched {
        let reads = Arc::clone(reads);
        let read = move |_: References| {
            reads.fetch_add(1, Ordering::Relaxed);
            read()
        };
        Watched::of(("x".to_owned(), "ssm:x".to_owned()), read, None, |_: Listing| std::future::ready(Ok(())))
    }

    async fn references() -> References {
        let base =
            Base::from_environment(&Aws { region: None, endpoint_url: None }, HomeRegion::Unneeded, &|_| None).await;
        References::new(Arc::new(StoreReader(Arc::new(Calls::new(base, INTERVAL, None)))), INTERVAL)
    }

    /// Issue 11, A3: one lock was held over a whole round of reads.
    #[tokio::test(start_paused = true)]
    async fn a_read_that_hangs_keeps_no_other_value_waiting() {
        let [hung, well, broken] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
        let failed = || ReferenceError::Deadline(INTERVAL);
        let all = vec![
            watched(&hung, || Box::pin(std::future::pending())),
            watched(&well, || Box::pin(std::future::ready(Ok(Listing::new())))),
            watched(&broken, move || Box::pin(std::future::ready(Err(failed())))),
        ];
        let watch = Watch::new(references().await, all);
        let (first, mut told) = oneshot::channel();
        let running = tokio::spawn(Arc::clone(&watch).run(first));
        let counts = || [&hung, &well, &broken].map(|reads| reads.load(Ordering::Relaxed));
        let after = async |time: Duration| {
            advance(time).await;
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            counts()
        };
        assert_eq!(after(Duration::ZERO).await, [1, 1, 1]);
        assert_eq!(after(RETRY_PAUSE).await, [1, 1, 2], "what could not be read yet is tried sooner");
        assert_eq!(after(RETRY_PAUSE * 2).await, [1, 1, 3]);
        assert_eq!(after(INTERVAL).await, [1, 2, 4]);
        assert!(told.try_recv().is_err(), "not everything has been read");
        let [of_hung, of_well, of_broken] = watch.records() else { panic!() };
        let [hung, well, broken] = [of_hung, of_well, of_broken].map(|record| record.reads());
        assert!(hung.last_read.is_none() && hung.last_error.is_none() && hung.errors == 0);
        assert!(well.last_read.is_some() && well.last_error.is_none());
        assert!(broken.last_read.is_none() && broken.errors == 4, "{broken:?}");
        assert_eq!(broken.last_error.unwrap().1, chain(&failed()));
        running.abort();
    }
}
