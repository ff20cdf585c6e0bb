//! The last login to each connection that succeeded, and the last that did not.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::config::ConnId;

/// The most connections that are remembered. For more, the half whose last login is longest ago is
/// forgotten.
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
        if by_connection.len() >= MOST && !by_connection.contains_key(conn_id) {
            let mut ages: Vec<_> = by_connection.values().map(LastLogins::last).collect();
            let (_, median, _) = ages.select_nth_unstable(MOST / 2);
            let median = *median;
            by_connection.retain(|_, logins| logins.last() > median);
        }
        change(by_connection.entry(conn_id.clone()).or_default());
    }
}

impl LastLogins {
    /// When the last login ended, well or not.
    fn last(&self) -> Option<Instant> {
        self.last_login
            .max(self.last_error.as_ref().map(|(at, _)| *at))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    /// Review of issue 13: the first ten thousand names were remembered for good.
    #[tokio::test(start_paused = true)]
    async fn of_too_many_connections_the_latest_are_remembered() {
        let outcomes = Outcomes::default();
        let id = |number: usize| ConnId::new(&format!("c{number}")).unwrap();
        for number in 0..MOST {
            outcomes.succeeded(&id(number));
            advance(Duration::from_millis(1)).await;
        }
        outcomes.failed(&id(0), "again");
        outcomes.failed(&id(MOST), "late");
        for (number, is_there) in [(0, true), (1, false), (MOST - 1, true), (MOST, true)] {
            let logins = outcomes.of(&id(number));
            assert_eq!(logins.last().is_some(), is_there, "{number}");
        }
        assert!(outcomes.0.lock().len() <= MOST / 2 + 1);
    }
}
