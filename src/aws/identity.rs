//! The base identity's keys: held while they are good, read again where they come from once they are not.
//!
//! They are read again ahead of their end, within half a minute of a change of the shared files, and at once when AWS
//! refuses them. None of it needs a restart.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use crate::clock::Clock;
use crate::fault::chain;

/// For one load, as the SDK's own cache has it, and a little more: a `credential_process` may be slow.
const LOAD: Duration = Duration::from_secs(8);

/// How often the shared files are looked at.
const LOOK: Duration = Duration::from_secs(30);

/// For a look at the files: a mount that hangs must not hold up what needs no file.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

/// Keys without an end are loaded again after so long (the SDK's cache does the same).
const ENDLESS: Duration = Duration::from_secs(900);

/// Keys with an end are replaced so long before it, or at a quarter of the life that they were found with.
const AHEAD: Duration = Duration::from_secs(300);

/// Keys that are nearer to their end are not used: a request takes its time.
const LEAST: Duration = Duration::from_secs(10);

/// Between two loads that a refusal by AWS or a failure has called for.
const PAUSE: Duration = Duration::from_secs(15);

/// Where keys come from.
pub(super) trait Load: fmt::Debug + Send + Sync {
    /// Finds them anew.
    fn load(&self) -> BoxFuture<'_, Loaded>;

    /// The files that keys may stand in: a change may mean other keys.
    fn files(&self) -> &[PathBuf];
}

pub(super) type Loaded = Result<Credentials, CredentialsError>;

/// The keys of the base identity, for all clients.
#[derive(Clone)]
pub(super) struct Identity(Arc<Inner>);

struct Inner {
    sources: Box<dyn Load>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Counts the changes of keys.
    generation: AtomicU64,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// What the files looked like, and when.
    files: Option<(Vec<Look>, Instant)>,
    /// The last load that failed, or that AWS's refusal called for.
    paused: Option<Instant>,
    is_failing: bool,
}

struct Held {
    keys: Credentials,
    loaded: Instant,
    life: Option<Duration>,
}

/// What tells one state of a file from another; `None`: it is not there.
type Look = Option<(u64, u64, SystemTime)>;

impl Identity {
    pub(super) fn new(sources: Box<dyn Load>, clock: Arc<dyn Clock>) -> Self {
        let (state, generation) = (Mutex::default(), AtomicU64::new(0));
        Self(Arc::new(Inner { sources, clock, state, generation }))
    }

    /// Which keys are in use: to be given to [`Identity::renew`].
    pub(super) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// AWS has refused the keys that were in use at `seen`. Whether there are others now.
    pub(super) async fn renew(&self, seen: u64) -> bool {
        let mut state = self.0.state.lock().await;
        if self.generation() == seen && !state.is_paused() {
            state.paused = Some(Instant::now());
            // What is wrong with it is told, and what is held is tried again.
            let _ = self.0.load(&mut state).await;
        }
        self.generation() != seen
    }
}

impl Inner {
    async fn keys(&self) -> Loaded {
        let mut state = self.state.lock().await;
        let is_changed = self.have_files_changed(&mut state).await;
        let is_paused = state.is_paused();
        let is_due = is_changed || state.is_failing && !is_paused;
        let held = state.held.as_ref().filter(|held| !is_due && self.is_good(held, is_paused));
        match held {
            Some(held) => Ok(held.keys.clone()),
            None => self.load(&mut state).await,
        }
    }

    async fn load(&self, state: &mut State) -> Loaded {
        let loaded = timeout(LOAD, self.sources.load()).await;
        match loaded.unwrap_or_else(|_elapsed| Err(CredentialsError::provider_timed_out(LOAD))) {
            Ok(keys) => {
                let is_other = state.held.as_ref().is_some_and(|held| !is_same(&held.keys, &keys));
                if is_other {
                    self.generation.fetch_add(1, Ordering::AcqRel);
                }
                if state.is_failing {
                    info!("the base credentials are renewed again");
                }
                let life = keys.expiry().map(|end| end.duration_since(self.clock.now()).unwrap_or_default());
                state.held = Some(Held { keys: keys.clone(), loaded: Instant::now(), life });
                state.is_failing = false;
                Ok(keys)
            }
            Err(error) => {
                state.paused = Some(Instant::now());
                let Some(held) = state.held.as_ref().filter(|held| self.is_good(held, true)) else {
                    return Err(error);
                };
                if !std::mem::replace(&mut state.is_failing, true) {
                    warn!(error = chain(&error).as_str(), "the base credentials cannot be renewed");
                }
                Ok(held.keys.clone())
            }
        }
    }

    /// Whether they may be handed out. `to_the_end`: for want of better ones.
    fn is_good(&self, held: &Held, to_the_end: bool) -> bool {
        let Some((end, life)) = held.keys.expiry().zip(held.life) else {
            return to_the_end || held.loaded.elapsed() < ENDLESS;
        };
        let ahead = if to_the_end { LEAST } else { AHEAD.min(life / 4).max(LEAST) };
        end.duration_since(self.clock.now()).is_ok_and(|left| left > ahead)
    }

    /// Whether a file is not as it was when it was last looked at.
    async fn have_files_changed(&self, state: &mut State) -> bool {
        if state.files.as_ref().is_some_and(|(_, looked)| looked.elapsed() < LOOK) {
            return false;
        }
        let Ok(looks) = timeout(LOOK_TIMEOUT, look(self.sources.files())).await else { return false };
        let before = state.files.replace((looks.clone(), Instant::now()));
        before.is_some_and(|(before, _)| before != looks)
    }
}

impl State {
    fn is_paused(&self) -> bool {
        self.paused.is_some_and(|since| since.elapsed() < PAUSE)
    }
}

impl ProvideCredentials for Identity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.0.keys())
    }
}

/// Holds secrets.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("generation", &self.generation()).finish_non_exhaustive()
    }
}

fn is_same(one: &Credentials, other: &Credentials) -> bool {
    let parts = |keys: &Credentials| {
        (keys.access_key_id().to_owned(), keys.secret_access_key().to_owned(), keys.session_token().map(str::to_owned))
    };
    parts(one) == parts(other)
}

/// A file that is replaced has another number, one that is written to another time or length.
async fn look(files: &[PathBuf]) -> Vec<Look> {
    use std::os::unix::fs::MetadataExt;
    let mut looks = Vec::with_capacity(files.len());
    for file in files {
        let meta = tokio::fs::metadata(file).await.ok();
        looks.push(meta.and_then(|meta| Some((meta.ino(), meta.len(), meta.modified().ok()?))));
    }
    looks
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;
    use crate::clock::TokioClock;

    /// Says what it was told to say last.
    struct Scripted {
        says: std::sync::Mutex<Result<(&'static str, Option<Duration>), &'static str>>,
        loads: AtomicUsize,
        files: Vec<PathBuf>,
        clock: Arc<TokioClock>,
    }

    impl fmt::Debug for Scripted {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Scripted")
        }
    }

    impl Load for Arc<Scripted> {
        fn load(&self) -> BoxFuture<'_, Loaded> {
            self.loads.fetch_add(1, Ordering::Relaxed);
            let says = *self.says.lock().unwrap();
            let end = |life: Option<Duration>| life.map(|life| self.clock.now() + life);
            let keys = says.map(|(id, life)| Credentials::new(id, "secret", None, end(life), "test"));
            async move { keys.map_err(CredentialsError::provider_error) }.boxed()
        }

        fn files(&self) -> &[PathBuf] {
            &self.files
        }
    }

    fn identity(id: &'static str, life: Option<Duration>, files: Vec<PathBuf>) -> (Identity, Arc<Scripted>) {
        let clock = Arc::new(TokioClock::start());
        let (says, loads) = (std::sync::Mutex::new(Ok((id, life))), AtomicUsize::new(0));
        let scripted = Arc::new(Scripted { says, loads, files, clock: Arc::clone(&clock) });
        (Identity::new(Box::new(Arc::clone(&scripted)), clock), scripted)
    }

    impl Scripted {
        fn say(&self, says: Result<(&'static str, Option<Duration>), &'static str>) {
            *self.says.lock().unwrap() = says;
        }

        fn loads(&self) -> usize {
            self.loads.load(Ordering::Relaxed)
        }
    }

    async fn id(identity: &Identity) -> Result<String, ()> {
        identity.provide_credentials().await.map(|keys| keys.access_key_id().to_owned()).map_err(|_why| ())
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn keys_are_held_and_replaced_ahead_of_their_end() {
        let (identity, scripted) = identity("A", Some(HOUR), Vec::new());
        for _ in 0..3 {
            assert_eq!(id(&identity).await.as_deref(), Ok("A"));
        }
        assert_eq!(scripted.loads(), 1);
        advance(HOUR - AHEAD - Duration::from_secs(1)).await;
        scripted.say(Ok(("B", None)));
        assert_eq!(id(&identity).await.as_deref(), Ok("A"));
        advance(Duration::from_secs(2)).await;
        assert_eq!(id(&identity).await.as_deref(), Ok("B"));
        advance(ENDLESS).await;
        scripted.say(Ok(("C", None)));
        assert_eq!(id(&identity).await.as_deref(), Ok("C"));
        assert_eq!((scripted.loads(), identity.generation()), (3, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_cannot_be_replaced_serve_to_their_end() {
        let (identity, scripted) = identity("A", Some(HOUR), Vec::new());
        id(&identity).await.unwrap();
        scripted.say(Err("away"));
        advance(HOUR - AHEAD).await;
        for loads in 2..=4 {
            assert_eq!(id(&identity).await.as_deref(), Ok("A"));
            assert_eq!(id(&identity).await.as_deref(), Ok("A"), "a pause is kept");
            assert_eq!(scripted.loads(), loads);
            advance(PAUSE).await;
        }
        advance(AHEAD - PAUSE * 3 - LEAST).await;
        assert_eq!(id(&identity).await, Err(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_changes_is_read_again_within_half_a_minute() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (identity, scripted) = identity("A", None, vec![file.path().to_owned()]);
        id(&identity).await.unwrap();
        advance(LOOK).await;
        assert_eq!(id(&identity).await.as_deref(), Ok("A"));
        assert_eq!(scripted.loads(), 1, "it has not changed");
        // Half written at first.
        std::fs::write(file.path(), "half").unwrap();
        scripted.say(Err("it does not parse"));
        advance(LOOK).await;
        assert_eq!(id(&identity).await.as_deref(), Ok("A"));
        scripted.say(Ok(("B", None)));
        advance(PAUSE).await;
        assert_eq!(id(&identity).await.as_deref(), Ok("B"));
        assert_eq!(scripted.loads(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_aws_refuses_are_read_again_and_not_stormed() {
        let (identity, scripted) = identity("A", None, Vec::new());
        id(&identity).await.unwrap();
        let seen = identity.generation();
        assert!(!identity.renew(seen).await, "the same ones again");
        scripted.say(Ok(("B", None)));
        assert!(!identity.renew(seen).await);
        assert_eq!(scripted.loads(), 2, "a pause is kept");
        advance(PAUSE).await;
        assert!(identity.renew(seen).await);
        assert_eq!(id(&identity).await.as_deref(), Ok("B"));
        // Another call that was made under the old ones.
        assert!(identity.renew(seen).await);
        assert_eq!(scripted.loads(), 3);
    }
}
