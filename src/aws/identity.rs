//! The base identity's keys: held while they are good, read again where they come from once they
//! are not.
//!
//! They are read again ahead of their end, within half a minute of a change of the shared files,
//! and at once when AWS refuses them. None of it needs a restart. One load is in flight at a time,
//! whoever waits for it; while it is, keys that are still good serve.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{info, warn};

use super::words::{Again, told};
use crate::clock::Clock;

/// For one load, as the SDK's own cache has it, and a little more: a `credential_process` may be
/// slow.
pub(super) const LOAD: Duration = Duration::from_secs(8);

/// How long a load is waited for where there are keys that are still good.
const GRACE: Duration = Duration::from_secs(1);

/// How often the shared files are looked at.
const LOOK: Duration = Duration::from_secs(30);

/// For a look at the files: a mount that hangs must not hold up what needs no file.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

/// To find out whether other keys are another identity's.
const COMPARE: Duration = Duration::from_secs(4);

/// Keys without an end are loaded again after so long (the SDK's cache does the same).
const ENDLESS: Duration = Duration::from_secs(900);

/// Keys with an end are replaced so long before it, or at a quarter of the life that they were
/// found with.
const AHEAD: Duration = Duration::from_secs(300);

/// Keys that are nearer to their end are not used: a request takes its time.
const LEAST: Duration = Duration::from_secs(10);

/// Between two loads that a refusal by AWS or a failure has called for.
const PAUSE: Duration = Duration::from_secs(15);

/// Where keys come from.
pub(super) trait Load: fmt::Debug + Send + Sync {
    /// Finds them anew.
    fn load(&self) -> BoxFuture<'_, Loaded>;

    /// What the files look like that keys may stand in: a change may mean other keys.
    fn look(&self) -> BoxFuture<'_, Vec<Look>>;

    /// Whose keys these are, as far as AWS tells.
    fn principal<'a>(&'a self, keys: &'a Credentials) -> BoxFuture<'a, Option<String>>;
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
    /// Counts the changes of whose they are.
    identities: AtomicU64,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    /// What the files looked like.
    files: Option<Vec<Look>>,
    /// When they were last looked at, or were to be.
    looked: Option<Instant>,
    /// They have changed since the last load began.
    is_changed: bool,
    flight: Option<Flight>,
    /// The last load that failed, or that AWS's refusal called for.
    paused: Option<Instant>,
    /// Why the last load failed.
    error: Option<Again>,
}

#[derive(Clone)]
struct Held {
    keys: Credentials,
    loaded: Instant,
    life: Option<Duration>,
    /// Whose they are, where that was asked.
    principal: Option<String>,
}

/// A load that somebody may wait for.
#[derive(Clone)]
struct Flight {
    began: Instant,
    landed: watch::Receiver<Option<Result<Credentials, Again>>>,
}

/// What tells one state of a file from another; `None`: it is not there.
pub(super) type Look = Option<(u64, u64, SystemTime)>;

impl Identity {
    pub(super) fn new(sources: Box<dyn Load>, clock: Arc<dyn Clock>) -> Self {
        let (generation, identities) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Inner { sources, clock, state: Mutex::default(), generation, identities }))
    }

    /// Which keys are in use: to be given to [`Identity::renew`].
    pub(super) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Which identity the keys are of: another number once they are, or may be, somebody else's.
    pub(super) fn number(&self) -> u64 {
        self.0.identities.load(Ordering::Acquire)
    }

    /// AWS has refused the keys that were in use at `seen`. Whether there are others now.
    pub(super) async fn renew(&self, seen: u64) -> bool {
        let flight = {
            let mut state = self.0.state();
            let is_called_for = self.generation() == seen && state.flying().is_none() && !state.is_paused();
            if is_called_for {
                state.paused = Some(Instant::now());
                self.0.launch(&mut state);
            }
            state.flying().filter(|_| self.generation() == seen)
        };
        if let Some(flight) = flight {
            // What is wrong with it is told, and what is held is tried again.
            let _ = flight.landing().await;
        }
        self.generation() != seen
    }
}

impl Inner {
    async fn keys(self: &Arc<Self>) -> Loaded {
        self.look().await;
        let (held, flight) = self.at_hand()?;
        match (held, flight) {
            (Some(keys), None) => Ok(keys),
            (Some(keys), Some(flight)) => {
                let landed = timeout_at(flight.began + GRACE, flight.landing()).await;
                Ok(landed.ok().and_then(Result::ok).unwrap_or(keys))
            }
            (None, Some(flight)) => flight.landing().await,
            (None, None) => Err(CredentialsError::not_loaded_no_source()),
        }
    }

    /// Keys that may be used, and the load in flight; begun here if it is time. One of them at
    /// least is there.
    fn at_hand(self: &Arc<Self>) -> Result<(Option<Credentials>, Option<Flight>), CredentialsError> {
        let mut state = self.state();
        let held = state.held.clone();
        let usable = held
            .as_ref()
            .filter(|held| self.is_good(held, true))
            .map(|held| held.keys.clone());
        let is_wanted = state.error.is_some() || held.as_ref().is_none_or(|held| !self.is_good(held, false));
        if state.flying().is_none() && (state.is_changed || is_wanted) {
            match &state.error {
                Some(error) if state.is_paused() && !state.is_changed => {
                    return usable
                        .map(|keys| (Some(keys), None))
                        .ok_or_else(|| error.error());
                }
                None if state.is_paused() && !state.is_changed && usable.is_some() => {}
                Some(_) | None => self.launch(&mut state),
            }
        }
        Ok((usable, state.flying()))
    }

    /// Begins a load, which goes on without those who wait for it.
    fn launch(self: &Arc<Self>, state: &mut State) {
        let (tell, landed) = watch::channel(None);
        state.flight = Some(Flight { began: Instant::now(), landed });
        state.is_changed = false;
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            let loaded = timeout(LOAD, inner.sources.load()).await;
            let landed = match loaded.unwrap_or_else(|_elapsed| Err(CredentialsError::provider_timed_out(LOAD))) {
                Ok(keys) => Ok(inner.take(keys).await),
                Err(error) => inner.fail(Again::new(error)),
            };
            tell.send_replace(Some(landed));
        });
    }

    async fn take(&self, keys: Credentials) -> Credentials {
        let before = self.state().held.clone();
        let before = before.filter(|held| !is_same(&held.keys, &keys));
        let (is_another, principal) = match &before {
            Some(before) => self.compare(before, &keys).await,
            None => (false, None),
        };
        let life = keys
            .expiry()
            .map(|end| end.duration_since(self.clock.now()).unwrap_or_default());
        let mut state = self.state();
        // Counted before the keys can be used.
        if is_another {
            self.identities.fetch_add(1, Ordering::AcqRel);
        }
        if before.is_some() {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        if state.error.take().is_some() && state.held.is_some() {
            info!("the base credentials are renewed again");
        }
        let principal = principal.or_else(|| {
            state
                .held
                .take()
                .and_then(|held| held.principal)
                .filter(|_| before.is_none())
        });
        state.held = Some(Held { keys: keys.clone(), loaded: Instant::now(), life, principal });
        state.flight = None;
        keys
    }

    /// Whether other keys are another identity's, and whose they are. Who cannot be told is taken
    /// for another.
    async fn compare(&self, before: &Held, keys: &Credentials) -> (bool, Option<String>) {
        let was = async {
            match &before.principal {
                Some(principal) => Some(principal.clone()),
                None => self.sources.principal(&before.keys).await,
            }
        };
        let both = timeout(COMPARE, futures_util::future::join(was, self.sources.principal(keys))).await;
        let (was, is) = both.unwrap_or_default();
        (was.is_none() || was != is, is)
    }

    fn fail(&self, error: Again) -> Result<Credentials, Again> {
        let mut state = self.state();
        state.flight = None;
        state.paused = Some(Instant::now());
        let was_failing = state.error.replace(error.clone()).is_some();
        let Some(held) = state.held.as_ref().filter(|held| self.is_good(held, true)) else {
            return Err(error);
        };
        if !was_failing {
            warn!(error = told(&error).as_str(), "the base credentials cannot be renewed");
        }
        Ok(held.keys.clone())
    }

    /// Whether they may be handed out. `to_the_end`: for want of better ones.
    fn is_good(&self, held: &Held, to_the_end: bool) -> bool {
        let Some((end, life)) = held.keys.expiry().zip(held.life) else {
            return to_the_end || held.loaded.elapsed() < ENDLESS;
        };
        let ahead = if to_the_end { LEAST } else { AHEAD.min(life / 4).max(LEAST) };
        end.duration_since(self.clock.now())
            .is_ok_and(|left| left > ahead)
    }

    /// Looks whether a file is not as it was when it was last looked at. One at a time does, and
    /// nobody waits long for it.
    async fn look(&self) {
        {
            let mut state = self.state();
            if state.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
                return;
            }
            state.looked = Some(Instant::now());
        }
        let Ok(looks) = timeout(LOOK_TIMEOUT, self.sources.look()).await else { return };
        let mut state = self.state();
        let before = state.files.replace(looks);
        state.is_changed |= before.is_some() && before != state.files;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_paused(&self) -> bool {
        self.paused.is_some_and(|since| since.elapsed() < PAUSE)
    }

    /// The load in flight, unless it ended with the runtime that it ran on.
    fn flying(&self) -> Option<Flight> {
        self.flight
            .clone()
            .filter(|flight| flight.landed.has_changed().is_ok())
    }
}

impl Flight {
    async fn landing(mut self) -> Loaded {
        match self.landed.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Ok(keys))) => Ok(keys.clone()),
            Ok(Some(Err(error))) => Err(error.error()),
            Ok(None) | Err(_) => Err(CredentialsError::provider_error("the load was broken off")),
        }
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
        f.debug_struct("Identity")
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}

fn is_same(one: &Credentials, other: &Credentials) -> bool {
    let parts = |keys: &Credentials| {
        (keys.access_key_id().to_owned(), keys.secret_access_key().to_owned(), keys.session_token().map(str::to_owned))
    };
    parts(one) == parts(other)
}

/// A file that is replaced has another number, one that is written to another time or length.
pub(super) fn look(files: &[PathBuf]) -> Vec<Look> {
    use std::os::unix::fs::MetadataExt;
    let look = |file: &PathBuf| {
        let meta = std::fs::metadata(file).ok()?;
        Some((meta.ino(), meta.len(), meta.modified().ok()?))
    };
    files.iter().map(look).collect()
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
            if says == Err(HANGS) {
                return futures_util::future::pending().boxed();
            }
            async move { keys.map_err(CredentialsError::provider_error) }.boxed()
        }

        fn look(&self) -> BoxFuture<'_, Vec<Look>> {
            async { look(&self.files) }.boxed()
        }

        /// The letter that the id begins with.
        fn principal<'a>(&'a self, keys: &'a Credentials) -> BoxFuture<'a, Option<String>> {
            let letter = keys
                .access_key_id()
                .chars()
                .next()
                .filter(|letter| *letter != '?')
                .map(String::from);
            async move { letter }.boxed()
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
        identity
            .provide_credentials()
            .await
            .map(|keys| keys.access_key_id().to_owned())
            .map_err(|_why| ())
    }

    /// A source that says this never ends.
    const HANGS: &str = "hangs";

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

    #[tokio::test(start_paused = true)]
    async fn good_keys_serve_while_a_load_hangs() {
        let (identity, scripted) = identity("A", Some(HOUR), Vec::new());
        id(&identity).await.unwrap();
        scripted.say(Err(HANGS));
        advance(HOUR - AHEAD).await;
        let began = Instant::now();
        for _ in 0..100 {
            assert_eq!(id(&identity).await.as_deref(), Ok("A"));
        }
        assert_eq!((began.elapsed().as_secs(), scripted.loads()), (GRACE.as_secs(), 2), "who is first waits a little");
        tokio::time::sleep(LOAD).await;
        scripted.say(Ok(("B", None)));
        assert_eq!(id(&identity).await.as_deref(), Ok("A"), "a pause is kept");
        advance(PAUSE).await;
        assert_eq!(id(&identity).await.as_deref(), Ok("B"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_without_keys_is_not_stormed() {
        let (identity, scripted) = identity("A", None, Vec::new());
        scripted.say(Err("away"));
        for _ in 0..3 {
            assert_eq!(id(&identity).await, Err(()));
        }
        assert_eq!(scripted.loads(), 1);
        advance(PAUSE).await;
        scripted.say(Ok(("A", None)));
        assert_eq!(id(&identity).await.as_deref(), Ok("A"));
        assert_eq!((scripted.loads(), identity.generation(), identity.number()), (2, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_load_goes_on_without_who_began_it() {
        let (identity, scripted) = identity("A", None, Vec::new());
        let mut left = Box::pin(identity.provide_credentials());
        assert!(futures_util::poll!(&mut left).is_pending());
        drop(left);
        let both = tokio::join!(id(&identity), id(&identity));
        assert_eq!((both.0.as_deref(), both.1.as_deref(), scripted.loads()), (Ok("A"), Ok("A"), 1));
    }

    /// Where the role was skipped that the base identity was, a login under the next one would be
    /// somebody else's.
    #[tokio::test(start_paused = true)]
    async fn another_identity_has_another_number_and_other_keys_of_the_same_have_not() {
        let (identity, scripted) = identity("A1", None, Vec::new());
        id(&identity).await.unwrap();
        for (keys, generation, number) in
            [("A2", 1, 0), ("B1", 2, 1), ("B1", 2, 1), ("B2", 3, 1), ("?", 4, 2), ("?1", 5, 3)]
        {
            scripted.say(Ok((keys, None)));
            advance(ENDLESS).await;
            assert_eq!(id(&identity).await.as_deref(), Ok(keys));
            assert_eq!((identity.generation(), identity.number()), (generation, number), "{keys}");
        }
    }
}
