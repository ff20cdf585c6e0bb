//! A rolling restart of three replicas behind a real HAProxy, which asks each for its readiness,
//! under load: what was begun comes to its end, and who comes anew is let in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::balancers::haproxy::{HaProxy, reserved_port};
use crate::support::activity::Activity;
use crate::support::pgbench::{Load, Script};
use crate::support::process::Proxy;
use crate::support::{self, PASSWORD, Setup, USER, World, raw};

/// Enough of a delay for some of HAProxy's checks, on a machine that has other things to do.
const CONFIG: &str = "[limits]\ndrain_delay = \"1s\"\ndrain_timeout = \"30s\"\n\
                      [admin]\nhealth_address = \"127.0.0.1:0\"\n";

/// A transaction that writes one row, by a session of its own.
const COMMIT: Script = Script::Anew("begin;\ninsert into ledger values ('pgbench');\ncommit;\n");

/// The sessions that are in a transaction when the last replica drains: each replica has some.
const IDLERS: usize = 6;

/// One replica, with the port of its readiness.
struct Replica {
    proxy: Proxy,
    health: u16,
}

impl Replica {
    async fn start(world: &World) -> Self {
        let mut proxy = Proxy::start(world, &[]).await;
        let line = proxy.wait_for_log("\"serves\":\"health\"").await;
        let (_, address) = line.split_once("127.0.0.1:").unwrap();
        let health = address.split_once('"').unwrap().0.parse().unwrap();
        Self { proxy, health }
    }

    fn server(&self, number: usize) -> String {
        format!("    server r{number} 127.0.0.1:{} check port {}\n", self.proxy.port, self.health)
    }
}

/// Three replicas behind HAProxy.
struct Fleet {
    world: World,
    replicas: Vec<Replica>,
    haproxy: HaProxy,
    port: u16,
}

impl Fleet {
    async fn start() -> Self {
        let world = World::start(&Setup { config: CONFIG.into(), ..Setup::default() }).await;
        let (held, port) = reserved_port();
        let mut replicas = Vec::new();
        let mut section = format!(
            "listen redshift\n    bind 127.0.0.1:{port}\n    balance roundrobin\n    option redispatch\n    \
             option httpchk\n    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host localhost\n    \
             http-check expect status 200\n"
        );
        for number in 0..3 {
            let replica = Replica::start(&world).await;
            section.push_str(&replica.server(number));
            replicas.push(replica);
        }
        let haproxy = HaProxy::start(&section).await;
        drop(held);
        let fleet = Self { world, replicas, haproxy, port };
        for number in 0..3 {
            fleet.wait_for(number, "UP").await;
        }
        fleet
    }

    /// Waits until HAProxy has found a replica so.
    async fn wait_for(&self, number: usize, status: &str) {
        let (server, mut seen) = (format!("r{number}"), String::new());
        let waited = tokio::time::timeout(raw::SOON, async {
            while seen != status {
                seen = self.haproxy.health_of("redshift", &server).await.0;
            }
        });
        waited
            .await
            .unwrap_or_else(|_| panic!("{server} is not {status}"));
    }

    /// Ends a replica by SIGTERM, does `meanwhile` once it drains, and starts another in its place.
    async fn restart(&mut self, number: usize, meanwhile: impl AsyncFnOnce()) {
        let old = &mut self.replicas[number].proxy;
        old.signal("TERM").await;
        old.wait_for_log("\"draining\"").await;
        meanwhile().await;
        assert_eq!(old.exit_code().await, Some(0), "{}", old.log());
        let log = old.log();
        assert!(!log.contains("closing sessions that are still busy"), "the time-out cut sessions off: {log}");
        let new = Replica::start(&self.world).await;
        let (port, health) = (new.proxy.port, new.health);
        for command in [
            format!("set server redshift/r{number} addr 127.0.0.1 port {port}\n"),
            format!("set server redshift/r{number} check-port {health}\n"),
        ] {
            self.haproxy.say(&command).await;
        }
        self.replicas[number] = new;
        self.wait_for(number, "UP").await;
    }

    fn door(&self) -> Door {
        Door { port: self.port, ca: self.world.sandbox.ca.pem().to_owned() }
    }
}

/// The way to the warehouse for clients of this process.
#[derive(Clone)]
struct Door {
    port: u16,
    ca: String,
}

impl Door {
    async fn try_connect(&self) -> Result<Client, String> {
        let socket = TcpStream::connect(("127.0.0.1", self.port))
            .await
            .map_err(|error| error.to_string())?;
        let stream = raw::try_ask_for_tls(socket, raw::tls_config(&self.ca))
            .await
            .map_err(|error| error.to_string())?;
        support::login_over(stream, USER, PASSWORD, "sales")
            .await
            .map_err(|error| format!("{error:?}"))
    }

    /// Logs in, by the second attempt at the latest.
    async fn connect(&self) -> Client {
        match self.try_connect().await {
            Ok(client) => client,
            Err(first) => match self.try_connect().await {
                Ok(client) => client,
                Err(second) => panic!("refused twice: {first}, {second}"),
            },
        }
    }
}

/// A client that begins and commits one transaction after the other on a session that stays, and
/// logs in anew when that is ended.
async fn commit_until(stop: Arc<AtomicBool>, door: Door, acknowledged: Arc<AtomicI64>) {
    let mut client = door.connect().await;
    while !stop.load(Ordering::Relaxed) {
        if client.batch_execute("begin").await.is_err() {
            client = door.connect().await;
            continue;
        }
        // It has begun: nothing may come between.
        client
            .batch_execute("insert into ledger values ('committer')")
            .await
            .expect("a transaction goes on");
        client
            .batch_execute("commit")
            .await
            .expect("a transaction is committed");
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn no_transaction_is_lost_and_nobody_is_refused_twice_in_a_rolling_restart() {
    let mut fleet = Fleet::start().await;
    let activity = Activity::of(&fleet.world.sandbox).await;
    activity
        .execute("create table ledger (by text); grant all on ledger to public")
        .await;
    let (door, nothing) = (fleet.door(), async || ());

    // Sessions that come and go.
    let load = Load::of(&fleet.world, fleet.port, "sales", 3, Script::ReadsAnew);
    load.runs(1).await;
    fleet.restart(0, nothing).await;
    assert!(load.stop().await.expect("no transaction fails") > 0);

    // Commits, by sessions that come and go and by sessions that stay.
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
    let committers: Vec<JoinHandle<()>> = (0..3)
        .map(|_| tokio::spawn(commit_until(Arc::clone(&stop), door.clone(), Arc::clone(&acknowledged))))
        .collect();
    let load = Load::of(&fleet.world, fleet.port, "sales", 3, COMMIT);
    load.runs(1).await;
    fleet.restart(1, nothing).await;
    stop.store(true, Ordering::Relaxed);
    for committer in committers {
        committer.await.unwrap();
    }
    let by_pgbench = load.stop().await.expect("no transaction fails");
    assert_eq!(activity.count("ledger where by = 'pgbench'").await, i64::try_from(by_pgbench).unwrap());
    let acknowledged = acknowledged.load(Ordering::Relaxed);
    assert!(acknowledged > 0);
    assert_eq!(activity.count("ledger where by = 'committer'").await, acknowledged);

    // Sessions that do nothing in the middle of a transaction.
    let mut idlers = Vec::new();
    for _ in 0..IDLERS {
        let client = door.connect().await;
        client
            .batch_execute("begin; insert into ledger values ('idler')")
            .await
            .unwrap();
        idlers.push(client);
    }
    let load = Load::of(&fleet.world, fleet.port, "sales", 2, Script::ReadsAnew);
    let idle_in_transaction = async || {
        load.runs(2).await;
        for idler in &idlers {
            idler
                .batch_execute("commit")
                .await
                .expect("the drain waits for it");
        }
    };
    fleet.restart(2, idle_in_transaction).await;
    load.stop().await.expect("no transaction fails");
    assert_eq!(activity.count("ledger where by = 'idler'").await, i64::try_from(IDLERS).unwrap());
    let ended = idlers.iter().filter(|idler| idler.is_closed()).count();
    assert_eq!(ended, IDLERS / 3, "those of the last replica, once they were idle");
}
