//! Reads of references, one at a time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::error::ReferenceError;
use super::files::Files;
use super::listing::{LISTING_TIMEOUT, Listing, MAX_LISTED, MAX_LISTED_BYTES, MAX_PAGES};
use crate::aws::{StoreReader, StoredAt};
use crate::config::{Reference, Remote};
use crate::fault::chain;
use crate::secret::{Secret, SecretJson};

/// From one try to the next, while a value that is needed cannot be read.
pub(super) const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// Reads references of every kind. Clones share their state.
#[derive(Clone)]
pub(crate) struct References {
    store: Arc<StoreReader>,
    files: Arc<Files>,
    /// The longest that one read may take.
    timeout: Duration,
    /// The parameters that were reported for being plain Strings, so that each is reported once.
    /// The lock guards the set alone, and is held for one insertion.
    reported_plain: Arc<Mutex<BTreeSet<String>>>,
}

impl References {
    /// Makes a reader whose reads each take `timeout` at most.
    pub(crate) fn new(store: Arc<StoreReader>, timeout: Duration) -> Self {
        Self { store, files: Arc::new(Files::new()), timeout, reported_plain: Arc::default() }
    }

    /// Makes a reader for the next configuration. Reads of files that hang keep their turns in both,
    /// and what was reported is not reported again.
    pub(crate) fn by_another(&self, store: Arc<StoreReader>, timeout: Duration) -> Self {
        Self { store, timeout, ..self.clone() }
    }

    /// Reads the text that a reference leads to now.
    ///
    /// # Errors
    /// See [`ReferenceError`].
    pub(crate) async fn read(&self, from: &Reference) -> Result<Secret, ReferenceError> {
        match timeout(self.timeout, self.find(from)).await {
            Ok(read) => read,
            Err(_elapsed) => Err(ReferenceError::Deadline(self.timeout)),
        }
    }

    async fn find(&self, from: &Reference) -> Result<Secret, ReferenceError> {
        match from {
            Reference::File(path) => {
                let unread = |source| ReferenceError::File { path: path.display().to_string(), source };
                self.files.read(path).await.map(Secret::new).map_err(unread)
            }
            // The environment of a process does not change under way, and was read at load.
            Reference::Env(name) => Err(ReferenceError::File {
                path: format!("environment variable {name}"),
                source: std::io::ErrorKind::NotFound.into(),
            }),
            Reference::Remote(Remote::Parameter(name)) => {
                let stored = self.store.read(&StoredAt::parameter(name, None)).await?;
                if !stored.is_secure && is_secret(&stored.text) && self.is_first_report(name) {
                    warn!(
                        event = "plain parameter",
                        parameter = name.as_str(),
                        "is a plain String, which many may read: a password or key belongs in a SecureString"
                    );
                }
                Ok(stored.text)
            }
            Reference::Remote(Remote::Secret { id, key }) => {
                let text = self.store.read(&StoredAt::secret(id, None)).await?.text;
                match key {
                    None => Ok(text),
                    Some(key) => {
                        member(&text, key).ok_or_else(|| ReferenceError::Member { id: id.clone(), key: key.clone() })
                    }
                }
            }
        }
    }

    /// Whether a parameter has not been reported for being a plain String yet.
    fn is_first_report(&self, name: &str) -> bool {
        self.reported_plain.lock().insert(name.to_owned())
    }

    /// Lists the SecureString parameters right below an SSM path. Parameters of other types are
    /// passed over.
    ///
    /// # Errors
    /// See [`ReferenceError`].
    pub(crate) async fn list(&self, path: &str) -> Result<Listing, ReferenceError> {
        match timeout(LISTING_TIMEOUT, self.pages(path)).await {
            Ok(listed) => listed,
            Err(_elapsed) => Err(ReferenceError::Deadline(LISTING_TIMEOUT)),
        }
    }

    async fn pages(&self, path: &str) -> Result<Listing, ReferenceError> {
        let (mut listing, mut bytes, mut next, mut passed_over) = (Listing::new(), 0, None, 0_usize);
        for pages in 1.. {
            let page = timeout(self.timeout, self.store.page(path, next.as_deref())).await;
            let page = page.map_err(|_elapsed| ReferenceError::Deadline(self.timeout))??;
            for (name, stored) in page.found {
                if !stored.is_secure {
                    passed_over += 1;
                    continue;
                }
                bytes += stored.text.expose().len();
                listing.insert(name, stored.text);
            }
            if listing.len() + passed_over > MAX_LISTED || bytes > MAX_LISTED_BYTES {
                return Err(ReferenceError::TooMany { path: path.to_owned() });
            }
            if page.next.is_none() {
                break;
            }
            if page.next == next || pages == MAX_PAGES {
                return Err(ReferenceError::Endless { path: path.to_owned() });
            }
            next = page.next;
        }
        if passed_over > 0 {
            debug!(path, parameters = passed_over, "passed over, for they are no SecureStrings");
        }
        Ok(listing)
    }

    /// Reads a reference until that succeeds, for values without which nothing can be served. Each
    /// failure is logged with the configuration's `key` that has the reference.
    pub(crate) async fn wait_for(&self, key: &str, from: &Reference) -> Secret {
        loop {
            match self.read(from).await {
                Ok(text) => return text,
                Err(error) => {
                    warn!(
                        event = "reference unreadable",
                        key,
                        error = chain(&error).as_str(),
                        "not served until this can be read"
                    );
                    sleep(RETRY_PAUSE).await;
                }
            }
        }
    }
}

/// Whether a text has to be kept secret. Certificates and revocation lists need not be.
fn is_secret(text: &Secret) -> bool {
    let text = text.expose();
    !text.contains("-----BEGIN ") || text.contains("PRIVATE KEY-----")
}

/// Reads one string of a JSON object. `None`: the text is no such object, or has no such string.
fn member(text: &Secret, key: &str) -> Option<Secret> {
    let json = SecretJson::parse(text).ok()?;
    json.object()?
        .get(key)?
        .as_str()
        .map(|text| Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::aws::{Base, Calls};
    use crate::config::Aws;

    /// An SSM that answers every request with this `NextToken`, or with them in turn, on a
    /// connection each.
    async fn ssm(
        tokens: &'static [&'static str],
    ) -> (References, tokio::task::JoinHandle<()>, Arc<std::sync::Mutex<usize>>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(std::sync::Mutex::new(0));
        let count = Arc::clone(&asked);
        let answering = tokio::spawn(async move {
            for token in tokens.iter().cycle() {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = [0; 4096];
                assert_ne!(socket.read(&mut request).await.unwrap(), 0);
                *count.lock().unwrap() += 1;
                let body = format!(
                    r#"{{"Parameters":[{{"Name":"/u/a","Type":"SecureString","Value":"v"}}],"NextToken":"{token}"}}"#
                );
                let length = body.len();
                let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
                socket
                    .write_all(format!("{head}{body}").as_bytes())
                    .await
                    .unwrap();
            }
        });
        let aws = Aws { region: Some("eu-west-1".to_owned()), endpoint_url: Some(url) };
        let calls = Calls::new(Base::with_keys(&aws, "AKIA", "secret").await, Duration::from_secs(20), None);
        (References::new(Arc::new(StoreReader(Arc::new(calls))), Duration::from_secs(20)), answering, asked)
    }

    #[tokio::test]
    async fn a_listing_ends_with_an_empty_token_and_an_endless_one_is_reported() {
        for (tokens, calls, is_read) in [(&["", "x"][..], 1, true), (&["a", ""], 2, true), (&["a"], 2, false)] {
            let (references, answering, asked) = ssm(tokens).await;
            let listed = references.list("/u").await;
            assert_eq!((listed.is_ok(), *asked.lock().unwrap()), (is_read, calls), "{tokens:?} {listed:?}");
            if let Err(error) = listed {
                assert!(matches!(&error, ReferenceError::Endless { .. }), "{error}");
            }
            answering.abort();
        }
    }

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
