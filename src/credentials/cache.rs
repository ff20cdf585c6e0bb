//! The cache of logins: one flight per order however many wait, and never a login with too little life.
//!
//! Flights run on the control runtime, so that a session that leaves aborts nobody else's.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dashmap::{DashMap, Entry};
use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::{debug, warn};

use super::{DbLogin, MintError, MintLogin, Order};
use crate::clock::Clock;
use crate::config::Credentials;

/// Longest memory of a refusal.
const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(300);

type Outcome = Result<Arc<DbLogin>, Arc<MintError>>;

/// All logins held or on their way, by what was ordered. As many as configuration has connections.
pub(crate) struct Logins {
    mint: Arc<dyn MintLogin>,
    clock: Arc<dyn Clock>,
    control: Handle,
    settings: Settings,
    slots: DashMap<Order, Slot>,
}

#[derive(Clone, Copy)]
struct Settings {
    margin: Duration,
    negative_ttl: Duration,
    timeout: Duration,
}

enum Slot {
    /// One flight; everyone who wants this login waits for it. With it goes the memory of the last refusal.
    Flying(watch::Receiver<Option<Outcome>>, Option<Duration>),
    Held(Arc<DbLogin>),
    Refused {
        error: Arc<MintError>,
        since: Instant,
        ttl: Duration,
    },
}

impl Logins {
    /// An empty cache whose flights run on `control`.
    pub(crate) fn new(
        mint: Arc<dyn MintLogin>,
        clock: Arc<dyn Clock>,
        control: Handle,
        settings: &Credentials,
    ) -> Arc<Self> {
        let settings = Settings {
            margin: settings.refresh_margin,
            negative_ttl: settings.negative_ttl,
            timeout: settings.timeout,
        };
        Arc::new(Self { mint, clock, control, settings, slots: DashMap::new() })
    }

    /// A login with more life left than the margin, fetched if need be. Cancel safe: a flight goes on without its
    /// waiters.
    ///
    /// # Errors
    /// What ended the flight, shared by all who waited, or a refusal that is still remembered.
    pub(crate) async fn get(self: &Arc<Self>, order: &Order) -> Outcome {
        let mut flight = match self.held_or_flight(order) {
            Ok(outcome) => return outcome,
            Err(flight) => flight,
        };
        match flight.wait_for(Option::is_some).await {
            Ok(landed) => landed.clone().unwrap_or_else(lost),
            Err(_sender_gone) => lost(),
        }
    }

    /// Forgets a login that the warehouse refused, unless another one has taken its place.
    pub(crate) fn forget(&self, order: &Order, refused: &Arc<DbLogin>) {
        self.slots.remove_if(order, |_, slot| matches!(slot, Slot::Held(held) if Arc::ptr_eq(held, refused)));
    }

    /// What is there, or the flight to wait for; started here where there is none.
    fn held_or_flight(self: &Arc<Self>, order: &Order) -> Result<Outcome, watch::Receiver<Option<Outcome>>> {
        let entry = self.slots.entry(order.clone());
        let last_ttl = match &entry {
            Entry::Occupied(slot) => match slot.get() {
                Slot::Held(login) if self.is_usable(login, order) => return Ok(Ok(Arc::clone(login))),
                Slot::Flying(flight, _) => return Err(flight.clone()),
                Slot::Refused { error, since, ttl } if since.elapsed() < *ttl => return Ok(Err(Arc::clone(error))),
                Slot::Refused { ttl, .. } => Some(*ttl),
                Slot::Held(_) => None,
            },
            Entry::Vacant(_) => None,
        };
        let (landed, flight) = watch::channel(None);
        entry.insert(Slot::Flying(flight.clone(), last_ttl));
        self.control.spawn(Arc::clone(self).fly(order.clone(), landed));
        Err(flight)
    }

    async fn fly(self: Arc<Self>, order: Order, landed: watch::Sender<Option<Outcome>>) {
        debug!(workgroup = order.workgroup.as_str(), "fetching a login");
        let flight = AssertUnwindSafe(timeout(self.settings.timeout, self.mint.mint(&order))).catch_unwind().await;
        let outcome = match flight {
            Ok(Ok(Ok(login))) => Ok(Arc::new(login)),
            Ok(Ok(Err(error))) => Err(Arc::new(error)),
            Ok(Err(_elapsed)) => Err(Arc::new(MintError::Deadline(self.settings.timeout))),
            Err(_panic) => lost(),
        };
        // First the slot, then the waiters: whoever comes in between finds the outcome, not a flight that is over.
        self.land(&order, &outcome);
        landed.send_replace(Some(outcome));
    }

    fn land(&self, order: &Order, outcome: &Outcome) {
        let Entry::Occupied(mut slot) = self.slots.entry(order.clone()) else { return };
        match outcome {
            Ok(login) if self.is_usable(login, order) => {
                slot.insert(Slot::Held(Arc::clone(login)));
            }
            Ok(_) => {
                warn!(
                    workgroup = order.workgroup.as_str(),
                    "a fresh login has less life than refresh_margin: used once"
                );
                slot.remove();
            }
            Err(error) if error.is_final() => {
                let last = match slot.get() {
                    Slot::Flying(_, last) => *last,
                    Slot::Held(_) | Slot::Refused { .. } => None,
                };
                let ttl = last.map_or(self.settings.negative_ttl, |last| (last * 2).min(MAX_NEGATIVE_TTL));
                slot.insert(Slot::Refused { error: Arc::clone(error), since: Instant::now(), ttl });
            }
            Err(_) => {
                slot.remove();
            }
        }
    }

    /// The margin is at most a quarter of the life that was asked for.
    fn is_usable(&self, login: &DbLogin, order: &Order) -> bool {
        let margin = self.settings.margin.min(order.life / 4);
        login.expires_at.is_none_or(|at| left(at, self.clock.now()) > margin)
    }
}

fn left(expires_at: SystemTime, now: SystemTime) -> Duration {
    expires_at.duration_since(now).unwrap_or_default()
}

fn lost() -> Outcome {
    Err(Arc::new(MintError::Lost))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use futures_util::future::BoxFuture;

    use super::*;
    use crate::clock::ManualClock;
    use crate::secret::Secret;

    /// What the next flights do; each takes a second.
    enum Plan {
        Life(u64),
        Deny,
        Throttle,
        Panic,
        Hang,
    }

    #[derive(Default)]
    struct Fake {
        plans: Mutex<VecDeque<Plan>>,
        calls: Mutex<Vec<Order>>,
        clock: Arc<ManualClock>,
    }

    impl MintLogin for Fake {
        fn mint<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<DbLogin, MintError>> {
            async move {
                self.calls.lock().unwrap().push(order.clone());
                let plan = self.plans.lock().unwrap().pop_front();
                tokio::time::sleep(Duration::from_secs(1)).await;
                let source = || Box::new(std::fmt::Error);
                match plan.unwrap_or(Plan::Life(order.life.as_secs())) {
                    Plan::Life(secs) => Ok(DbLogin {
                        user: format!("u{}", self.calls.lock().unwrap().len()),
                        password: Secret::new("p".into()),
                        expires_at: Some(self.clock.now() + Duration::from_secs(secs)),
                    }),
                    Plan::Deny => {
                        Err(MintError::Denied { operation: "x", code: "AccessDenied".into(), source: source() })
                    }
                    Plan::Throttle => {
                        Err(MintError::Unavailable { operation: "x", code: "Throttling".into(), source: source() })
                    }
                    Plan::Panic => panic!("planned"),
                    Plan::Hang => std::future::pending().await,
                }
            }
            .boxed()
        }
    }

    struct Rig {
        fake: Arc<Fake>,
        logins: Arc<Logins>,
    }

    fn rig(plans: impl IntoIterator<Item = Plan>) -> Rig {
        let fake = Arc::new(Fake { plans: Mutex::new(plans.into_iter().collect()), ..Fake::default() });
        let settings = Credentials {
            refresh_margin: Duration::from_secs(120),
            negative_ttl: Duration::from_secs(10),
            timeout: Duration::from_secs(20),
        };
        let clock = Arc::clone(&fake.clock) as Arc<dyn Clock>;
        let logins = Logins::new(Arc::clone(&fake) as Arc<dyn MintLogin>, clock, Handle::current(), &settings);
        Rig { fake, logins }
    }

    impl Rig {
        fn calls(&self) -> usize {
            self.fake.calls.lock().unwrap().len()
        }

        async fn user(&self) -> String {
            self.logins.get(&order("wg")).await.unwrap().user.clone()
        }
    }

    fn order(workgroup: &str) -> Order {
        Order {
            region: None,
            workgroup: workgroup.into(),
            database: "dev".into(),
            role: None,
            life: Duration::from_secs(900),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_waiters_share_one_flight() {
        let rig = rig([]);
        let order = order("wg");
        let all = futures_util::future::join_all((0..1000).map(|_| rig.logins.get(&order))).await;
        assert!(all.iter().all(|login| login.as_ref().unwrap().user == "u1"));
        assert_eq!(rig.calls(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_flight_holds_up_nobody_elses() {
        let rig = rig([Plan::Hang]);
        let hanging = tokio::spawn({
            let logins = Arc::clone(&rig.logins);
            async move { logins.get(&order("slow")).await }
        });
        while rig.calls() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(rig.logins.get(&order("wg")).await.is_ok());
        assert!(matches!(*hanging.await.unwrap().unwrap_err(), MintError::Deadline(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_leaves_aborts_nobody() {
        let rig = rig([]);
        let order = order("wg");
        let first = timeout(Duration::from_millis(500), rig.logins.get(&order)).await;
        assert!(first.is_err(), "it left while the call was under way");
        assert!(rig.logins.get(&order).await.is_ok());
        assert_eq!(rig.calls(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_within_its_margin_is_replaced() {
        let rig = rig([]);
        assert_eq!(rig.user().await, "u1");
        rig.fake.clock.advance(Duration::from_secs(770));
        assert_eq!(rig.user().await, "u1");
        rig.fake.clock.advance(Duration::from_secs(20));
        assert_eq!(rig.user().await, "u2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_fresh_login_with_too_short_a_life_is_used_once() {
        let rig = rig([Plan::Life(60), Plan::Life(900)]);
        assert_eq!(rig.user().await, "u1");
        assert_eq!(rig.user().await, "u2");
        assert_eq!(rig.user().await, "u2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_login_is_forgotten_once() {
        let rig = rig([]);
        let refused = rig.logins.get(&order("wg")).await.unwrap();
        rig.logins.forget(&order("wg"), &refused);
        assert_eq!(rig.user().await, "u2");
        rig.logins.forget(&order("wg"), &refused);
        assert_eq!(rig.user().await, "u2", "a late report of the old one does not cost the new one");
    }

    #[tokio::test(start_paused = true)]
    async fn a_denial_is_remembered_twice_as_long_each_time() {
        let rig = rig([Plan::Deny, Plan::Deny, Plan::Life(900)]);
        for (wait, calls) in [(0, 1), (9, 1), (2, 2), (19, 2), (2, 3)] {
            tokio::time::advance(Duration::from_secs(wait)).await;
            let outcome = rig.logins.get(&order("wg")).await;
            assert_eq!((outcome.is_ok(), rig.calls()), (calls == 3, calls), "after {wait} s more");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_flight_fails_its_waiters_and_is_not_remembered() {
        let rig = rig([Plan::Throttle]);
        let order = order("wg");
        let all = futures_util::future::join_all((0..10).map(|_| rig.logins.get(&order))).await;
        assert!(all.iter().all(Result::is_err));
        assert!(rig.logins.get(&order).await.is_ok());
        assert_eq!(rig.calls(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flight_that_panics_is_an_error_and_the_next_one_flies() {
        let rig = rig([Plan::Panic]);
        assert!(matches!(*rig.logins.get(&order("wg")).await.unwrap_err(), MintError::Lost));
        assert!(rig.logins.get(&order("wg")).await.is_ok());
    }
}
