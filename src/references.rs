//! What the configuration refers to, and how it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

pub(crate) use self::watch::{BadValue, Watch, Watched};
use crate::aws::{self, AwsError, Base, Calls, StoreReader, StoredAt};
use crate::blocking::Lanes;
use crate::config::{Aws, HomeRegion, Listen, Material, Reference, Remote, read_regular};
use crate::fault::chain;
use crate::secret::{Secret, SecretJson};

mod watch;

/// For one listing of a path, all its pages: less than from one read to the next.
const LISTING: Duration = Duration::from_secs(90);

/// The most parameters below a path that are taken, and the most bytes of their values.
const MAX_LISTED: usize = 10_000;
const MAX_LISTED_BYTES: usize = 8 * 1024 * 1024;

/// The most pages of one listing: twice what so many parameters need at ten a page, for a page may
/// be empty.
const MAX_PAGES: usize = MAX_LISTED / 10 * 2;

/// While what the listener needs cannot be read.
const AGAIN: Duration = Duration::from_secs(5);

/// Reads of files at a time: of one file, of one folder, and in all. A read on a mount that hangs
/// never ends: it keeps its turns, and with them the next read of its file and, after a few, those
/// of its folder, but no others.
const READS_OF_FILE: usize = 1;
const READS_OF_FOLDER: usize = 4;
const READS: usize = 256;

/// Reads references of every kind.
#[derive(Clone)]
pub(crate) struct References {
    store: Arc<StoreReader>,
    files: Arc<Files>,
    /// Of one read.
    patience: Duration,
    /// Parameters of which it was told that they are plain Strings.
    plain: Arc<Mutex<BTreeSet<String>>>,
}

/// A reference that cannot be read now. Its text never holds what was read.
#[derive(Debug, Error)]
pub(crate) enum ReferenceError {
    #[error("cannot read {path}")]
    File { path: String, source: std::io::Error },
    #[error(transparent)]
    Aws(#[from] AwsError),
    #[error("{id} is not a JSON object with a string {key:?} in it")]
    Member { id: String, key: String },
    #[error("below {path} there are more than {MAX_LISTED} parameters, or {MAX_LISTED_BYTES} bytes of values")]
    TooMany { path: String },
    #[error(
        "the listing of {path} does not end: AWS answers with the same NextToken again, or with over {MAX_PAGES} pages"
    )]
    Endless { path: String },
    #[error("not read within {}s", .0.as_secs_f32())]
    Deadline(Duration),
}

/// The parameters below a path by the last element of their names.
pub(crate) type Listing = BTreeMap<String, Secret>;

impl References {
    pub(crate) fn new(store: Arc<StoreReader>, patience: Duration) -> Self {
        Self { store, files: Arc::new(Files::new()), patience, plain: Arc::default() }
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
                if !stored.is_secure && is_secret(&stored.text) && self.is_first(name) {
                    warn!(
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

    /// Whether nothing has been told of this parameter yet.
    fn is_first(&self, name: &str) -> bool {
        self.plain
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned())
    }

    /// The SecureString parameters right below an SSM path; others are passed over.
    ///
    /// # Errors
    /// See [`ReferenceError`].
    pub(crate) async fn list(&self, path: &str) -> Result<Listing, ReferenceError> {
        match timeout(LISTING, self.pages(path)).await {
            Ok(listed) => listed,
            Err(_elapsed) => Err(ReferenceError::Deadline(LISTING)),
        }
    }

    async fn pages(&self, path: &str) -> Result<Listing, ReferenceError> {
        let (mut listing, mut bytes, mut next, mut passed_over) = (Listing::new(), 0, None, 0_usize);
        for pages in 1.. {
            let page = timeout(self.patience, self.store.page(path, next.as_deref())).await;
            let page = page.map_err(|_elapsed| ReferenceError::Deadline(self.patience))??;
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

    /// The listener's certificate and key, and what clients' are verified by: without them nothing
    /// can be served, so they are waited for.
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

/// Files that are read while the proxy runs, on threads of their own.
struct Files {
    of_file: Lanes<PathBuf>,
    of_folder: Lanes<PathBuf>,
}

impl Files {
    fn new() -> Self {
        Self {
            of_file: Lanes::new("reference", READS_OF_FILE, Semaphore::MAX_PERMITS),
            of_folder: Lanes::new("reference", READS_OF_FOLDER, READS),
        }
    }

    /// The text of a file, when it is its turn. The caller sets the deadline; a read that has begun
    /// goes on behind it.
    async fn read(&self, path: &Path) -> std::io::Result<String> {
        let turn = self.of_file.turn(path.to_owned()).await;
        let (file, folder) = (path.to_owned(), path.parent().unwrap_or(path).to_owned());
        let read = self.of_folder.run(folder, move || {
            let _to_the_end = turn;
            read_regular(&file)
        });
        read.await.map_err(std::io::Error::other)?
    }
}

/// The configuration itself, where AWS keeps it: before there is a runtime, and by what the
/// environment alone says.
pub(crate) fn fetch(remote: &Remote, env: &dyn Fn(&str) -> Option<String>) -> Result<Secret, String> {
    const PATIENCE: Duration = Duration::from_secs(20);
    aws::require_roots().map_err(|why| why.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|why| why.to_string())?;
    runtime.block_on(async {
        let home = if remote.names_region() { HomeRegion::Unneeded } else { HomeRegion::Needed };
        let base = Base::from_environment(&Aws { region: None, endpoint_url: None }, home, env).await;
        let store = StoreReader(Arc::new(Calls::new(base, PATIENCE, None)));
        let read = References::new(Arc::new(store), PATIENCE)
            .read(&Reference::Remote(remote.clone()))
            .await;
        read.map_err(|error| chain(&error))
    })
}

/// Whether a text is one to hide: certificates and revocation lists are none.
fn is_secret(text: &Secret) -> bool {
    let text = text.expose();
    !text.contains("-----BEGIN ") || text.contains("PRIVATE KEY-----")
}

/// One string of a JSON object.
fn member(text: &Secret, key: &str) -> Option<Secret> {
    let json = SecretJson::parse(text).ok()?;
    json.object()?
        .get(key)?
        .as_str()
        .map(|text| Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// As on a mount that hangs: the first read of a file never ends.
    #[tokio::test]
    async fn a_read_that_hangs_keeps_others_of_its_file_waiting_and_no_other_file() {
        let dir = tempfile::tempdir().unwrap();
        let [hung, other] = ["hung", "other"].map(|name| dir.path().join(name));
        for path in [&hung, &other] {
            std::fs::write(path, "text").unwrap();
        }
        let files = Files::new();
        let of_hung = (files.of_file.turn(hung.clone()).await, files.of_folder.turn(dir.path().to_owned()).await);
        let mut next = Box::pin(files.read(&hung));
        assert!(poll!(&mut next).is_pending());
        assert_eq!(files.read(&other).await.unwrap(), "text");
        assert!(poll!(&mut next).is_pending());
        drop(of_hung);
        assert_eq!(next.await.unwrap(), "text");
    }

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
    async fn a_listing_ends_with_an_empty_token_and_one_that_does_not_end_is_told() {
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
