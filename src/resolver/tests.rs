use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use futures_util::poll;
use tokio::time::timeout;

use super::*;

const ADDRESS: [u8; 4] = [10, 0, 0, 1];

/// A resolver whose names that begin with "hung" do not end until they are let go, and whose other
/// names resolve, but for those that begin with "wrong".
struct Scripted {
    resolver: Resolver,
    calls: Arc<AtomicUsize>,
    let_go: Vec<mpsc::Sender<()>>,
}

fn scripted(threads: usize, hosts: usize) -> Scripted {
    let calls = Arc::new(AtomicUsize::new(0));
    let (let_go, hung): (Vec<_>, Vec<_>) = (0..2 * threads).map(|_| mpsc::channel::<()>()).unzip();
    let hung = Mutex::new(hung);
    let counted = Arc::clone(&calls);
    let look_up: LookUp = Arc::new(move |host| {
        counted.fetch_add(1, Ordering::SeqCst);
        if host.starts_with("hung") {
            let until = hung.lock().pop().unwrap();
            let _ = until.recv();
            return Err(io::ErrorKind::TimedOut.into());
        }
        match host {
            "panic" => panic!("broken"),
            "empty" => Ok(Vec::new()),
            _ if host.starts_with("wrong") => Err(io::Error::other("no such name")),
            _ => Ok(vec![ADDRESS.into()]),
        }
    });
    Scripted { resolver: Resolver::new(look_up, ResolverCaps { threads, hosts }), calls, let_go }
}

impl Scripted {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Until so many look-ups have begun.
    async fn wait_for_calls(&self, calls: usize) {
        while self.calls() < calls {
            tokio::task::yield_now().await;
        }
    }

    /// Makes the last answer for a host older.
    fn age(&self, host: &str, by: Duration) {
        let mut state = self.resolver.shared.lock();
        let (at, _) = state.hosts.get_mut(host).unwrap().last.as_mut().unwrap();
        *at = at.checked_sub(by).unwrap();
    }

    /// Until every thread has ended.
    async fn wait_until_idle(&self) {
        while self.resolver.shared.lock().threads > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn an_address_needs_no_look_up() {
    let scripted = scripted(1, 10);
    for address in ["10.0.0.9", "2001:db8::1"] {
        let found = scripted.resolver.resolve(address).await.unwrap();
        assert_eq!(*found, [address.parse::<IpAddr>().unwrap()]);
    }
    assert_eq!(scripted.calls(), 0);
}

#[tokio::test]
async fn a_thousand_callers_for_a_hung_name_take_one_thread_and_delay_no_other() {
    let scripted = scripted(2, 10);
    let mut waiting: Vec<_> = (0..1_000)
        .map(|_| Box::pin(scripted.resolver.resolve("hung")))
        .collect();
    for waiter in &mut waiting {
        assert!(poll!(waiter).is_pending());
    }
    scripted.wait_for_calls(1).await;
    for number in 0..100 {
        let found = scripted
            .resolver
            .resolve(&format!("good{}", number % 9))
            .await
            .unwrap();
        assert_eq!(*found, [IpAddr::from(ADDRESS)]);
    }
    assert_eq!(scripted.calls(), 1 + 9, "one for the hung name, one for each other");
    for waiter in &mut waiting {
        assert!(poll!(waiter).is_pending());
    }
    drop(scripted.let_go);
    for waiter in waiting {
        assert_eq!(waiter.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}

#[tokio::test]
async fn an_abandoned_look_up_keeps_its_thread_and_serves_the_next_caller() {
    let scripted = scripted(1, 10);
    let mut abandoned = Box::pin(scripted.resolver.resolve("hung"));
    assert!(poll!(&mut abandoned).is_pending());
    scripted.wait_for_calls(1).await;
    drop(abandoned);
    let mut again = Box::pin(scripted.resolver.resolve("hung"));
    assert!(poll!(&mut again).is_pending());
    let mut queued = Box::pin(scripted.resolver.resolve("good"));
    assert!(poll!(&mut queued).is_pending(), "the only thread is taken");
    assert_eq!(scripted.resolver.shared.lock().threads, 1);
    drop(scripted.let_go);
    assert!(again.await.is_err());
    assert!(queued.await.is_ok(), "it was queued, and has its turn");
    assert_eq!(scripted.calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_host_that_nobody_waits_for_any_more_is_not_looked_up() {
    let scripted = scripted(1, 10);
    let mut hung = Box::pin(scripted.resolver.resolve("hung"));
    assert!(poll!(&mut hung).is_pending());
    let mut left = Box::pin(scripted.resolver.resolve("left"));
    assert!(poll!(&mut left).is_pending());
    drop(left);
    drop(scripted.let_go.into_iter().next_back());
    assert!(hung.await.is_err());
    while scripted.resolver.shared.lock().threads > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(scripted.calls.load(Ordering::SeqCst), 1);
    assert!(scripted.resolver.resolve("left").await.is_ok(), "it can be asked for again");
}

#[tokio::test]
async fn names_that_do_not_resolve_hold_half_of_the_threads_at_most() {
    let mut scripted = scripted(4, 100);
    let hung: Vec<_> = (0..4).map(|number| format!("hung{number}")).collect();
    let resolver = scripted.resolver.clone();
    let mut first: Vec<_> = hung
        .iter()
        .map(|host| Box::pin(resolver.resolve(host)))
        .collect();
    for waiter in &mut first {
        assert!(poll!(waiter).is_pending());
    }
    scripted.wait_for_calls(4).await;
    // Nobody knew: all threads are taken, and the next host waits for the first that ends.
    let mut queued = Box::pin(resolver.resolve("good"));
    assert!(poll!(&mut queued).is_pending());
    for _ in 0..4 {
        drop(scripted.let_go.pop());
    }
    for waiter in first {
        assert!(waiter.await.is_err());
    }
    assert!(queued.await.is_ok());
    scripted.wait_until_idle().await;
    // Now it is known of them: asked for again behind the time for which a failure is the answer,
    // two get a thread.
    for host in &hung {
        scripted.age(host, FAILURE_MAX_AGE);
    }
    let mut again: Vec<_> = hung
        .iter()
        .map(|host| Box::pin(resolver.resolve(host)))
        .collect();
    let (mut waiting, mut refused) = (0, 0);
    for waiter in &mut again {
        match poll!(waiter) {
            std::task::Poll::Pending => waiting += 1,
            std::task::Poll::Ready(answer) => {
                assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::ResourceBusy);
                refused += 1;
            }
        }
    }
    assert_eq!((waiting, refused), (2, 2));
    assert!(resolver.resolve("better").await.is_ok(), "the other half is free");
    assert_eq!(resolver.shared.lock().suspects, 2);
    drop(again);
    scripted.let_go.clear();
    scripted.wait_until_idle().await;
    assert_eq!(resolver.shared.lock().suspects, 0);
}

#[tokio::test]
async fn answers_are_used_for_seconds_and_failures_for_fewer() {
    let scripted = scripted(2, 10);
    for (host, is_ok, used) in [("good", true, ANSWER_MAX_AGE), ("wrong", false, FAILURE_MAX_AGE)] {
        let before = scripted.calls();
        for _ in 0..2 {
            assert_eq!(scripted.resolver.resolve(host).await.is_ok(), is_ok);
        }
        assert_eq!(scripted.calls(), before + 1, "{host}");
        assert_eq!(
            scripted
                .resolver
                .resolve(&host.to_uppercase())
                .await
                .is_ok(),
            is_ok
        );
        assert_eq!(scripted.calls(), before + 1, "{host}");
        scripted.age(host, used);
        assert_eq!(scripted.resolver.resolve(host).await.is_ok(), is_ok);
        assert_eq!(scripted.calls(), before + 2, "{host}");
    }
}

#[tokio::test]
async fn an_old_answer_stands_in_while_no_thread_is_free() {
    let scripted = scripted(1, 10);
    assert!(scripted.resolver.resolve("good").await.is_ok());
    scripted.wait_until_idle().await;
    let mut hung = Box::pin(scripted.resolver.resolve("hung"));
    assert!(poll!(&mut hung).is_pending());
    scripted.age("good", ANSWER_MAX_AGE);
    assert!(scripted.resolver.resolve("good").await.is_ok());
    scripted.age("good", STANDS_IN);
    let mut good = Box::pin(scripted.resolver.resolve("good"));
    assert!(poll!(&mut good).is_pending(), "it is too old now");
    drop(scripted.let_go);
    assert!(good.await.is_ok() && hung.await.is_err());
}

#[tokio::test]
async fn an_old_answer_stands_in_for_a_look_up_that_takes_long() {
    let scripted = scripted(4, 10);
    let resolver = &scripted.resolver;
    let remembered = |host: &str, age| {
        let at = Instant::now().checked_sub(age).unwrap();
        let last = Some((at, Ok(Arc::from([IpAddr::from(ADDRESS)]))));
        resolver
            .shared
            .lock()
            .hosts
            .insert(host.into(), Entry { flight: None, last });
    };
    remembered("hung", ANSWER_MAX_AGE);
    remembered("hung-and-old", STANDS_IN);
    let mut old = Box::pin(resolver.resolve("hung-and-old"));
    assert!(poll!(&mut old).is_pending());
    // The first one waits a second, others the rest of it.
    let mut first = Box::pin(resolver.resolve("hung"));
    let mut second = Box::pin(resolver.resolve("hung"));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    scripted.wait_for_calls(2).await;
    for asked in [first, second, Box::pin(resolver.resolve("hung"))] {
        assert_eq!(*asked.await.unwrap(), [IpAddr::from(ADDRESS)]);
    }
    assert_eq!(scripted.calls(), 2, "one look-up goes on");
    assert!(poll!(&mut old).is_pending(), "its answer is too old");
    drop(scripted.let_go);
    assert!(old.await.is_err());
}

#[tokio::test]
async fn a_look_up_that_panics_or_finds_nothing_is_a_failure_like_any_other() {
    let scripted = scripted(1, 10);
    for host in ["panic", "empty", "wrong"] {
        assert!(scripted.resolver.resolve(host).await.is_err(), "{host}");
    }
    assert!(scripted.resolver.resolve("good").await.is_ok());
}

#[tokio::test]
async fn no_more_hosts_are_remembered_than_there_is_room_for() {
    let scripted = scripted(2, 3);
    for number in 0..20 {
        assert!(
            scripted
                .resolver
                .resolve(&format!("good{number}"))
                .await
                .is_ok()
        );
        assert!(scripted.resolver.shared.lock().hosts.len() <= 3);
    }
    // Those that are waited for stay, and nobody else gets in.
    let hosts = ["hung0", "hung1", "hung2", "hung3"];
    let mut waiting: Vec<_> = hosts
        .iter()
        .map(|host| Box::pin(scripted.resolver.resolve(host)))
        .collect();
    for waiter in &mut waiting[..3] {
        assert!(poll!(waiter).is_pending());
    }
    assert_eq!(waiting.pop().unwrap().await.unwrap_err().kind(), io::ErrorKind::ResourceBusy);
    assert_eq!(scripted.resolver.shared.lock().hosts.len(), 3);
}

#[tokio::test]
async fn the_system_knows_this_machine() {
    let resolver = Resolver::new(system(), WAREHOUSES);
    let found = timeout(Duration::from_secs(30), resolver.resolve("localhost"))
        .await
        .unwrap()
        .unwrap();
    assert!(found.iter().all(IpAddr::is_loopback) && !found.is_empty(), "{found:?}");
}
