//! What is read again: at start, and every two minutes by one background task, each value by
//! itself. A login never waits for it; the last good value stays while a read fails.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::{AGAIN, Listing, ReferenceError, References};
use crate::config::{Reference, without_newline};
use crate::fault::chain;
use crate::secret::Secret;

/// From one read to the next.
const EVERY: Duration = Duration::from_secs(120);

/// What is wrong with a new value.
pub(crate) type BadValue = Box<dyn Error + Send + Sync>;

/// Something whose value may change, and what becomes of new values.
pub(crate) struct Watched {
    /// The key, for logs.
    name: String,
    value: Box<dyn Renew>,
    is_failing: bool,
}

/// Reads a value, and makes use of it where it is new.
trait Renew: Send {
    /// Whether it was another one before.
    fn renew<'a>(&'a mut self, references: &'a References) -> BoxFuture<'a, Result<bool, BadValue>>;

    /// Whether there has been no good one yet.
    fn is_unread(&self) -> bool;
}

/// A value of some kind.
struct Value<T> {
    read: Box<Read<T>>,
    /// The last value we accepted, without its trailing newline, so that adding one is not taken
    /// for a change.
    last: Option<T>,
    take: Box<Take<T>>,
}

type Read<T> = dyn Fn(References) -> BoxFuture<'static, Result<T, ReferenceError>> + Send + Sync;
type Take<T> = dyn Fn(T) -> BoxFuture<'static, Result<(), BadValue>> + Send + Sync;

/// All that is read again and again.
pub(crate) struct Watch {
    references: References,
    /// Each held while it is read.
    all: Vec<Mutex<Watched>>,
}

impl Watched {
    /// Some references whose values are used together. `known`: what has been read of them already.
    /// `take`: makes use of new values, or says what is wrong with them.
    pub(crate) fn new<F>(
        name: String,
        from: Vec<Reference>,
        known: Option<Vec<Secret>>,
        take: impl Fn(Vec<Secret>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), BadValue>> + Send + 'static,
    {
        let read = move |references: References| -> BoxFuture<'static, _> {
            let from = from.clone();
            Box::pin(async move {
                let read = join_all(from.iter().map(|from| references.read(from))).await;
                read.into_iter().collect::<Result<Vec<_>, _>>()
            })
        };
        let last = known.map(|known| known.comparable());
        let take = move |values| -> BoxFuture<'static, _> { Box::pin(take(values)) };
        let value = Value { read: Box::new(read), last, take: Box::new(take) };
        Self { name, value: Box::new(value), is_failing: false }
    }

    /// All parameters right below an SSM path.
    pub(crate) fn path<F>(name: String, path: String, take: impl Fn(Listing) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), BadValue>> + Send + 'static,
    {
        let read = move |references: References| -> BoxFuture<'static, _> {
            let path = path.clone();
            Box::pin(async move { references.list(&path).await })
        };
        let take = move |listing| -> BoxFuture<'static, _> { Box::pin(take(listing)) };
        let value = Value { read: Box::new(read), last: None, take: Box::new(take) };
        Self { name, value: Box::new(value), is_failing: false }
    }

    async fn read_again(&mut self, references: &References) {
        let key = self.name.as_str();
        match self.value.renew(references).await {
            Ok(is_another) => {
                if std::mem::take(&mut self.is_failing) {
                    info!(key, "can be read again");
                }
                if is_another {
                    info!(key, "has a new value");
                }
            }
            Err(error) => {
                let error = chain(&*error);
                if !std::mem::replace(&mut self.is_failing, true) {
                    warn!(key, error = error.as_str(), "cannot be read: the last good value stays");
                } else {
                    debug!(key, error = error.as_str(), "still cannot be read");
                }
            }
        }
    }
}

impl<T: Comparable + Send> Renew for Value<T> {
    fn renew<'a>(&'a mut self, references: &'a References) -> BoxFuture<'a, Result<bool, BadValue>> {
        Box::pin(async move {
            let value = (self.read)(references.clone()).await?;
            let new = value.comparable();
            if self.last.as_ref() == Some(&new) {
                return Ok(false);
            }
            (self.take)(value).await?;
            Ok(self.last.replace(new).is_some())
        })
    }

    fn is_unread(&self) -> bool {
        self.last.is_none()
    }
}

/// What can be told from another value.
trait Comparable: Eq {
    /// Less the newline at the end of a text, which makes no other text.
    fn comparable(&self) -> Self;
}

impl Comparable for Vec<Secret> {
    fn comparable(&self) -> Self {
        self.iter().map(without_its_newline).collect()
    }
}

impl Comparable for Listing {
    fn comparable(&self) -> Self {
        self.iter()
            .map(|(name, text)| (name.clone(), without_its_newline(text)))
            .collect()
    }
}

fn without_its_newline(text: &Secret) -> Secret {
    Secret::new(without_newline(text.expose()).to_owned())
}

impl Watch {
    pub(crate) fn new(references: References, all: Vec<Watched>) -> Arc<Self> {
        Arc::new(Self { references, all: all.into_iter().map(Mutex::new).collect() })
    }

    /// Reads everything once, all at a time.
    pub(crate) async fn read_all(&self) {
        join_all(self.all.iter().map(|watched| self.read(watched))).await;
    }

    /// Reads everything, tells `first`, and reads it again and again. One that takes long keeps no
    /// other waiting.
    pub(crate) async fn run(self: Arc<Self>, first: oneshot::Sender<()>) {
        let (unread, mut all_read) = mpsc::channel(1);
        let readings: Vec<_> = self
            .all
            .iter()
            .map(|watched| self.keep(watched, unread.clone()))
            .collect();
        drop(unread);
        let told = async {
            // Ends when each has let go of its end of the channel.
            let _: Option<Infallible> = all_read.recv().await;
            // Who waited for it may have gone on.
            let _ = first.send(());
        };
        tokio::join!(join_all(readings), told);
    }

    /// Reads one value again and again, lets go of `unread` after the first time. A value that
    /// could not be read at all yet is tried more often.
    async fn keep(&self, watched: &Mutex<Watched>, unread: mpsc::Sender<Infallible>) {
        let (mut unread, mut soon) = (Some(unread), AGAIN);
        loop {
            let is_unread = self.read(watched).await;
            drop(unread.take());
            sleep(if is_unread { soon } else { EVERY }).await;
            soon = if is_unread { (soon * 2).min(EVERY) } else { AGAIN };
        }
    }

    /// Reads one value, once nobody else does: whether there is still no good one.
    async fn read(&self, watched: &Mutex<Watched>) -> bool {
        let mut watched = watched.lock().await;
        watched.read_again(&self.references).await;
        watched.value.is_unread()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::advance;

    use super::*;
    use crate::aws::{Base, Calls, StoreReader};
    use crate::config::{Aws, HomeRegion};

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
        let take = |_| -> BoxFuture<'static, _> { Box::pin(std::future::ready(Ok(()))) };
        let value = Value { read: Box::new(read), last: None, take: Box::new(take) };
        Watched { name: "x".to_owned(), value: Box::new(value), is_failing: false }
    }

    async fn references() -> References {
        let base =
            Base::from_environment(&Aws { region: None, endpoint_url: None }, HomeRegion::Unneeded, &|_| None).await;
        References::new(Arc::new(StoreReader(Arc::new(Calls::new(base, EVERY, None)))), EVERY)
    }

    /// Issue 11, A3: one lock was held over a whole round.
    #[tokio::test(start_paused = true)]
    async fn a_read_that_hangs_keeps_no_other_value_waiting() {
        let [hung, well, broken] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
        let failed = || ReferenceError::Deadline(EVERY);
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
        assert_eq!(after(AGAIN).await, [1, 1, 2], "what could not be read yet is tried sooner");
        assert_eq!(after(AGAIN * 2).await, [1, 1, 3]);
        assert_eq!(after(EVERY).await, [1, 2, 4]);
        assert!(told.try_recv().is_err(), "not everything has been read");
        running.abort();
    }
}
