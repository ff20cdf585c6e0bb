//! What is read again: at start, and every two minutes by one background task. A login never waits for it; the last good
//! value stays while a read fails.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use tokio::sync::{Mutex, oneshot};
use tokio::time::{Instant, sleep_until};
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
    /// Less what makes no other value.
    last: Option<T>,
    take: Box<Take<T>>,
}

type Read<T> = dyn Fn(References) -> BoxFuture<'static, Result<T, ReferenceError>> + Send + Sync;
type Take<T> = dyn Fn(T) -> BoxFuture<'static, Result<(), BadValue>> + Send + Sync;

/// All that is read again and again.
pub(crate) struct Watch {
    references: References,
    all: Mutex<Vec<Watched>>,
}

impl Watched {
    /// Some references whose values are used together. `known`: what has been read of them already. `take`: makes use of new
    /// values, or says what is wrong with them.
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
        self.iter().map(|(name, text)| (name.clone(), without_its_newline(text))).collect()
    }
}

fn without_its_newline(text: &Secret) -> Secret {
    Secret::new(without_newline(text.expose()).to_owned())
}

impl Watch {
    pub(crate) fn new(references: References, all: Vec<Watched>) -> Arc<Self> {
        Arc::new(Self { references, all: Mutex::new(all) })
    }

    /// Reads everything once, all at a time.
    pub(crate) async fn read_all(&self) {
        let mut all = self.all.lock().await;
        join_all(all.iter_mut().map(|watched| watched.read_again(&self.references))).await;
    }

    /// Reads everything, tells `first`, and reads it again and again: more often what could not be read at all yet.
    pub(crate) async fn run(self: Arc<Self>, first: oneshot::Sender<()>) {
        self.read_all().await;
        // Who waited for it may have gone on.
        let _ = first.send(());
        let mut due = Instant::now() + EVERY;
        let mut soon = AGAIN;
        loop {
            let has_unread = self.all.lock().await.iter().any(|watched| watched.value.is_unread());
            let next = if has_unread { due.min(Instant::now() + soon) } else { due };
            sleep_until(next).await;
            if next == due {
                self.read_all().await;
                due = Instant::now() + EVERY;
            } else {
                soon = (soon * 2).min(EVERY);
                let mut all = self.all.lock().await;
                let unread = all.iter_mut().filter(|watched| watched.value.is_unread());
                join_all(unread.map(|watched| watched.read_again(&self.references))).await;
            }
        }
    }
}
