//! The access keys that are honoured: the base user's, and those that AssumeRole handed out.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::identity::{Caller, base32};

/// How long an expired key is still known, to be refused as expired and not as unknown.
const KEPT_AFTER_EXPIRY: Duration = Duration::from_secs(3600);

/// The secret, owner and session of one access key id.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) secret: String,
    /// Temporary keys come with a token, and with an end.
    pub(super) session: Option<Session>,
    pub(super) owner: Caller,
}

/// The token and expiry that temporary keys have and lasting ones have not.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) token: String,
    /// The expiry by the wall clock, since SDKs compare it with that.
    pub(super) expires_at: SystemTime,
}

/// All keys, by access key id.
pub(super) struct Keys(HashMap<String, Key>);

impl Keys {
    /// Makes a store with lasting keys for one user.
    pub(super) fn new(id: String, secret: String, owner: Caller) -> Self {
        Self(HashMap::from([(id, Key { secret, session: None, owner })]))
    }

    /// Puts other lasting keys in the place of those there are: the old ones are unknown from now
    /// on.
    pub(super) fn replace(&mut self, id: &str, secret: &str) {
        let is_lasting = |key: &Key| key.session.is_none();
        let owner = self
            .0
            .values()
            .find(|key| is_lasting(key))
            .map(|key| key.owner.clone());
        self.0.retain(|_, key| !is_lasting(key));
        if let Some(owner) = owner {
            self.0
                .insert(id.to_owned(), Key { secret: secret.to_owned(), session: None, owner });
        }
    }

    pub(super) fn find(&self, id: &str) -> Option<Key> {
        self.0.get(id).cloned()
    }

    /// Makes temporary keys that live for `life` from `now`, and forgets those that expired long
    /// ago.
    pub(super) fn issue(&mut self, owner: Caller, now: SystemTime, life: Duration) -> (String, Key) {
        self.0.retain(|_, key| {
            key.session
                .as_ref()
                .is_none_or(|session| session.expires_at + KEPT_AFTER_EXPIRY > now)
        });
        let id = format!("ASIA{}", base32(&random::<16>()));
        let secret = STANDARD.encode(random::<30>());
        // AWS's are of this size, and begin with these characters.
        let token = format!("IQoJb3JpZ2luX2Vj{}", STANDARD.encode(random::<600>()));
        let key = Key { secret, session: Some(Session { token, expires_at: now + life }), owner };
        self.0.insert(id.clone(), key.clone());
        (id, key)
    }

    /// Ends all temporary keys at `now`.
    pub(super) fn expire(&mut self, now: SystemTime) {
        for session in self.0.values_mut().filter_map(|key| key.session.as_mut()) {
            session.expires_at = session.expires_at.min(now);
        }
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Fails only where the system has no entropy source; the keys would still work, for one session
    // at a time.
    let _ = rand::fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaced_keys_are_the_same_users_and_the_old_ones_unknown() {
        let owner = Caller::User { account: "123456789012".to_owned(), name: "u".to_owned() };
        let mut keys = Keys::new("AKIA".to_owned(), "s".to_owned(), owner.clone());
        let (session, _) = keys.issue(owner.clone(), SystemTime::UNIX_EPOCH, Duration::from_secs(900));
        keys.replace("AKIB", "t");
        assert!(keys.find("AKIA").is_none() && keys.find(&session).is_some());
        assert!(
            keys.find("AKIB")
                .is_some_and(|key| key.secret == "t" && key.owner.arn() == owner.arn())
        );
    }

    #[test]
    fn temporary_keys_are_fresh_and_known_for_a_while_after_their_end() {
        let owner = Caller::User { account: "123456789012".to_owned(), name: "u".to_owned() };
        let mut keys = Keys::new("AKIA".to_owned(), "s".to_owned(), owner.clone());
        let (now, life) = (SystemTime::UNIX_EPOCH, Duration::from_secs(900));
        let (first, key) = keys.issue(owner.clone(), now, life);
        let token = key.session.expect("temporary").token;
        assert!(first.starts_with("ASIA") && first.len() == 20 && key.secret.len() == 40 && token.len() > 500);
        let (second, _) = keys.issue(owner.clone(), now + life, life);
        assert_ne!(first, second);
        assert!(keys.find(&first).is_some(), "expired, but known");
        keys.issue(owner, now + life + KEPT_AFTER_EXPIRY, life);
        assert!(keys.find(&first).is_none() && keys.find("AKIA").is_some());
    }
}
