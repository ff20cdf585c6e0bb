//! Cancel keys: those given to clients, the warehouse's own behind them, and forwarding a
//! CancelRequest.
//!
//! A client gets the warehouse's pid (people and dbt use it) with a key of ours. The key lives as
//! long as its session, so that a request replayed later finds nothing. One replayed during the
//! session cancels again: in clear that is PostgreSQL's own protocol, and in TLS nobody can read
//! it. Wrong keys are counted by [`misses`]; late ones, whose session has just ended, are known to
//! [`ended`]. Nothing is logged while a lock is held.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use ipnet::IpNet;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use self::ended::EndedKeys;
use self::misses::{Miss, Misses};
use crate::session_id::SessionId;
use crate::upstream::{Route, UpstreamError};
use crate::wire::cancel_key::CancelKey;

mod ended;
mod misses;

/// How many queries without a client are cancelled at once, over all sessions: each takes a
/// connection to a warehouse, and an operator may end thousands of sessions at once.
const MAX_ABANDONED: usize = 64;

/// How long a session waits for its turn to cancel such a query. Behind a warehouse that answers
/// the turn comes sooner, even if thousands of sessions end at once.
const TURN_WAIT: Duration = Duration::from_secs(5);

/// The warehouse that a session is on, by the address that it was reached at, and the session's own
/// key there: where its cancel requests go. The live key and its [`Registered`] share one.
#[derive(Debug)]
pub(crate) struct CancelTarget {
    session: SessionId,
    route: Arc<Route>,
    address: SocketAddr,
    key: CancelKey,
    /// Held by the one request that is on its way: each costs the warehouse a connection.
    turn: Semaphore,
}

impl CancelTarget {
    /// Names the server at `address`, which `route` leads to, and the session's key there.
    pub(crate) fn new(session: SessionId, route: Arc<Route>, address: SocketAddr, key: CancelKey) -> Self {
        Self { session, route, address, key, turn: Semaphore::new(1) }
    }

    async fn cancel(&self) -> Cancelled {
        let Ok(_turn) = self.turn.try_acquire() else { return Cancelled::Already(self.session) };
        match self.route.cancel(self.address, &self.key).await {
            Ok(()) => Cancelled::Forwarded(self.session),
            Err(error) => Cancelled::Failed(self.session, error),
        }
    }
}

/// The fate of a CancelRequest.
#[derive(Debug)]
pub(crate) enum Cancelled {
    /// The warehouse of this session has been sent the request.
    Forwarded(SessionId),
    /// The request was dropped, since another one for this session is on its way.
    Already(SessionId),
    /// The session that had this key has just ended: the request came too late.
    TooLate,
    /// No session has this pid.
    Unknown,
    /// A session has this pid, and another key.
    Missed,
    /// A session has this pid, and another key; and the address has missed this pid so often that
    /// somebody guesses.
    Limited,
    /// The proxy ended before the warehouse had the request.
    CutOff,
    /// Too many queries without a client were being cancelled: this session's request was dropped.
    Crowded(SessionId),
    /// The warehouse of this session could not be reached.
    Failed(SessionId, UpstreamError),
}

/// All cancel keys: those of live sessions, those of sessions that have just ended, and a count of
/// guesses. All sessions share one. A shard of its map is locked for a look-up or an insertion,
/// never across an await.
#[derive(Default)]
pub(crate) struct CancelKeys {
    /// The live keys by pid, which several servers may use at once.
    by_pid: DashMap<u32, Vec<(CancelKey, Arc<CancelTarget>)>>,
    ended: EndedKeys,
    misses: Misses,
    abandoned: Turns,
}

/// The turns of sessions whose query has no client any more.
struct Turns(Semaphore);

impl Default for Turns {
    fn default() -> Self {
        Self(Semaphore::new(MAX_ABANDONED))
    }
}

impl Turns {
    /// Runs a cancel when its turn comes. `None`: it did not come in time.
    async fn run<T>(&self, cancel: impl Future<Output = T>) -> Option<T> {
        let _turn = timeout(TURN_WAIT, self.0.acquire()).await.ok()?.ok()?;
        Some(cancel.await)
    }
}

/// A session's key, which cancel requests are served by as long as this value lives. Dropping it
/// makes them too late.
pub(crate) struct Registered {
    keys: Arc<CancelKeys>,
    key: CancelKey,
    target: Arc<CancelTarget>,
}

impl CancelKeys {
    /// Makes a key for a session, with the warehouse's pid. `None`: the system gives no randomness.
    pub(crate) fn register(self: &Arc<Self>, target: CancelTarget) -> Option<Registered> {
        let pid = target.key.pid;
        let mut of_pid = self.by_pid.entry(pid).or_default();
        let key = loop {
            let mut secret = [0; 4];
            aws_lc_rs::rand::fill(&mut secret).ok()?;
            let key = CancelKey::new(pid, &secret);
            if !of_pid.iter().any(|(taken, _)| *taken == key) {
                break key;
            }
        };
        let target = Arc::new(target);
        of_pid.push((key.clone(), Arc::clone(&target)));
        Some(Registered { keys: Arc::clone(self), key, target })
    }

    /// Passes a request on to its session's warehouse, if there is one. A right key is served
    /// whatever else came from its address; only a wrong key of a pid that some session has is a
    /// miss, and none from the networks in `exempt` is counted.
    pub(crate) async fn forward(&self, from: IpAddr, key: &CancelKey, exempt: &[IpNet]) -> Cancelled {
        if let Some(target) = self.find(key) {
            return target.cancel().await;
        }
        if self.ended.has(key) {
            return Cancelled::TooLate;
        }
        if !self.by_pid.contains_key(&key.pid) {
            return Cancelled::Unknown;
        }
        match self.misses.count(exempt, from, key.pid) {
            Miss::Counted => Cancelled::Missed,
            Miss::TooMany => Cancelled::Limited,
        }
    }

    /// Counts the live keys.
    pub(crate) fn len(&self) -> usize {
        self.by_pid.iter().map(|of_pid| of_pid.len()).sum()
    }

    /// Finds the session that has this key. Every key of the pid is compared, each in constant
    /// time.
    fn find(&self, key: &CancelKey) -> Option<Arc<CancelTarget>> {
        let of_pid = self.by_pid.get(&key.pid)?;
        let mut found = None;
        for (known, target) in of_pid.iter() {
            if known == key {
                found = Some(Arc::clone(target));
            }
        }
        found
    }
}

impl Registered {
    /// The key to give to the client.
    pub(crate) fn key(&self) -> &CancelKey {
        &self.key
    }

    /// Cancels the query that the session's warehouse is running, as a request of its client would,
    /// when it is the session's turn: only so many sessions do this at once.
    pub(crate) async fn cancel_abandoned(&self) -> Cancelled {
        let crowded = || Cancelled::Crowded(self.target.session);
        self.keys
            .abandoned
            .run(self.target.cancel())
            .await
            .unwrap_or_else(crowded)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // Ahead of the removal, so that at no moment the key is in neither.
        self.keys.ended.add(&self.key);
        if let dashmap::Entry::Occupied(mut of_pid) = self.keys.by_pid.entry(self.key.pid) {
            of_pid.get_mut().retain(|(key, _)| *key != self.key);
            if of_pid.get().is_empty() {
                of_pid.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn queries_without_clients_are_cancelled_a_few_at_a_time_and_the_others_are_given_up() {
        let turns = Turns::default();
        let mut hung: Vec<_> = (0..MAX_ABANDONED)
            .map(|_| Box::pin(turns.run(pending::<()>())))
            .collect();
        for cancel in &mut hung {
            assert!(cancel.now_or_never().is_none());
        }
        let begun = Instant::now();
        let late = join_all((0..2_000).map(|_| turns.run(async {}))).await;
        assert!(late.iter().all(Option::is_none));
        assert_eq!(begun.elapsed(), TURN_WAIT);
        hung.pop();
        assert!(
            join_all((0..2_000).map(|_| turns.run(async {})))
                .await
                .iter()
                .all(Option::is_some)
        );
    }
}
