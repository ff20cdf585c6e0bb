//! How many sessions there are, in all and on each connection, and the caps on both.

use std::collections::HashMap;
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
}

/// One session's place; given back by drop.
pub(crate) struct Slot {
    slots: Arc<Slots>,
    on: ConnId,
}

/// No place left.
#[derive(Debug, Error)]
pub(crate) enum SlotError {
    #[error("{0} sessions, the cap of the proxy (limits.max_sessions)")]
    Proxy(usize),
    #[error("{max} sessions on {conn_id}, the cap of the connection (max_sessions)")]
    Connection { conn_id: String, max: usize },
}

impl Slots {
    pub(crate) fn new(max_sessions: usize) -> Arc<Self> {
        Arc::new(Self { max_sessions, taken: Mutex::default() })
    }

    /// A place for a session on `spec`.
    ///
    /// # Errors
    /// Which cap is reached.
    pub(crate) fn take(self: &Arc<Self>, spec: &ConnSpec) -> Result<Slot, SlotError> {
        let mut taken = self.lock();
        if taken.all >= self.max_sessions {
            return Err(SlotError::Proxy(self.max_sessions));
        }
        let on = taken.on.entry(spec.id.clone()).or_default();
        if *on >= spec.max_sessions {
            return Err(SlotError::Connection { conn_id: spec.id.as_str().to_owned(), max: spec.max_sessions });
        }
        *on += 1;
        taken.all += 1;
        Ok(Slot { slots: Arc::clone(self), on: spec.id.clone() })
    }

    /// Sessions now.
    pub(crate) fn taken(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.lock();
        taken.all = taken.all.saturating_sub(1);
        // Connections of lava's table come and go: only those with sessions are remembered.
        if let Some(on) = taken.on.get_mut(&self.on) {
            *on = on.saturating_sub(1);
            if *on == 0 {
                taken.on.remove(&self.on);
            }
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
        }))
    }
}
