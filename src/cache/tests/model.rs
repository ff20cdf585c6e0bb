//! Whatever happens in whatever order, what the cache promises holds: nobody gets another's
//! credential, or one that has expired (aws/amazon-redshift-jdbc-driver#12 and #97).

use std::collections::HashMap;

use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;

const KEYS: u32 = 5;

#[derive(Clone, Debug)]
enum Op {
    Get(u32),
    /// From then on AWS does this.
    Aws(Plan),
    Pass(Duration),
    Suspend(Duration),
    /// The warehouse refuses what was handed out last.
    Refuse(u32),
    Forget(u32),
}

fn op() -> impl Strategy<Value = Op> {
    let plan = prop_oneof![
        5 => prop::sample::select(vec![0, 1, 30, 119, 121, 225, 480, 900, 3600]).prop_map(Plan::Life),
        1 => Just(Plan::Deny),
        1 => Just(Plan::Throttle),
        1 => Just(Plan::Panic),
        1 => Just(Plan::Hang),
    ];
    let time = || prop_oneof![0_u64..3_000, 0_u64..120_000, 0_u64..1_000_000].prop_map(Duration::from_millis);
    prop_oneof![
        10 => (0..KEYS).prop_map(Op::Get),
        2 => plan.prop_map(Op::Aws),
        5 => time().prop_map(Op::Pass),
        1 => time().prop_map(Op::Suspend),
        2 => (0..KEYS).prop_map(Op::Refuse),
        1 => (0..KEYS).prop_map(Op::Forget),
    ]
}

/// The values and promises that the cache has given so far.
#[derive(Default)]
struct Seen {
    last: HashMap<u32, Arc<Value>>,
    /// Until then whoever asks must be served at once.
    promised: HashMap<u32, SystemTime>,
    /// How often each was forgotten: a flight of before promises nothing.
    forgotten: HashMap<u32, u32>,
}

struct World {
    rig: Rig,
    policy: Policy,
    seen: Arc<Mutex<Seen>>,
    gets: JoinSet<()>,
}

impl World {
    fn get(&mut self, key: u32) {
        let (cache, clock) = (Arc::clone(&self.rig.cache), Arc::clone(&self.rig.fake.clock));
        let (seen, policy) = (Arc::clone(&self.seen), self.policy);
        let promised = seen.lock().unwrap().promised.get(&key).copied();
        let forgotten = seen.lock().unwrap().forgotten.get(&key).copied();
        self.gets.spawn(async move {
            let (began, asked_at) = (Instant::now(), clock.now());
            let outcome = cache.get(&key).await;
            let (waited, now) = (began.elapsed(), clock.now());
            assert!(waited <= policy.timeout + Duration::from_millis(2), "{waited:?}");
            // Few keys fit: then any may have been evicted.
            if promised.is_some_and(|until| asked_at < until) && policy.cap >= KEYS as usize {
                assert!(outcome.is_ok() && waited.is_zero(), "{outcome:?} after {waited:?}");
            }
            let Ok(value) = outcome else { return };
            assert_eq!(value.key, key);
            let granted = value
                .expires_at
                .unwrap()
                .duration_since(value.minted_at)
                .unwrap();
            let end = value.expires_at.unwrap() - policy.margin.min(granted / 4);
            let age = now.duration_since(value.minted_at).unwrap();
            let is_fresh = age < Duration::from_millis(5);
            assert!(is_fresh || now < end && granted > policy.min_life, "{value:?} at {now:?}");
            if let Refresh::OnAccess { max_age, stale_if_error } = policy.refresh {
                assert!(is_fresh || age < max_age + stale_if_error, "{age:?}");
            }
            let mut seen = seen.lock().unwrap();
            let is_kept = seen.forgotten.get(&key).copied() == forgotten;
            if is_kept && granted > policy.min_life && matches!(policy.refresh, Refresh::Ahead) {
                let until = seen.promised.entry(key).or_insert(end);
                *until = end.max(*until);
            }
            seen.last.insert(key, value);
        });
    }

    async fn run(&mut self, op: Op) {
        match op {
            Op::Get(key) => self.get(key),
            Op::Aws(plan) => self.rig.usually(plan),
            Op::Pass(time) => pass(time).await,
            Op::Suspend(time) => {
                // A flight would land with a life that began before.
                pass(self.policy.timeout).await;
                self.rig.fake.clock.suspend(time);
            }
            Op::Refuse(key) => {
                let last = self.seen.lock().unwrap().last.get(&key).cloned();
                if let Some(last) = last {
                    self.rig.cache.reject(&key, &last);
                    self.seen.lock().unwrap().promised.remove(&key);
                }
            }
            Op::Forget(key) => {
                self.rig.forget(key);
                let mut seen = self.seen.lock().unwrap();
                seen.promised.remove(&key);
                *seen.forgotten.entry(key).or_default() += 1;
            }
        }
        // Whoever was woken runs before the next.
        pass(Duration::from_millis(1)).await;
        while let Some(done) = self.gets.try_join_next() {
            done.unwrap();
        }
    }
}

async fn live(policy: Policy, ops: Vec<Op>) {
    let mut world = World { rig: rig(policy, []), policy, seen: Arc::default(), gets: JoinSet::new() };
    for op in ops {
        world.run(op).await;
    }
    world.gets.join_all().await;
    pass(policy.timeout).await;
    let rig = world.rig;
    assert_eq!(rig.fake.doubled.load(Ordering::Relaxed), 0, "two flights for one key at once");
    assert!(rig.cache.len() <= policy.cap);
    // Values in use are refreshed once or twice more, if AWS lets us; then nobody uses them.
    pass(secs(3 * 3600)).await;
    assert_eq!((rig.cache.len(), Handle::current().metrics().num_alive_tasks()), (0, 0));
}

fn check(policy: Policy, ops: Vec<Op>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(live(policy, ops));
}

proptest! {
    #[test]
    fn refreshed_ahead(cap in prop_oneof![Just(1_usize), Just(3), Just(100)], ops in prop::collection::vec(op(), 0..120)) {
        check(Policy { cap, ..AHEAD }, ops);
    }

    #[test]
    fn refreshed_on_access(cap in prop_oneof![Just(3_usize), Just(100)], ops in prop::collection::vec(op(), 0..120)) {
        check(Policy { cap, ..ON_ACCESS }, ops);
    }
}
