//! The cache over a source that does as it is told, on paused clocks.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::entry::Outcome;
use super::{Cache, Fetch, Freshness, Perishable, Policy};
use crate::aws::{AwsError, Call, Operation};
use crate::clock::{Clock, TokioClock};
use crate::jitter::Jitter;

mod ahead;
mod basics;
mod model;
mod room;
mod storm;
mod threads;
mod warehouse;
mod within;

/// What the next fetches do; each takes a second.
#[derive(Clone, Copy, Debug)]
enum Plan {
    Life(u64),
    /// In no time.
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

    fn believed(&self, usual: Duration) -> Duration {
        if self.key == MISSING { secs(10) } else { usual }
    }
}

/// A key whose values are believed for less.
const MISSING: u32 = 404;

struct Fake {
    plans: Mutex<VecDeque<Plan>>,
    /// When there are no more plans.
    usual: Mutex<Plan>,
    calls: AtomicU64,
    flying: Mutex<HashSet<u32>>,
    /// Flights for a key that had one.
    doubled: AtomicU64,
    clock: Arc<TokioClock>,
}

impl Fake {
    async fn run(&self, key: u32) -> Result<Value, AwsError> {
        let serial = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let planned = self.plans.lock().unwrap().pop_front();
        let plan = planned.unwrap_or(*self.usual.lock().unwrap());
        match plan {
            Plan::Quick(_) => tokio::task::yield_now().await,
            _ => tokio::time::sleep(secs(1)).await,
        }
        match plan {
            Plan::Life(life) | Plan::Quick(life) => Ok(Value::new(key, serial, self.clock.now(), secs(life))),
            Plan::Deny => Err(denied()),
            Plan::Throttle => Err(throttled()),
            Plan::Panic => panic!("planned"),
            Plan::Hang => std::future::pending().await,
        }
    }
}

impl Fetch<u32, Value> for Fake {
    fn fetch<'a>(&'a self, key: &'a u32) -> BoxFuture<'a, Result<Value, AwsError>> {
        async move {
            if !self.flying.lock().unwrap().insert(*key) {
                self.doubled.fetch_add(1, Ordering::Relaxed);
            }
            // At the deadline as well.
            let _landing = Landing(self, *key);
            self.run(*key).await
        }
        .boxed()
    }
}

struct Landing<'a>(&'a Fake, u32);

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.0.flying.lock().unwrap().remove(&self.1);
    }
}

fn denied() -> AwsError {
    AwsError::Denied {
        call: Call::new(Operation::GetItem, "x"),
        code: "AccessDenied".into(),
        source: Box::new(std::fmt::Error),
    }
}

fn throttled() -> AwsError {
    AwsError::Throttled {
        call: Call::new(Operation::GetItem, "x"),
        code: "Throttling".into(),
        source: Box::new(std::fmt::Error),
    }
}

struct Rig {
    fake: Arc<Fake>,
    cache: Arc<Cache<u32, Value>>,
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// As logins are kept.
const AHEAD: Policy = Policy {
    freshness: Freshness::Ahead,
    margin: secs(120),
    least_life: secs(120),
    negative_ttl: secs(10),
    timeout: secs(20),
    cap: 100,
};

/// As specs are kept.
const WITHIN: Policy = Policy {
    freshness: Freshness::Within { believed: secs(60), stale_for: secs(300) },
    margin: secs(0),
    least_life: secs(0),
    ..AHEAD
};

fn rig(policy: Policy, plans: impl IntoIterator<Item = Plan>) -> Rig {
    let clock = Arc::new(TokioClock::start());
    let fake = Arc::new(Fake {
        plans: Mutex::new(plans.into_iter().collect()),
        usual: Mutex::new(Plan::Life(900)),
        calls: AtomicU64::new(0),
        flying: Mutex::default(),
        doubled: AtomicU64::new(0),
        clock: Arc::clone(&clock),
    });
    let source = Arc::clone(&fake) as Arc<dyn Fetch<u32, Value>>;
    Rig { fake, cache: Cache::new(source, clock, Handle::current(), policy, Jitter::fixed(1)) }
}

impl Rig {
    fn calls(&self) -> u64 {
        self.fake.calls.load(Ordering::Relaxed)
    }

    fn usually(&self, plan: Plan) {
        *self.fake.usual.lock().unwrap() = plan;
    }

    async fn get(&self) -> Outcome<Value> {
        self.cache.get(&1).await
    }

    /// Which fetch brought what is handed out.
    async fn serial(&self) -> u64 {
        self.get().await.unwrap().serial
    }

    /// Whether the answer was there at once.
    fn at_once(&self) -> Option<Outcome<Value>> {
        self.get().now_or_never()
    }
}

/// Unlike `advance`, lets every timer on the way go off at its time.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
