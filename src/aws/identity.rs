//! The base identity's keys: held while they are good, and loaded again where they come from once
//! they are not.
//!
//! Keys are loaded again ahead of their end, within half a minute of a change of the shared files,
//! and at once when AWS refuses them. None of that needs a restart. One load is under way at a
//! time, whoever waits for it, and keys that are still good serve meanwhile.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{info, warn};

pub(super) use self::files::{FileMark, file_marks};
use self::held_keys::{HeldKeys, Need};
use self::key_load::{KeyLoad, Landed};
pub(super) use self::key_source::{KeySource, LOAD_TIMEOUT, Loaded};
use super::redact::{SharedError, redacted};
use crate::clock::Clock;

mod files;
mod held_keys;
mod key_load;
mod key_source;
#[cfg(test)]
mod tests;

/// How long a load is waited for where there are keys that are still good.
const RENEWAL_WAIT: Duration = Duration::from_secs(1);

/// From one look at the shared files to the next.
const FILES_INTERVAL: Duration = Duration::from_secs(30);

/// The longest that a look at the files is waited for: a mount that hangs must not hold up what
/// needs no file.
const FILES_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest that AWS is asked whether other keys are another identity's.
const COMPARE_TIMEOUT: Duration = Duration::from_secs(4);

/// The least time between two loads that a failure, or a refusal by AWS, has called for.
const PAUSE: Duration = Duration::from_secs(15);

/// The keys of the base identity. All clients hold it, and clones share its state.
#[derive(Clone)]
pub(super) struct BaseIdentity(Arc<Shared>);

struct Shared {
    loads_from: Box<dyn KeySource>,
    /// AWS's clock, as far as it is known.
    clock: Arc<dyn Clock>,
    /// The lock is held for a few lines, and never while keys are loaded or AWS is asked.
    state: Mutex<State>,
    /// Counts the changes of keys.
    generation: AtomicU64,
    /// Counts the changes of the identity that the keys are of.
    identities: AtomicU64,
}

#[derive(Default)]
struct State {
    held: Option<HeldKeys>,
    /// The marks of the shared files when they were last looked at.
    files: Option<Vec<FileMark>>,
    /// The time at which the last look at the files began.
    looked: Option<Instant>,
    /// Whether the files have changed since the last load began.
    is_changed: bool,
    load: Option<KeyLoad>,
    /// The time at which the last load failed, or a refusal of AWS's called for a load.
    paused: Option<Instant>,
    /// The error of the last load. `None`: it brought keys, or there was none.
    error: Option<SharedError>,
}

impl BaseIdentity {
    /// Holds the keys of a source. None are loaded before the first are asked for.
    pub(super) fn new(key_source: Box<dyn KeySource>, clock: Arc<dyn Clock>) -> Self {
        let (generation, identities) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Shared { loads_from: key_source, clock, state: Mutex::default(), generation, identities }))
    }

    /// The number of the keys in use, which [`BaseIdentity::renew`] takes.
    pub(super) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// The number of the identity that the keys are of. It changes once they are, or may be,
    /// another identity's.
    pub(super) fn number(&self) -> u64 {
        self.0.identities.load(Ordering::Acquire)
    }

    /// Loads the keys again, since AWS has refused those in use at generation `seen`. The answer is
    /// whether there are others now.
    pub(super) async fn renew(&self, seen: u64) -> bool {
        let load = {
            let mut state = self.0.state.lock();
            let is_called_for = self.generation() == seen && state.under_way().is_none() && !state.is_paused();
            if is_called_for {
                state.paused = Some(Instant::now());
                self.0.launch(&mut state);
            }
            state.under_way().filter(|_| self.generation() == seen)
        };
        if let Some(load) = load {
            // A failure is logged where the load ends, and the keys that are held are tried again.
            let _ = load.landing().await;
        }
        self.generation() != seen
    }
}

impl Shared {
    /// Keys to sign with.
    async fn keys(self: &Arc<Self>) -> Loaded {
        self.look_at_files().await;
        let (held, load) = self.at_hand()?;
        match (held, load) {
            (Some(keys), None) => Ok(keys),
            (Some(keys), Some(load)) => {
                let landed = timeout_at(load.began + RENEWAL_WAIT, load.landing()).await;
                Ok(landed.ok().and_then(Result::ok).unwrap_or(keys))
            }
            (None, Some(load)) => load.landing().await,
            (None, None) => Err(CredentialsError::not_loaded_no_source()),
        }
    }

    /// Keys that may be used, and the load under way, which begins here if it is time. At least one
    /// of them is there.
    fn at_hand(self: &Arc<Self>) -> Result<(Option<Credentials>, Option<KeyLoad>), CredentialsError> {
        let mut state = self.state.lock();
        let held = state.held.clone();
        let usable = held
            .as_ref()
            .filter(|held| self.is_good(held, Need::Use))
            .map(|held| held.keys.clone());
        let is_wanted = state.error.is_some()
            || held
                .as_ref()
                .is_none_or(|held| !self.is_good(held, Need::Keep));
        if state.under_way().is_none() && (state.is_changed || is_wanted) {
            match &state.error {
                Some(error) if state.is_paused() && !state.is_changed => {
                    return usable
                        .map(|keys| (Some(keys), None))
                        .ok_or_else(|| error.to_error());
                }
                None if state.is_paused() && !state.is_changed && usable.is_some() => {}
                Some(_) | None => self.launch(&mut state),
            }
        }
        Ok((usable, state.under_way()))
    }

    /// Begins a load, which goes on whether or not anybody waits for it.
    fn launch(self: &Arc<Self>, state: &mut State) {
        let (report, load) = KeyLoad::begin();
        state.load = Some(load);
        state.is_changed = false;
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let loaded = timeout(LOAD_TIMEOUT, shared.loads_from.load()).await;
            let timed_out = |_elapsed| Err(CredentialsError::provider_timed_out(LOAD_TIMEOUT));
            let landed = match loaded.unwrap_or_else(timed_out) {
                Ok(keys) => Ok(shared.accept(keys).await),
                Err(error) => shared.fail(SharedError::new(error)),
            };
            report.send_replace(Some(landed));
        });
    }

    /// Puts loaded keys to use.
    async fn accept(&self, keys: Credentials) -> Credentials {
        let before = self.state.lock().held.clone();
        let before = before.filter(|held| !held.has(&keys));
        let (is_another, principal) = match &before {
            Some(before) => self.compare(before, &keys).await,
            None => (false, None),
        };
        let mut state = self.state.lock();
        // Counted before the keys can be used.
        if is_another {
            self.identities.fetch_add(1, Ordering::AcqRel);
        }
        if before.is_some() {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        let is_back = state.error.take().is_some() && state.held.is_some();
        let principal = principal.or_else(|| {
            state
                .held
                .take()
                .and_then(|held| held.principal)
                .filter(|_| before.is_none())
        });
        state.held = Some(HeldKeys::new(keys.clone(), self.clock.now(), principal));
        state.load = None;
        drop(state);
        if is_back {
            info!(event = "base credentials renewed", "the base credentials are renewed again");
        }
        keys
    }

    /// Whether other keys are another identity's, and whose they are. An identity that AWS does not
    /// tell is taken for another one.
    async fn compare(&self, before: &HeldKeys, keys: &Credentials) -> (bool, Option<String>) {
        let was = async {
            match &before.principal {
                Some(principal) => Some(principal.clone()),
                None => self.loads_from.principal(&before.keys).await,
            }
        };
        let both = futures_util::future::join(was, self.loads_from.principal(keys));
        let (was, is) = timeout(COMPARE_TIMEOUT, both).await.unwrap_or_default();
        (was.is_none() || was != is, is)
    }

    /// Ends a load that failed. The keys that are held serve on while they are good.
    fn fail(&self, error: SharedError) -> Landed {
        let mut state = self.state.lock();
        state.load = None;
        state.paused = Some(Instant::now());
        let was_failing = state.error.replace(error.clone()).is_some();
        let usable = state
            .held
            .as_ref()
            .filter(|held| self.is_good(held, Need::Use))
            .map(|held| held.keys.clone());
        drop(state);
        let Some(keys) = usable else { return Err(error) };
        if !was_failing {
            warn!(
                event = "base credentials not renewed",
                error = redacted(&error).as_str(),
                "the base credentials cannot be renewed"
            );
        }
        Ok(keys)
    }

    fn is_good(&self, held: &HeldKeys, need: Need) -> bool {
        held.is_good(need, self.clock.now())
    }

    /// Looks at the shared files, unless that was done lately, and notes whether they have changed.
    async fn look_at_files(&self) {
        {
            let mut state = self.state.lock();
            if state
                .looked
                .is_some_and(|looked| looked.elapsed() < FILES_INTERVAL)
            {
                return;
            }
            state.looked = Some(Instant::now());
        }
        let Ok(marks) = timeout(FILES_TIMEOUT, self.loads_from.file_marks()).await else { return };
        let mut state = self.state.lock();
        let before = state.files.replace(marks);
        state.is_changed |= before.is_some() && before != state.files;
    }
}

impl State {
    fn is_paused(&self) -> bool {
        self.paused.is_some_and(|since| since.elapsed() < PAUSE)
    }

    /// The load under way.
    fn under_way(&self) -> Option<KeyLoad> {
        self.load.clone().filter(KeyLoad::is_under_way)
    }
}

impl ProvideCredentials for BaseIdentity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.0.keys())
    }
}

/// Leaves the keys out.
impl fmt::Debug for BaseIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BaseIdentity")
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}
