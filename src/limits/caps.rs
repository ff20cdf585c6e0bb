//! How many sessions there are, in all, on each connection and of each user, and the caps on all
//! three.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

use crate::config::{ConnId, ConnSpec};
use crate::fault::{Fault, Kind};
use crate::wire::refusal::Refusal;

/// Counts of live sessions. Shared by all sessions.
pub(crate) struct Slots {
    max_sessions: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    on: HashMap<ConnId, usize>,
    /// By name: those that share an entry of the configuration do not share a cap.
    of: HashMap<Arc<str>, usize>,
}

/// One session's place; given back by drop.
pub(crate) struct Slot {
    slots: Arc<Slots>,
    on: ConnId,
    of: Arc<str>,
}

/// No place left.
#[derive(Debug, Error)]
pub(crate) enum SlotError {
    #[error("{0} sessions, the cap of the proxy (limits.max_sessions)")]
    Proxy(usize),
    #[error("{max} sessions on {conn_id}, the cap of the connection (max_sessions)")]
    Connection { conn_id: ConnId, max: usize },
    #[error("{max} sessions of this user, its cap or its groups' (max_sessions)")]
    User { user: String, max: usize },
}

impl Slots {
    pub(crate) fn new(max_sessions: usize) -> Arc<Self> {
        Arc::new(Self { max_sessions, taken: Mutex::default() })
    }

    /// Whether `user` may have one more session, wherever: what can be said before it is known on
    /// which connection.
    ///
    /// # Errors
    /// The cap of the proxy, or of the user.
    pub(crate) fn room(&self, user: &str, max_of_user: Option<usize>) -> Result<(), SlotError> {
        let taken = self.lock();
        self.has_room(&taken)?;
        taken.of_user(user, max_of_user)
    }

    /// A place for a session of `user` on `spec`. The wider cap is told where several are reached.
    ///
    /// # Errors
    /// Which cap is reached.
    pub(crate) fn take(
        self: &Arc<Self>,
        spec: &ConnSpec,
        user: &str,
        max_of_user: Option<usize>,
    ) -> Result<Slot, SlotError> {
        let mut taken = self.lock();
        self.has_room(&taken)?;
        if taken
            .on
            .get(&spec.id)
            .is_some_and(|on| *on >= spec.max_sessions)
        {
            return Err(SlotError::Connection { conn_id: spec.id.clone(), max: spec.max_sessions });
        }
        taken.of_user(user, max_of_user)?;
        let of: Arc<str> = user.into();
        taken.all += 1;
        *taken.on.entry(spec.id.clone()).or_default() += 1;
        *taken.of.entry(Arc::clone(&of)).or_default() += 1;
        Ok(Slot { slots: Arc::clone(self), on: spec.id.clone(), of })
    }

    fn has_room(&self, taken: &Taken) -> Result<(), SlotError> {
        if taken.all >= self.max_sessions { Err(SlotError::Proxy(self.max_sessions)) } else { Ok(()) }
    }

    /// Sessions now.
    pub(crate) fn taken(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn of_user(&self, user: &str, max_of_user: Option<usize>) -> Result<(), SlotError> {
        match (max_of_user, self.of.get(user)) {
            (Some(max), Some(of)) if *of >= max => Err(SlotError::User { user: user.to_owned(), max }),
            _ => Ok(()),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.lock();
        taken.all = taken.all.saturating_sub(1);
        give_back(&mut taken.on, &self.on);
        give_back(&mut taken.of, &self.of);
    }
}

/// Connections of lava's table come and go, and so do users by certificate and by path: only those
/// with sessions are remembered.
fn give_back<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Fault for SlotError {
    fn kind(&self) -> Kind {
        Kind::Operator
    }

    fn refusal(&self) -> Option<Refusal> {
        Some(Refusal::too_many_sessions(match self {
            Self::Proxy(max) => format!("The proxy serves at most {max} sessions."),
            Self::Connection { conn_id, max } => format!("Connection \"{conn_id}\" has at most {max} sessions."),
            Self::User { user, max } => format!("User \"{user}\" has at most {max} sessions."),
        }))
    }
}
