//! Host names that do not resolve, and addresses that do not answer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use redshift_iam_proxy::network::{LookUp, Network};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::support::raw::SOON;
use crate::support::{Rig, Setup, assert_refused, connection};

/// Whose name servers do not answer.
const HUNG: &str = "hung.example.com";

/// So many clients want the connection whose host does not resolve: more than a runtime has
/// blocking threads (512).
const STUCK: usize = 1_000;

/// Logins of others that are timed, one after the other.
const LOGINS: usize = 50;

/// Look-ups of [`HUNG`] do not end while this lives; all other names are this machine.
struct HungNames {
    look_up: LookUp,
    /// Of the hung name.
    begun: Arc<AtomicUsize>,
    _until: mpsc::Sender<()>,
}

impl HungNames {
    fn new() -> Self {
        let begun = Arc::new(AtomicUsize::new(0));
        let (until, released) = mpsc::channel::<()>();
        let (counted, released) = (Arc::clone(&begun), Mutex::new(released));
        let look_up: LookUp = Arc::new(move |host| {
            if host == HUNG {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = released.lock().unwrap().recv();
                return Err(io::ErrorKind::TimedOut.into());
            }
            Ok(vec![Ipv4Addr::LOCALHOST.into()])
        });
        Self { look_up, begun, _until: until }
    }
}

/// The longest of some logins to `sales`, each to the answer of a query.
async fn logins(rig: &Rig) -> Duration {
    let mut longest = Duration::ZERO;
    for _ in 0..LOGINS {
        let began = Instant::now();
        let client = rig.connect("sales").await.expect("others get in");
        assert_eq!(
            client
                .query_one("select 1", &[])
                .await
                .unwrap()
                .get::<_, i32>(0),
            1
        );
        longest = longest.max(began.elapsed());
    }
    longest
}

/// `make unresolved` prints how long the others' logins took.
#[tokio::test]
async fn a_thousand_clients_on_a_name_that_does_not_resolve_keep_nobody_else_waiting() {
    let names = HungNames::new();
    let network = Network { look_up: Arc::clone(&names.look_up), ..Network::default() };
    let stuck = connection("stuck", &[("host", &format!("{HUNG:?}"))]);
    let upstream = "connect_timeout = \"300s\"\nlogin_timeout = \"600s\"".to_owned();
    let config = format!("{stuck}[limits]\nstartup_timeout = \"5m\"\n");
    let rig = Arc::new(Rig::with(Setup { config, upstream, network, ..Setup::default() }).await);
    logins(&rig).await;
    rig.wait_until(|counts| counts.sessions == 0).await;
    let alone = logins(&rig).await;
    rig.wait_until(|counts| counts.sessions == 0).await;
    let mut crowd = JoinSet::new();
    for _ in 0..STUCK {
        let rig = Arc::clone(&rig);
        crowd.spawn(async move { rig.connect("stuck").await.map(drop) });
    }
    rig.wait_until(|counts| counts.sessions == STUCK && counts.handshakes == 0)
        .await;
    let beside = logins(&rig).await;
    assert!(crowd.try_join_next().is_none(), "all of them still wait");
    assert_eq!(names.begun.load(Ordering::SeqCst), 1, "one look-up, however many wait for it");
    report(alone, beside);
    drop(names);
    for ended in crowd.join_all().await {
        assert_refused(&ended.unwrap_err(), "08001", "could not reach the warehouse for \"stuck\"", None);
    }
    rig.wait_until_idle().await;
}

#[expect(clippy::print_stdout, reason = "a measurement")]
fn report(alone: Duration, beside: Duration) {
    println!(
        "the longest of {LOGINS} logins: {} ms alone, {} ms beside {STUCK} clients on a name that does not resolve",
        alone.as_millis(),
        beside.as_millis()
    );
}

/// Takes a port at an address where nothing answers, not even a refusal: the queue of its listener
/// is full.
async fn silent(at: SocketAddr) -> (TcpListener, TcpStream) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(at).unwrap();
    let listener = socket.listen(0).unwrap();
    (listener, TcpStream::connect(at).await.unwrap())
}

/// Each login cost the whole `connect_timeout`, which is more than clients wait.
#[tokio::test]
async fn fluux_messenger_532_a_dead_address_ahead_of_a_good_one_does_not_hold_a_login_up() {
    let dead = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53));
    let look_up: LookUp = Arc::new(move |_| Ok(vec![dead, Ipv4Addr::LOCALHOST.into()]));
    let network = Network { look_up, ..Network::default() };
    let upstream = "connect_timeout = \"600s\"\nlogin_timeout = \"600s\"".to_owned();
    let rig = Rig::with(Setup { upstream, network, ..Setup::default() }).await;
    let _silent = silent((dead, rig.sandbox().warehouse.address().port()).into()).await;
    for _ in 0..3 {
        timeout(SOON, rig.connect("sales"))
            .await
            .expect("it goes by the other address")
            .unwrap();
    }
    rig.wait_until_idle().await;
}
