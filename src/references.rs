//! What the configuration refers to: read at start, and again every two minutes by one background task. A login never
//! waits for one; the last good value stays while a read fails.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, info, warn};

use crate::aws::{self, Base};
use crate::config::{Aws, Listen, Material, Reference, Remote, read_file, without_newline};
use crate::credentials::calls::Calls;
use crate::credentials::{MintError, Place, StoreReader};
use crate::fault::chain;
use crate::secret::Secret;

/// From one read to the next.
const EVERY: Duration = Duration::from_secs(120);

/// While what the listener needs cannot be read.
const AGAIN: Duration = Duration::from_secs(5);

/// Reads references of every kind.
#[derive(Clone)]
pub(crate) struct References {
    store: Arc<StoreReader>,
    /// Of one read.
    patience: Duration,
}

/// A reference that cannot be read now. Its text never holds what was read.
#[derive(Debug, Error)]
pub(crate) enum ReferenceError {
    #[error("cannot read {path}")]
    File { path: String, source: std::io::Error },
    #[error(transparent)]
    Aws(#[from] MintError),
    #[error("{id} is not a JSON object with a string {key:?} in it")]
    Member { id: String, key: String },
    #[error("not read within {}s", .0.as_secs_f32())]
    Deadline(Duration),
}

/// What is wrong with a new value.
pub(crate) type BadValue = Box<dyn Error + Send + Sync>;
type Take = dyn Fn(Vec<Secret>) -> BoxFuture<'static, Result<(), BadValue>> + Send + Sync;

/// Some references whose values are used together, and what becomes of new values.
pub(crate) struct Watched {
    /// The key, for logs.
    name: String,
    from: Vec<Reference>,
    /// Less a newline at the end, which makes no other value.
    last: Option<Vec<Secret>>,
    take: Box<Take>,
    is_failing: bool,
}

/// All that is read again and again.
pub(crate) struct Watch {
    references: References,
    all: Mutex<Vec<Watched>>,
}

impl References {
    pub(crate) fn new(store: Arc<StoreReader>, patience: Duration) -> Self {
        Self { store, patience }
    }

    /// The text that a reference leads to now.
    ///
    /// # Errors
    /// See [`ReferenceError`].
    pub(crate) async fn read(&self, from: &Reference) -> Result<Secret, ReferenceError> {
        match timeout(self.patience, self.find(from)).await {
            Ok(read) => read,
            Err(_elapsed) => Err(ReferenceError::Deadline(self.patience)),
        }
    }

    async fn find(&self, from: &Reference) -> Result<Secret, ReferenceError> {
        match from {
            Reference::File(path) => {
                let file = path.clone();
                let unread = |source| ReferenceError::File { path: path.display().to_string(), source };
                let read = tokio::task::spawn_blocking(move || read_file(&file)).await;
                let text = read.map_err(|stopped| unread(stopped.into())).and_then(|read| read.map_err(unread))?;
                Ok(Secret::new(text))
            }
            // The environment of a process does not change under way, and was read at load.
            Reference::Env(name) => Err(ReferenceError::File {
                path: format!("environment variable {name}"),
                source: std::io::ErrorKind::NotFound.into(),
            }),
            Reference::Remote(Remote::Parameter(name)) => {
                Ok(self.store.read(&Place::parameter(name, None)).await?.text)
            }
            Reference::Remote(Remote::Secret { id, key }) => {
                let text = self.store.read(&Place::secret(id, None)).await?.text;
                match key {
                    None => Ok(text),
                    Some(key) => {
                        member(&text, key).ok_or_else(|| ReferenceError::Member { id: id.clone(), key: key.clone() })
                    }
                }
            }
        }
    }

    /// The listener's certificate and key, and what clients' are verified by: without them nothing can be served, so they
    /// are waited for.
    pub(crate) async fn listener(&self, listen: &mut Listen) {
        if let Some(identity) = &mut listen.identity {
            self.wait_for("listen.tls.cert", &mut identity.cert).await;
            self.wait_for("listen.tls.key", &mut identity.key).await;
        }
        if let Some(clients) = &mut listen.clients {
            self.wait_for("listen.tls.client_ca", &mut clients.ca).await;
            if let Some(crl) = &mut clients.crl {
                self.wait_for("listen.tls.client_crl", crl).await;
            }
        }
    }

    async fn wait_for(&self, name: &str, material: &mut Material) {
        while material.text.is_none() {
            match self.read(&material.from).await {
                Ok(text) => material.text = Some(text),
                Err(error) => {
                    warn!(key = name, error = chain(&error).as_str(), "not served until this can be read");
                    sleep(AGAIN).await;
                }
            }
        }
    }
}

/// The configuration itself, where AWS keeps it: before there is a runtime, and by what the environment alone says.
pub(crate) fn fetch(remote: &Remote, env: &dyn Fn(&str) -> Option<String>) -> Result<Secret, String> {
    const PATIENCE: Duration = Duration::from_secs(20);
    aws::require_roots().map_err(|why| why.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|why| why.to_string())?;
    runtime.block_on(async {
        let base = Base::from_environment(&Aws { region: None, endpoint_url: None }, env).await;
        let store = StoreReader(Arc::new(Calls::new(base, PATIENCE, None)));
        let read = References::new(Arc::new(store), PATIENCE).read(&Reference::Remote(remote.clone())).await;
        read.map_err(|error| chain(&error))
    })
}

/// One string of a JSON object.
fn member(text: &Secret, key: &str) -> Option<Secret> {
    let object: serde_json::Value = serde_json::from_str(text.expose()).ok()?;
    object.get(key)?.as_str().map(|text| Secret::new(text.to_owned()))
}

impl Watched {
    /// `known`: what has been read of them already. `take`: makes use of new values, or says what is wrong with them.
    pub(crate) fn new<F>(
        name: String,
        from: Vec<Reference>,
        known: Option<Vec<Secret>>,
        take: impl Fn(Vec<Secret>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), BadValue>> + Send + 'static,
    {
        let last = known.map(|known| without_newlines(&known));
        Self { name, from, last, take: Box::new(move |values| Box::pin(take(values))), is_failing: false }
    }

    async fn read_again(&mut self, references: &References) {
        if let Err(error) = self.renew(references).await {
            let (key, error) = (self.name.as_str(), chain(&*error));
            if !std::mem::replace(&mut self.is_failing, true) {
                warn!(key, error = error.as_str(), "cannot be read: the last good value stays");
            } else {
                debug!(key, error = error.as_str(), "still cannot be read");
            }
        } else if std::mem::take(&mut self.is_failing) {
            info!(key = self.name.as_str(), "can be read again");
        }
    }

    async fn renew(&mut self, references: &References) -> Result<(), BadValue> {
        let read = join_all(self.from.iter().map(|from| references.read(from))).await;
        let values = read.into_iter().collect::<Result<Vec<_>, _>>()?;
        let new = without_newlines(&values);
        if self.last.as_ref() != Some(&new) {
            (self.take)(values).await?;
            if self.last.replace(new).is_some() {
                info!(key = self.name.as_str(), "has a new value");
            }
        }
        Ok(())
    }
}

fn without_newlines(values: &[Secret]) -> Vec<Secret> {
    values.iter().map(|value| Secret::new(without_newline(value.expose()).to_owned())).collect()
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

    /// Reads everything again and again, and more often what could not be read at all yet.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut due = Instant::now() + EVERY;
        let mut soon = AGAIN;
        loop {
            let has_unread = self.all.lock().await.iter().any(|watched| watched.last.is_none());
            let next = if has_unread { due.min(Instant::now() + soon) } else { due };
            sleep_until(next).await;
            if next == due {
                self.read_all().await;
                due = Instant::now() + EVERY;
            } else {
                soon = (soon * 2).min(EVERY);
                let mut all = self.all.lock().await;
                let unread = all.iter_mut().filter(|watched| watched.last.is_none());
                join_all(unread.map(|watched| watched.read_again(&self.references))).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_of_a_secret_is_a_string() {
        let found =
            |text: &str, key: &str| member(&Secret::new(text.to_owned()), key).map(|member| member.expose().to_owned());
        assert_eq!(found(r#"{"a":"b","n":1}"#, "a").as_deref(), Some("b"));
        for (text, key) in [(r#"{"n":1}"#, "n"), ("{}", "a"), ("[]", "a"), ("a", "a"), ("\"a\"", "a")] {
            assert_eq!(found(text, key), None, "{text}");
        }
    }
}
