//! Keys that are held, and for how long they are good.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use tokio::time::Instant;

/// How long keys without an end serve before they are loaded again (the SDK's cache does the same).
pub(super) const ENDLESS_LIFE: Duration = Duration::from_secs(900);

/// How long before their end keys are replaced, or a quarter of the life that they were found with
/// where that is less.
pub(super) const AHEAD: Duration = Duration::from_secs(300);

/// Keys with less life left are not used any more, since a request takes its time.
pub(super) const LEAST_LIFE: Duration = Duration::from_secs(10);

/// The keys that requests are signed with, since when, and for how long they were to live.
#[derive(Clone)]
pub(super) struct HeldKeys {
    /// The keys as the source gave them, with their expiry if they have one.
    pub(super) keys: Credentials,
    loaded: Instant,
    /// The life that the keys had left when they were loaded. `None`: they have no end.
    life: Option<Duration>,
    /// The ARN of the identity that the keys belong to. `None`: AWS was not asked.
    pub(super) principal: Option<String>,
}

/// The purpose that keys have to have life enough left for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Need {
    /// To be used now, for want of better ones.
    Use,
    /// To be kept: no better ones need be loaded yet.
    Keep,
}

impl HeldKeys {
    /// Holds keys that were loaded just now.
    pub(super) fn new(keys: Credentials, now: SystemTime, principal: Option<String>) -> Self {
        let life = keys
            .expiry()
            .map(|end| end.duration_since(now).unwrap_or_default());
        Self { keys, loaded: Instant::now(), life, principal }
    }

    /// Whether the keys are good enough at `now`, by AWS's clock.
    pub(super) fn is_good(&self, need: Need, now: SystemTime) -> bool {
        let Some((end, life)) = self.keys.expiry().zip(self.life) else {
            return need == Need::Use || self.loaded.elapsed() < ENDLESS_LIFE;
        };
        let least = match need {
            Need::Use => LEAST_LIFE,
            Need::Keep => AHEAD.min(life / 4).max(LEAST_LIFE),
        };
        end.duration_since(now).is_ok_and(|left| left > least)
    }

    /// Whether these are the same keys.
    pub(super) fn has(&self, keys: &Credentials) -> bool {
        self.keys.access_key_id() == keys.access_key_id()
            && self.keys.secret_access_key() == keys.secret_access_key()
            && self.keys.session_token() == keys.session_token()
    }
}
