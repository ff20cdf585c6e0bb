//! Hostile in time and number: clients that stop, that drip, that come all at once, that leave by
//! the thousand.

use std::time::Duration;

use crate::support::aws_driver::JDBC;
use crate::support::frozen::FrozenTime;
use crate::support::hostile::{MECHANISM, asked, assert_unharmed, challenged, connection, demo, prefer, startup_of};
use crate::support::leavers::leave;
use crate::support::process::Proxy;
use crate::support::raw::{
    SSL_REQUEST, Stream, client_hello, handshake, message, say, tcp, tls, tls_config, until_closed,
};
use crate::support::scram::{Scram, initial_response};
use crate::support::{PASSWORD, Rig, Setup, USER, World, login_over};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

#[tokio::test]
async fn clients_that_stop_are_closed_at_the_startup_timeout_and_not_before() {
    let rig = prefer().await;
    // The credential is there: what follows needs no timer.
    assert_unharmed(&rig).await;
    let hello = client_hello(tls_config(rig.sandbox().ca.pem()));
    let time = FrozenTime::start().await;
    let mut clients: Vec<(&str, Stream)> = Vec::new();
    clients.push(("says nothing", connection(&rig, false).await));
    for (name, bytes) in [
        ("stops in a length", &demo()[..2]),
        ("stops in a startup message", &demo()[..20]),
        ("stops in a direct TLS handshake", &hello[..50]),
        ("stops in the header of one", &hello[..3]),
    ] {
        let mut stream = connection(&rig, false).await;
        say(&mut stream, bytes).await;
        clients.push((name, stream));
    }
    for (name, bytes) in [("stops ahead of the TLS handshake", &b""[..]), ("stops inside it", &hello[..50])] {
        let mut stream = connection(&rig, false).await;
        stream.write_all(SSL_REQUEST).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'S');
        say(&mut stream, bytes).await;
        clients.push((name, stream));
    }
    for encrypted in [false, true] {
        clients.push(("stops ahead of its answer", asked(&rig, encrypted, &demo()).await));
        let mut stream = asked(&rig, encrypted, &demo()).await;
        say(&mut stream, &initial_response(MECHANISM, Scram::default().first().as_bytes())[..30]).await;
        clients.push(("stops in its answer", stream));
        clients.push(("stops after the challenge", challenged(&rig, encrypted, &Scram::default()).await.0));
        let (mut stream, challenge) = challenged(&rig, encrypted, &Scram::default()).await;
        say(&mut stream, &message(b'p', Scram::default().last(&challenge, PASSWORD).as_bytes())[..60]).await;
        clients.push(("stops in its proof", stream));
    }
    clients.push(("says nothing inside TLS", connection(&rig, true).await));
    clients.push(("stops ahead of its password", asked(&rig, true, &JDBC.startup()).await));
    let all_wait = || rig.app.counts().tasks == clients.len() && rig.app.counts().handshakes == clients.len();
    time.wait_until(all_wait).await;

    time.advance(Duration::from_millis(14_995)).await;
    let good = rig.connect("sales").await.expect("others are not kept out");
    assert_eq!(
        good.query_one("select 1", &[])
            .await
            .unwrap()
            .get::<_, i32>(0),
        1
    );
    drop(good);
    time.wait_until(all_wait).await;
    for (name, stream) in &mut clients {
        let mut byte = [0];
        let read =
            tokio::select! { biased; read = stream.read(&mut byte) => Some(read), () = std::future::ready(()) => None };
        assert!(read.is_none(), "{name}: {read:?}");
    }

    time.advance(Duration::from_millis(10)).await;
    for (name, stream) in &mut clients {
        assert_eq!(until_closed(stream).await, b"", "{name}");
    }
    drop(clients);
    time.wait_until(|| rig.app.counts() == redshift_iam_proxy::app::Counts::default())
        .await;
    drop(time);
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn a_client_that_drips_bytes_has_no_more_time_than_others() {
    let rig = prefer().await;
    let time = FrozenTime::start().await;
    let mut stream = connection(&rig, false).await;
    let packet = startup_of(5_000, "application_name");
    for bytes in packet.chunks(1).take(16) {
        time.wait_until(|| rig.app.counts().handshakes == 1).await;
        say(&mut stream, bytes).await;
        time.advance(Duration::from_secs(1)).await;
    }
    assert_eq!(until_closed(&mut stream).await, b"");
    drop(stream);
    time.wait_until(|| rig.app.counts() == redshift_iam_proxy::app::Counts::default())
        .await;
}

#[tokio::test]
async fn when_all_handshakes_are_taken_the_oldest_goes() {
    let rig = Rig::with(Setup { config: "[limits]\nmax_handshakes = 3\n".into(), ..Setup::default() }).await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut socket = tcp(rig.port()).await;
        socket.write_all(SSL_REQUEST).await.unwrap();
        assert_eq!(socket.read_u8().await.unwrap(), b'S');
        waiting.push(socket);
    }
    assert_eq!(rig.app.counts().handshakes, 3);
    waiting.push(tcp(rig.port()).await);
    assert_eq!(until_closed(&mut waiting.remove(0)).await, b"", "the oldest");
    rig.wait_until(|counts| counts.handshakes == 3 && counts.tasks == 3)
        .await;

    // A good client is the youngest; the oldest makes room again, the others stay.
    let client = rig.connect("sales").await.expect("a good client gets in");
    assert_eq!(
        client
            .query_one("select 1", &[])
            .await
            .unwrap()
            .get::<_, i32>(0),
        1
    );
    assert_eq!(until_closed(&mut waiting.remove(0)).await, b"", "the next oldest");
    rig.wait_until(|counts| (counts.handshakes, counts.sessions, counts.tasks) == (2, 1, 3))
        .await;
    let stream = handshake(waiting.remove(0), tls_config(rig.sandbox().ca.pem()))
        .await
        .unwrap();
    login_over(stream, USER, PASSWORD, "sales")
        .await
        .expect("one that waited may go on");
    drop((client, waiting));
    assert_unharmed(&rig).await;
}

/// 10,000 clients that leave, 50 at a time.
async fn abort_10_000(port: u16, ca_pem: &str) {
    let hello = client_hello(tls_config(ca_pem));
    let mut clients = JoinSet::new();
    for first in 0..50 {
        let (ca_pem, hello) = (ca_pem.to_owned(), hello.clone());
        clients.spawn(async move {
            for turn in 0..200 {
                leave(tcp(port).await, &ca_pem, &hello, first + turn).await;
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn nothing_is_left_of_10_000_aborted_handshakes() {
    let rig = prefer().await;
    assert_unharmed(&rig).await;
    // All of it runs on this runtime: tasks that no count of ours knows are seen too.
    let alive = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = (rig.app.counts(), alive());
    abort_10_000(rig.port(), rig.sandbox().ca.pem()).await;
    // Fewer, where the warehouse was still ending the good client's session.
    rig.wait_until(|counts| counts == before.0 && alive() <= before.1)
        .await;
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn no_file_of_the_process_is_left_open_by_10_000_aborted_handshakes() {
    let world = World::start(&Setup { tls: "prefer", ..Setup::default() }).await;
    let mut proxy = Proxy::start(&world, &[]).await;
    let ca_pem = world.sandbox.ca.pem();
    let login = async || {
        login_over(tls(proxy.port, ca_pem).await, USER, PASSWORD, "sales")
            .await
            .unwrap()
    };
    let held = login().await;
    let before = proxy.fds();
    abort_10_000(proxy.port, ca_pem).await;
    proxy.wait_for_fds(before).await;
    assert_eq!(
        held.query_one("select 1", &[])
            .await
            .unwrap()
            .get::<_, i32>(0),
        1
    );
    drop(login().await);
    proxy.wait_for_fds(before).await;
    drop(held);
    proxy.signal("TERM").await;
    assert_eq!(proxy.exit_code().await, Some(0));
}
