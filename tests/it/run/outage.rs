//! AWS, DynamoDB, the warehouse and DNS are all dead: the proxy starts, and everything that an
//! operator needs works.

use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::time::Instant;

use crate::support::console::Console;
use crate::support::namespace::{is_inside, run_inside};
use crate::support::operated::{Operated, TABLES, TOKEN, admin_port, put_token, section};
use crate::support::process::Proxy;
use crate::support::{PASSWORD, Setup, USER, World, admin, closed_port, connection, login_over, raw, refusal};

/// How the services around the proxy are dead.
#[derive(Clone, Copy, Debug)]
enum Dead {
    /// Connections are refused, and so are packets to the name server.
    Refusing,
    /// Connections are taken, and packets too, and nothing is ever answered.
    Silent,
}

/// No step of an operator's takes longer. Of a CHECK, one time-out of a call is a part.
const BOUND: Duration = Duration::from_secs(20);

/// Clients that wait for a login, all the time.
const WAITING: usize = 20;

#[tokio::test]
async fn with_everything_around_it_dead_the_proxy_starts_and_is_operated() {
    if !is_inside() {
        let name = "run::outage::with_everything_around_it_dead_the_proxy_starts_and_is_operated";
        return run_inside(name).await;
    }
    for dead in [Dead::Refusing, Dead::Silent] {
        Box::pin(outage(dead)).await;
    }
}

async fn outage(dead: Dead) {
    let (closed, refusing) = closed_port();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // Of this namespace alone. Its name server is 127.0.0.1, as /etc/resolv.conf will say.
    let names = match dead {
        Dead::Refusing => None,
        Dead::Silent => Some(UdpSocket::bind("127.0.0.1:53").await.unwrap()),
    };
    let port = match dead {
        Dead::Refusing => refusing,
        Dead::Silent => silent.local_addr().unwrap().port(),
    };
    let endpoint = format!("http://127.0.0.1:{port}");
    let port = port.to_string();
    let stored = [("password", "\"/lava/demo/stored\""), ("user", "\"adam\""), ("role_arn", ""), ("external_id", "")];
    let config = format!(
        "{}[log]\nformat = \"json\"\n[credentials]\ntimeout = \"2s\"\n[limits]\ndrain_timeout = \"2s\"\n\
         [specs]\ndynamodb_table = \"lava.demo.connections\"\nconn_ids = [\"bi-*\"]\n\
         roles = [\"arn:aws:iam::123456789012:role/rs*\"]\nparameter_prefix = \"/lava/demo/\"\n\
         [users.ann]\npassword = \"ssm:/users/ann\"\nconnections = [\"*\"]\n\
         [users.\"*\"]\npassword = \"ssm:/any/{{user}}\"\nconnections = [\"*\"]\n{}{}",
        section(),
        connection("nameless", &[("host", "\"nowhere.example.com\""), ("port", &port)]),
        connection("stored", &stored),
    );
    let upstream = "connect_timeout = \"2s\"\n".to_owned();
    let mut world = World::start(&Setup { config, upstream, aws: Some(endpoint), ..Setup::default() }).await;
    let warehouse = world.sandbox.warehouse.address().port();
    world.edit_all(&format!("port = {warehouse}\n"), &format!("port = {port}\n"));
    put_token(&world);
    std::fs::write(world.dir.path().join("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();

    let began = Instant::now();
    let mut proxy = Proxy::start_without_names(&world).await;
    let admin = admin::Admin::on(admin_port(&mut proxy).await, Some(TOKEN));
    assert!(began.elapsed() < BOUND, "{dead:?}: started after {:?}", began.elapsed());
    let operated = Operated { world, proxy, admin };
    Box::pin(operate(dead, operated)).await;
    drop((closed, silent, names));
}

/// Uses all that an operator has, with clients waiting in vain.
async fn operate(dead: Dead, operated: Operated) {
    let (port, ca) = (operated.proxy.port, operated.world.sandbox.ca.pem().to_owned());
    let clients: Vec<_> = (0..WAITING)
        .map(|at| {
            let (ca, conn_id) = (ca.clone(), ["sales", "nameless", "stored", "bi-public"][at % 4]);
            tokio::spawn(async move { login_over(raw::tls(port, &ca).await, USER, PASSWORD, conn_id).await })
        })
        .collect();

    let console = timed(dead, "the console", operated.console()).await;
    for path in ["/healthz", "/readyz", "/version", "/status.json", "/metrics"] {
        let reply = timed(dead, path, operated.admin.get(path)).await;
        assert_eq!(reply.status, 200, "{dead:?}: {path}: {}", reply.body);
    }
    admin::promtool(&operated.admin.scrape_text().await)
        .await
        .unwrap();
    for table in TABLES {
        timed(dead, table, console.all(&format!("SHOW {table}"))).await;
    }
    let steps = timed(dead, "CHECK", console.all("CHECK sales")).await;
    assert!(steps.contains("\n"), "{dead:?}: {steps}");
    timed(dead, "REFRESH", console.all("REFRESH sales")).await;
    for command in ["DISABLE sales", "ENABLE sales", "SET log_level = debug", "KILL CONNECTION nameless", "RELOAD"] {
        timed(dead, command, console.all(command)).await;
    }
    let reloaded = timed(dead, "POST /reload", operated.admin.post("/reload")).await;
    assert_eq!(reloaded.status, 200, "{dead:?}: {}", reloaded.body);
    operated.proxy.signal("HUP").await;
    let series = "redshift_iam_proxy_config_reloads_total{outcome=\"ok\"}";
    let reloads = async { while operated.admin.metric(series).await != Some(3.0) {} };
    timed(dead, "SIGHUP", reloads).await;

    for client in clients {
        let error = client.await.unwrap().expect_err("nobody can be let in");
        let (sqlstate, message) = refusal(&error);
        assert!(["57P03", "08001", "57P01", "3D000"].contains(&&*sqlstate), "{dead:?}: {sqlstate} {message}");
    }
    drain(dead, operated, console).await;
}

/// A drain by the admin address, seen from the console, and the end from there.
async fn drain(dead: Dead, mut operated: Operated, console: Console) {
    let drained = timed(dead, "POST /drain", operated.admin.post("/drain")).await;
    assert_eq!(drained.status, 200, "{dead:?}: {}", drained.body);
    let ready = operated.admin.get("/readyz").await;
    assert_eq!(ready.status, 503, "{dead:?}: {}", ready.body);
    assert_eq!(operated.admin.get("/healthz").await.status, 200, "{dead:?}");
    timed(dead, "SHOW DRAIN", console.all("SHOW DRAIN")).await;
    // The process may end ahead of the answer.
    let _ = timed(dead, "SHUTDOWN", console.run("SHUTDOWN")).await;
    assert_eq!(operated.proxy.exit_code().await, Some(0), "{dead:?}");
}

/// Fails if this takes longer than an operator may have to wait.
async fn timed<T>(dead: Dead, what: &str, step: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, step)
        .await
        .unwrap_or_else(|_| panic!("{dead:?}: {what} takes longer than {BOUND:?}"))
}
