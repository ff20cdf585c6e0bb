//! The caps on sessions: in all, on each connection and of each user.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use thiserror::Error;

use crate::config::{ConnId, ConnSpec};
use crate::fault::{Fault, Kind};
use crate::wire::refusal::Refusal;

/// The places that are kept for consoles, beside those of sessions.
pub(crate) const MAX_CONSOLES: usize = 16;

/// Most of [`MAX_CONSOLES`] that users of `admin.stats_users` may take: a program that watches and
/// leaves its connections open does not keep an operator out.
const MAX_CONSOLES_OF_STATS: usize = 12;

/// Most of [`MAX_CONSOLES`] that one user may take, so that another finds one.
const MAX_CONSOLES_OF_USER: usize = 4;

/// The counts of live sessions. One is shared by all sessions; each holds a [`SessionPermit`] from
/// its login to its end. The caps come with each request: where one is lower than before, nobody is
/// admitted until the sessions fit.
#[derive(Default)]
pub(crate) struct Caps {
    /// The lock is held for one look at the counts, or one change of them.
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    by_connection: HashMap<ConnId, usize>,
    /// The users' names are counted, not their entries of the configuration: users of one entry
    /// have a cap each.
    by_user: HashMap<Arc<str>, usize>,
    consoles: usize,
    /// Those of `consoles` whose users are of `admin.stats_users` alone.
    consoles_of_stats: usize,
    consoles_by_user: HashMap<Arc<str>, usize>,
}

/// The right of one session to be there. Dropping it makes room for another.
pub(crate) struct SessionPermit {
    caps: Arc<Caps>,
    conn_id: ConnId,
    user: Arc<str>,
}

/// The right of one operator to be on the console. Dropping it makes room for another.
pub(crate) struct ConsolePermit {
    caps: Arc<Caps>,
    kind: ConsoleUser,
    user: Arc<str>,
}

/// A kind of users of the console, for which places are kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ConsoleUser {
    /// A user of `admin.users`.
    Admin,
    /// A user of `admin.stats_users` alone.
    Stats,
}

/// A cap on sessions is reached.
#[derive(Debug, Error)]
pub(crate) enum CapError {
    /// The proxy has as many sessions as `limits.max_sessions` allows.
    #[error("{0} sessions, the cap of the proxy (limits.max_sessions)")]
    Proxy(usize),
    /// The connection has as many sessions as its own `max_sessions` allows.
    #[error("{max} sessions on {conn_id}, the cap of the connection (max_sessions)")]
    Connection { conn_id: ConnId, max: usize },
    /// The user has as many sessions as its `max_sessions`, or that of its groups, allows.
    #[error("{max} sessions of this user, its cap or its groups' (max_sessions)")]
    User { user: String, max: usize },
    /// There are as many consoles as places are kept for.
    #[error("{0} consoles, as many as there are places for")]
    Consoles(usize),
    /// There are as many consoles of `admin.stats_users` as may be.
    #[error("{0} consoles of users of admin.stats_users, as many as there are places for")]
    ConsolesOfStats(usize),
    /// The user has as many consoles as one user may have.
    #[error("{max} consoles of this user, as many as one user may have")]
    ConsolesOfUser { user: String, max: usize },
}

impl Caps {
    /// Checks whether `user` may have one more session, on whatever connection: what can be said
    /// before the connection is known. `max_sessions` is the cap of the proxy.
    ///
    /// # Errors
    /// The cap of the proxy or of the user is reached.
    pub(crate) fn check_user(
        &self,
        user: &str,
        max_of_user: Option<usize>,
        max_sessions: usize,
    ) -> Result<(), CapError> {
        let counts = self.counts.lock();
        counts.check_proxy(max_sessions)?;
        counts.check_user(user, max_of_user)
    }

    /// Permits one more session of `user` on `spec`. `max_sessions` is the cap of the proxy.
    ///
    /// # Errors
    /// A cap is reached; of several, the error names the widest.
    pub(crate) fn acquire(
        self: &Arc<Self>,
        spec: &ConnSpec,
        user: &str,
        max_of_user: Option<usize>,
        max_sessions: usize,
    ) -> Result<SessionPermit, CapError> {
        let mut counts = self.counts.lock();
        counts.check_proxy(max_sessions)?;
        counts.check_connection(spec)?;
        counts.check_user(user, max_of_user)?;
        let user: Arc<str> = user.into();
        counts.all += 1;
        *counts.by_connection.entry(spec.id.clone()).or_default() += 1;
        *counts.by_user.entry(Arc::clone(&user)).or_default() += 1;
        Ok(SessionPermit { caps: Arc::clone(self), conn_id: spec.id.clone(), user })
    }

    /// Counts the sessions on each connection and of each user: a copy of what is counted now.
    pub(crate) fn counts(&self) -> (HashMap<ConnId, usize>, HashMap<Arc<str>, usize>) {
        let counts = self.counts.lock();
        (counts.by_connection.clone(), counts.by_user.clone())
    }

    /// Counts the sessions on one connection that hold a permit now.
    pub(crate) fn sessions_on(&self, conn_id: &ConnId) -> usize {
        let counts = self.counts.lock();
        counts.by_connection.get(conn_id).copied().unwrap_or(0)
    }

    /// Permits one more console to `user`, who is an operator of this kind. Consoles are not
    /// sessions: no cap of theirs keeps an operator out.
    ///
    /// # Errors
    /// `Consoles`, `ConsolesOfStats` and `ConsolesOfUser` of [`CapError`].
    pub(crate) fn acquire_console(self: &Arc<Self>, kind: ConsoleUser, user: &str) -> Result<ConsolePermit, CapError> {
        let is_of_stats = kind == ConsoleUser::Stats;
        let mut counts = self.counts.lock();
        if counts.consoles >= MAX_CONSOLES {
            return Err(CapError::Consoles(MAX_CONSOLES));
        }
        if is_of_stats && counts.consoles_of_stats >= MAX_CONSOLES_OF_STATS {
            return Err(CapError::ConsolesOfStats(MAX_CONSOLES_OF_STATS));
        }
        if counts
            .consoles_by_user
            .get(user)
            .is_some_and(|own| *own >= MAX_CONSOLES_OF_USER)
        {
            return Err(CapError::ConsolesOfUser { user: user.to_owned(), max: MAX_CONSOLES_OF_USER });
        }
        let user: Arc<str> = user.into();
        counts.consoles += 1;
        counts.consoles_of_stats += usize::from(is_of_stats);
        *counts
            .consoles_by_user
            .entry(Arc::clone(&user))
            .or_default() += 1;
        Ok(ConsolePermit { caps: Arc::clone(self), kind, user })
    }

    /// Counts the consoles that hold a permit now.
    pub(crate) fn consoles(&self) -> usize {
        self.counts.lock().consoles
    }

    /// Counts the sessions that hold a permit now.
    pub(crate) fn sessions(&self) -> usize {
        self.counts.lock().all
    }
}

impl Counts {
    fn check_proxy(&self, max: usize) -> Result<(), CapError> {
        if self.all >= max { Err(CapError::Proxy(max)) } else { Ok(()) }
    }

    fn check_connection(&self, spec: &ConnSpec) -> Result<(), CapError> {
        let max = spec.max_sessions;
        match self.by_connection.get(&spec.id) {
            Some(count) if *count >= max => Err(CapError::Connection { conn_id: spec.id.clone(), max }),
            _ => Ok(()),
        }
    }

    fn check_user(&self, user: &str, max_of_user: Option<usize>) -> Result<(), CapError> {
        match (max_of_user, self.by_user.get(user)) {
            (Some(max), Some(count)) if *count >= max => Err(CapError::User { user: user.to_owned(), max }),
            _ => Ok(()),
        }
    }
}

impl Drop for SessionPermit {
    fn drop(&mut self) {
        let mut counts = self.caps.counts.lock();
        counts.all = counts.all.saturating_sub(1);
        count_down(&mut counts.by_connection, &self.conn_id);
        count_down(&mut counts.by_user, &self.user);
    }
}

impl Drop for ConsolePermit {
    fn drop(&mut self) {
        let mut counts = self.caps.counts.lock();
        counts.consoles = counts.consoles.saturating_sub(1);
        count_down(&mut counts.consoles_by_user, &self.user);
        if self.kind == ConsoleUser::Stats {
            counts.consoles_of_stats = counts.consoles_of_stats.saturating_sub(1);
        }
    }
}

/// Forgets a key whose last session has ended: connections of lava's table come and go, and so do
/// users by certificate and by path.
fn count_down<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Fault for CapError {
    fn kind(&self) -> Kind {
        Kind::Operator
    }

    fn refusal(&self) -> Option<Refusal> {
        Some(Refusal::too_many_sessions(match self {
            Self::Proxy(max) => format!("The proxy serves at most {max} sessions."),
            Self::Connection { conn_id, max } => format!("Connection \"{conn_id}\" has at most {max} sessions."),
            Self::Consoles(max) => format!("The console serves at most {max} clients."),
            Self::ConsolesOfStats(max) => format!("The console serves at most {max} clients of admin.stats_users."),
            Self::ConsolesOfUser { user, max } => format!("User \"{user}\" has at most {max} consoles."),
            Self::User { user, max } => format!("User \"{user}\" has at most {max} sessions."),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_user_takes_all_places_of_consoles() {
        let caps = Arc::new(Caps::default());
        let acquire = |kind, user: &str| caps.acquire_console(kind, user);
        let of_monitors = ["m1", "m2", "m3"].map(|user| {
            let own = [(); MAX_CONSOLES_OF_USER].map(|()| acquire(ConsoleUser::Stats, user).unwrap());
            assert!(acquire(ConsoleUser::Stats, user).is_err());
            own
        });
        assert!(matches!(acquire(ConsoleUser::Stats, "m4"), Err(CapError::ConsolesOfStats(12))));
        let of_ann = [(); 3].map(|()| acquire(ConsoleUser::Admin, "ann").unwrap());
        let of_bob = acquire(ConsoleUser::Admin, "bob").unwrap();
        assert!(matches!(acquire(ConsoleUser::Admin, "bob"), Err(CapError::Consoles(16))));
        drop(of_monitors);
        let fourth = acquire(ConsoleUser::Admin, "ann").unwrap();
        assert!(matches!(acquire(ConsoleUser::Admin, "ann"), Err(CapError::ConsolesOfUser { max: 4, .. })));
        drop((of_ann, of_bob, fourth));
        let counts = caps.counts.lock();
        assert_eq!((counts.consoles, counts.consoles_of_stats, counts.consoles_by_user.len()), (0, 0, 0));
    }
}
