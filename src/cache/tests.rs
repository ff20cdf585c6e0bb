//! The cache over a source that does as it is told, on paused clocks.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use thiserror::Error;
use tokio::runtime::Handle;

use super::entry::Outcome;
use super::{Cache, Fetch, FetchError, Perishable, Policy, Refresh};
use crate::clock::{Clock, TokioClock};
use crate::jitter::Jitter;

mod ahead;
mod basics;
mod cap;
mod model;
mod on_access;
mod rejected;
mod swapped;
mod threads;

/// The result of a fetch, which takes a second.
#[derive(Clone, Copy, Debug)]
enum Plan {
    Life(u64),
    /// Like `Life`, in no time.
    Quick(u64),
    Deny,
    Throttle,
    Panic,
    Hang,
}

#[derive(Debug)]
struct Value {
    key: u32,
    serial: u64,
    minted_at: SystemTime,
    expires_at: Option<SystemTime>,
}

impl Value {
    fn new(key: u32, serial: u64, minted_at: SystemTime, life: Duration) -> Self {
        Self { key, serial, minted_at, expires_at: Some(minted_at + life) }
    }
}

impl Perishable for Value {
    fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }

    fn max_age(&self, usual: Duration) -> Duration {
        if self.key == MISSING { secs(10) } else { usual }
    }
}

/// A key whose values have a shorter `max_age`.
const MISSING: u32 = 404;

/// A key whose flights have a shorter deadline.
const HURRIED: u32 = 405;

struct Fake {
    plans: Mutex<VecDeque<Plan>>,
    /// When there are no more plans.
    usual: Mutex<Plan>,
    calls: AtomicU64,
    flying: Mutex<HashSet<u32>>,
    /// Keys whose flights were disowned: they may have another.
    forgotten: Mutex<HashSet<u32>>,
    /// Flights for a key that had one.
    doubled: AtomicU64,
    clock: Arc<TokioClock>,
}

impl Fake {
    async fn run(&self, key: u32) -> Result<Value, Refused> {
        let serial = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let planned = self.plans.lock().unwrap().pop_front();
        let plan = planned.unwrap_or(*self.usual.lock().unwrap());
        match plan {
            Plan::Quick(_) => tokio::task::yield_now().await,
            _ => tokio::time::sleep(secs(1)).await,
        }
        match plan {
            Plan::Life(life) | Plan::Quick(life) => Ok(Value::new(key, serial, self.clock.now(), secs(life))),
            Plan::Deny => Err(Refused::Denied),
            Plan::Throttle => Err(Refused::Throttled),
            Plan::Panic => panic!("planned"),
            Plan::Hang => std::future::pending().await,
        }
    }
}

impl Fetch for Fake {
    type Key = u32;
    type Value = Value;
    type Error = Refused;

    fn fetch<'a>(&'a self, key: &'a u32, _cache: &'a Arc<Cache<Self>>) -> BoxFuture<'a, Result<Value, Refused>> {
        async move {
            if !self.flying.lock().unwrap().insert(*key) && !self.forgotten.lock().unwrap().contains(key) {
                self.doubled.fetch_add(1, Ordering::Relaxed);
            }
            // At the deadline as well.
            let _landing = Landing(self, *key);
            self.run(*key).await
        }
        .boxed()
    }

    fn timeout(&self, key: &u32, usual: Duration) -> Duration {
        if *key == HURRIED { secs(5) } else { usual }
    }
}

struct Landing<'a>(&'a Fake, u32);

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.0.flying.lock().unwrap().remove(&self.1);
    }
}

/// The errors of [`Fake`], and of its flights.
#[derive(Debug, Error)]
#[error("{self:?}")]
enum Refused {
    /// Final.
    Denied,
    /// For the moment.
    Throttled,
    Deadline(Duration),
    Lost,
}

impl Refused {
    fn is_denied(&self) -> bool {
        matches!(self, Self::Denied)
    }
}

impl FetchError for Refused {
    fn is_remembered(&self) -> bool {
        self.is_denied()
    }

    fn revokes(&self) -> bool {
        self.is_denied()
    }

    fn deadline(_name: String, after: Duration) -> Self {
        Self::Deadline(after)
    }

    fn lost() -> Self {
        Self::Lost
    }
}

struct Rig {
    fake: Arc<Fake>,
    cache: Arc<Cache<Fake>>,
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// The policy of logins.
const AHEAD: Policy = Policy {
    refresh: Refresh::Ahead,
    margin: secs(120),
    min_life: secs(120),
    negative_ttl: secs(10),
    timeout: secs(20),
    cap: 100,
};

/// The policy of specs.
const ON_ACCESS: Policy = Policy {
    refresh: Refresh::OnAccess { max_age: secs(60), stale_if_error: secs(300) },
    margin: secs(0),
    min_life: secs(0),
    ..AHEAD
};

fn rig(policy: Policy, plans: impl IntoIterator<Item = Plan>) -> Rig {
    let clock = Arc::new(TokioClock::start());
    let fake = Arc::new(Fake {
        plans: Mutex::new(plans.into_iter().collect()),
        usual: Mutex::new(Plan::Life(900)),
        calls: AtomicU64::new(0),
        flying: Mutex::default(),
        forgotten: Mutex::default(),
        doubled: AtomicU64::new(0),
        clock: Arc::clone(&clock),
    });
    let source = Arc::clone(&fake);
    Rig { fake, cache: Cache::new(source, clock, Handle::current(), policy, Jitter::fixed(8)) }
}

impl Rig {
    fn calls(&self) -> u64 {
        self.fake.calls.load(Ordering::Relaxed)
    }

    fn usually(&self, plan: Plan) {
        *self.fake.usual.lock().unwrap() = plan;
    }

    fn forget(&self, key: u32) -> bool {
        self.fake.forgotten.lock().unwrap().insert(key);
        self.cache.forget(&key)
    }

    async fn get(&self) -> Outcome<Value, Refused> {
        self.cache.get(&1).await
    }

    /// Which fetch brought what is handed out.
    async fn serial(&self) -> u64 {
        self.get().await.unwrap().serial
    }

    /// Whether the answer was there at once.
    fn at_once(&self) -> Option<Outcome<Value, Refused>> {
        self.get().now_or_never()
    }
}

/// Unlike `advance`, lets every timer on the way go off at its time.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
