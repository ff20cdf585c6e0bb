//! Cancel keys: those given to clients, the warehouse's own behind them, and forwarding a CancelRequest.
//!
//! A client gets the warehouse's pid (people and dbt use it) with a key of ours. The key lives as long as its session,
//! so that a request replayed later finds nothing. One replayed during the session cancels again: in clear that is
//! PostgreSQL's own protocol, and in TLS nobody can read it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::warn;

use crate::address::neighbourhood;
use crate::secret::same;
use crate::session_id::SessionId;
use crate::upstream::{Route, UpstreamError};
use crate::wire;

/// Requests for no session of ours, per address and minute; more are dropped unseen.
const MISSES_PER_MINUTE: u32 = 20;
const MINUTE: Duration = Duration::from_secs(60);

/// Addresses whose misses are remembered; beyond, the memory is emptied rather than let grow.
const MAX_ADDRESSES: usize = 10_000;

/// What a CancelRequest carries.
#[derive(Clone)]
pub(crate) struct CancelKey {
    pub(crate) pid: u32,
    /// 4 bytes in protocol 3.0, up to 256 in 3.2.
    secret: Box<[u8]>,
}

impl CancelKey {
    /// Reads what follows the request code.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let (pid, secret) = body.split_at_checked(4)?;
        (4..=256).contains(&secret.len()).then(|| Self { pid: wire::peek_u32(pid, 0), secret: secret.into() })
    }

    /// The body of a BackendKeyData or CancelRequest.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [&self.pid.to_be_bytes(), &*self.secret].concat()
    }
}

/// The secret in constant time.
impl PartialEq for CancelKey {
    fn eq(&self, other: &Self) -> bool {
        self.pid == other.pid && same(&self.secret, &other.secret)
    }
}

impl std::fmt::Debug for CancelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelKey").field("pid", &self.pid).finish_non_exhaustive()
    }
}

/// Where a cancel request goes: the very server that the session is on, and its own key there.
#[derive(Clone, Debug)]
pub(crate) struct CancelTarget {
    session: SessionId,
    route: Arc<Route>,
    address: SocketAddr,
    key: CancelKey,
    /// One at a time: each costs the warehouse a connection.
    turn: Arc<Semaphore>,
}

impl CancelTarget {
    pub(crate) fn new(session: SessionId, route: Arc<Route>, address: SocketAddr, key: CancelKey) -> Self {
        Self { session, route, address, key, turn: Arc::new(Semaphore::new(1)) }
    }

    async fn cancel(&self) -> Cancelled {
        let Ok(_turn) = self.turn.try_acquire() else { return Cancelled::Already(self.session) };
        match self.route.cancel(self.address, &self.key).await {
            Ok(()) => Cancelled::Forwarded(self.session),
            Err(error) => Cancelled::Failed(self.session, error),
        }
    }
}

/// What became of a CancelRequest.
#[derive(Debug)]
pub(crate) enum Cancelled {
    /// The warehouse of this session has it.
    Forwarded(SessionId),
    /// Another request for this session is on its way; this one is dropped.
    Already(SessionId),
    /// No session has this key.
    Unknown,
    /// Too many unknown keys from this address.
    Limited,
    /// The warehouse of this session could not be told.
    Failed(SessionId, UpstreamError),
}

/// All live keys, and who guesses at them. Shared by all sessions.
#[derive(Default)]
pub(crate) struct CancelKeys {
    /// Several servers may use the same pid at once.
    by_pid: DashMap<u32, Vec<(CancelKey, CancelTarget)>>,
    misses: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

/// A key that is honoured as long as this lives.
pub(crate) struct Registered {
    keys: Arc<CancelKeys>,
    key: CancelKey,
}

impl CancelKeys {
    /// Makes a key for a session. `None` where there is no randomness.
    pub(crate) fn register(self: &Arc<Self>, target: CancelTarget) -> Option<Registered> {
        let pid = target.key.pid;
        let mut of_pid = self.by_pid.entry(pid).or_default();
        let key = loop {
            let mut secret = [0; 4];
            aws_lc_rs::rand::fill(&mut secret).ok()?;
            let key = CancelKey { pid, secret: secret.into() };
            if !of_pid.iter().any(|(taken, _)| *taken == key) {
                break key;
            }
        };
        of_pid.push((key.clone(), target));
        Some(Registered { keys: Arc::clone(self), key })
    }

    /// Passes a request on to its session's warehouse, if there is one.
    pub(crate) async fn forward(&self, from: IpAddr, key: &CancelKey) -> Cancelled {
        let from = neighbourhood(from);
        if self.is_limited(from) {
            return Cancelled::Limited;
        }
        let Some(target) = self.find(key) else {
            self.count_miss(from);
            return Cancelled::Unknown;
        };
        target.cancel().await
    }

    /// How many keys are live.
    pub(crate) fn len(&self) -> usize {
        self.by_pid.iter().map(|of_pid| of_pid.len()).sum()
    }

    /// Every key of the pid is compared, each in constant time.
    fn find(&self, key: &CancelKey) -> Option<CancelTarget> {
        let of_pid = self.by_pid.get(&key.pid)?;
        let mut found = None;
        for (known, target) in of_pid.iter() {
            if known == key {
                found = Some(target.clone());
            }
        }
        found
    }

    fn is_limited(&self, from: IpAddr) -> bool {
        let misses = self.misses.lock().unwrap_or_else(PoisonError::into_inner);
        misses.get(&from).is_some_and(|(since, count)| since.elapsed() < MINUTE && *count >= MISSES_PER_MINUTE)
    }

    fn count_miss(&self, from: IpAddr) {
        let mut misses = self.misses.lock().unwrap_or_else(PoisonError::into_inner);
        if misses.len() >= MAX_ADDRESSES {
            misses.retain(|_, (since, _)| since.elapsed() < MINUTE);
        }
        if misses.len() >= MAX_ADDRESSES {
            misses.clear();
        }
        let (since, count) = misses.entry(from).or_insert_with(|| (Instant::now(), 0));
        if since.elapsed() >= MINUTE {
            (*since, *count) = (Instant::now(), 0);
        }
        *count += 1;
        if *count == MISSES_PER_MINUTE {
            let client_addr = from.to_string();
            warn!(
                client_addr = client_addr.as_str(),
                "cancels of no session here: any more are dropped, for a minute at most"
            );
        }
    }
}

impl Registered {
    /// The key to give to the client.
    pub(crate) fn key(&self) -> &CancelKey {
        &self.key
    }

    /// Cancels what its session's warehouse is doing, as the client would.
    pub(crate) async fn cancel(&self) -> Cancelled {
        // Only its own drop takes it out.
        let Some(target) = self.keys.find(&self.key) else { return Cancelled::Unknown };
        target.cancel().await
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let dashmap::Entry::Occupied(mut of_pid) = self.keys.by_pid.entry(self.key.pid) {
            of_pid.get_mut().retain(|(key, _)| *key != self.key);
            if of_pid.get().is_empty() {
                of_pid.remove();
            }
        }
    }
}
