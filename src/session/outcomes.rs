//! The last login to each connection that succeeded, and the last that did not.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::config::ConnId;

/// The most connections that are remembered. Beyond them, new ones of lava's table are not.
const MOST: usize = 10_000;

/// Longest reason that is kept, in characters.
const MAX_REASON: usize = 500;

/// The outcomes of the last logins, by connection. All sessions share one; the lock is held for one
/// look or one change.
#[derive(Default)]
pub(crate) struct Outcomes(Mutex<HashMap<ConnId, LastLogins>>);

/// The last logins to one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastLogins {
    /// The last login that succeeded. `None`: none has since the start.
    pub(crate) last_login: Option<Instant>,
    /// The last login that failed, if none has succeeded since, with the reason.
    pub(crate) last_error: Option<(Instant, Arc<str>)>,
}

impl Outcomes {
    /// Takes note of a login that has succeeded.
    pub(super) fn succeeded(&self, conn_id: &ConnId) {
        let now = LastLogins { last_login: Some(Instant::now()), last_error: None };
        self.change(conn_id, |logins| *logins = now);
    }

    /// Takes note of a login that has failed for a reason that is not the client's.
    pub(super) fn failed(&self, conn_id: &ConnId, reason: &str) {
        let reason: String = reason.chars().take(MAX_REASON).collect();
        let error = Some((Instant::now(), Arc::from(reason)));
        self.change(conn_id, |logins| logins.last_error = error);
    }

    /// The last logins to a connection.
    pub(crate) fn of(&self, conn_id: &ConnId) -> LastLogins {
        self.0.lock().get(conn_id).cloned().unwrap_or_default()
    }

    fn change(&self, conn_id: &ConnId, change: impl FnOnce(&mut LastLogins)) {
        let mut by_connection = self.0.lock();
        let has_room = by_connection.len() < MOST;
        match by_connection.get_mut(conn_id) {
            Some(logins) => change(logins),
            None if has_room => change(by_connection.entry(conn_id.clone()).or_default()),
            None => {}
        }
    }
}
