//! One value that may change while the proxy runs, and what is done with new ones.

use std::error::Error;
use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};
use tracing::{debug, info, warn};

use super::error::ReferenceError;
use super::listing::Listing;
use super::reader::References;
use super::record::ReadRecord;
use crate::config::{Reference, without_newline};
use crate::fault::chain;
use crate::secret::Secret;

/// Why a new value is not accepted.
pub(crate) type BadValue = Box<dyn Error + Send + Sync>;

/// A value that may change while the proxy runs, and what is done with new ones.
pub(crate) struct Watched {
    /// What operators are shown of it.
    record: Arc<ReadRecord>,
    value: Box<dyn Refresh>,
    /// Whether the last read failed, so that a failure is logged as a warning once.
    is_failing: bool,
}

/// Reads a value again.
trait Refresh: Send {
    /// Reads the value, and has it applied if it is new. The answer is whether it took the place of
    /// an earlier one.
    fn refresh<'a>(&'a mut self, references: &'a References) -> BoxFuture<'a, Result<bool, BadValue>>;

    /// Whether no value has been accepted yet.
    fn is_unread(&self) -> bool;
}

/// A value of the type `T`.
struct Value<T> {
    read: Box<Read<T>>,
    /// The last value we accepted, without its trailing newline, so that adding one is not taken
    /// for a change.
    accepted: Option<T>,
    apply: Box<Apply<T>>,
}

type Read<T> = dyn Fn(References) -> BoxFuture<'static, Result<T, ReferenceError>> + Send + Sync;
type Apply<T> = dyn Fn(T) -> BoxFuture<'static, Result<(), BadValue>> + Send + Sync;

impl Watched {
    /// Watches some references whose values are used together. `known` are the values that were
    /// read with the configuration. `apply` puts new values to use, or says what is wrong with
    /// them.
    pub(crate) fn new<F>(
        name: String,
        from: Vec<Reference>,
        known: Option<Vec<Secret>>,
        apply: impl Fn(Vec<Secret>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), BadValue>> + Send + 'static,
    {
        let reference = from
            .iter()
            .map(Reference::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        let read = move |references: References| -> BoxFuture<'static, _> {
            let from = from.clone();
            Box::pin(async move {
                let read = join_all(from.iter().map(|from| references.read(from))).await;
                read.into_iter().collect::<Result<Vec<_>, _>>()
            })
        };
        Self::of((name, reference), read, known, apply)
    }

    /// Watches all parameters right below an SSM path.
    pub(crate) fn path<F>(name: String, path: String, apply: impl Fn(Listing) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), BadValue>> + Send + 'static,
    {
        let reference = format!("ssm:{path}/{{user}}");
        let read = move |references: References| -> BoxFuture<'static, _> {
            let path = path.clone();
            Box::pin(async move { references.list(&path).await })
        };
        Self::of((name, reference), read, None, apply)
    }

    /// Watches whatever `read` reads, by the key and the reference that lead to it.
    pub(super) fn of<T, F>(
        (key, reference): (String, String),
        read: impl Fn(References) -> BoxFuture<'static, Result<T, ReferenceError>> + Send + Sync + 'static,
        known: Option<T>,
        apply: impl Fn(T) -> F + Send + Sync + 'static,
    ) -> Self
    where
        T: Comparable + Send + 'static,
        F: Future<Output = Result<(), BadValue>> + Send + 'static,
    {
        let record = Arc::new(ReadRecord::new(key, reference, known.is_some()));
        let accepted = known.map(|known| known.comparable());
        let apply = move |value| -> BoxFuture<'static, _> { Box::pin(apply(value)) };
        let value = Value { read: Box::new(read), accepted, apply: Box::new(apply) };
        Self { record, value: Box::new(value), is_failing: false }
    }

    /// Reads the value again, and logs what is news: a new value, the first failure, its end.
    pub(super) async fn refresh(&mut self, references: &References) {
        let read = self.value.refresh(references).await;
        let key = self.record.key.as_str();
        match read {
            Ok(is_another) => {
                self.record.succeeded();
                if std::mem::take(&mut self.is_failing) {
                    info!(event = "reference readable", key, "can be read again");
                }
                if is_another {
                    info!(event = "reference changed", key, "has a new value");
                }
            }
            Err(error) => {
                let error = chain(&*error);
                self.record.failed(&error);
                if !std::mem::replace(&mut self.is_failing, true) {
                    warn!(
                        event = "reference unreadable",
                        key,
                        error = error.as_str(),
                        "cannot be read: the last good value stays"
                    );
                } else {
                    debug!(key, error = error.as_str(), "still cannot be read");
                }
            }
        }
    }

    /// What operators are shown of the value.
    pub(super) fn record(&self) -> &Arc<ReadRecord> {
        &self.record
    }

    /// Whether no value has been accepted yet.
    pub(super) fn is_unread(&self) -> bool {
        self.value.is_unread()
    }
}

impl<T: Comparable + Send> Refresh for Value<T> {
    fn refresh<'a>(&'a mut self, references: &'a References) -> BoxFuture<'a, Result<bool, BadValue>> {
        Box::pin(async move {
            let value = (self.read)(references.clone()).await?;
            let new = value.comparable();
            if self.accepted.as_ref() == Some(&new) {
                return Ok(false);
            }
            (self.apply)(value).await?;
            Ok(self.accepted.replace(new).is_some())
        })
    }

    fn is_unread(&self) -> bool {
        self.accepted.is_none()
    }
}

/// A value that is compared with the one before.
pub(super) trait Comparable: Eq {
    /// The value without the newline at the end of a text, which does not make it another one.
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
