//! Towards the warehouse: to the right server or to none, patiently, and what it says is what the
//! client reads.

use std::time::Duration;

use crate::support;
use crate::support::raw::{self, message};
use crate::support::session::log_in;
use crate::support::{PASSWORD, Rig, Setup, USER, assert_refused};
use redshift_sandbox::aws::{Fault, Times};
use redshift_sandbox::ca::Ca;

const UNREACHABLE: &str = "could not reach the warehouse for \"sales\"";

/// Nothing but an SSLRequest and what TLS needs went out.
fn assert_nothing_was_told(rig: &Rig) {
    let warehouse = &rig.sandbox().warehouse;
    assert_eq!((warehouse.startups(), warehouse.passwords_seen()), (Vec::new(), 0));
}

#[tokio::test]
async fn a_warehouse_with_an_invalid_certificate_gets_no_login() {
    let rig = Rig::start().await;
    let warehouse = &rig.sandbox().warehouse;
    let certificates = [
        Ca::new().issue(&["localhost", "127.0.0.1"]),
        rig.sandbox()
            .ca
            .issue(&["127.0.0.1", "analytics.example.com"]),
        rig.sandbox().ca.issue_expired(&["localhost", "127.0.0.1"]),
    ];
    for (at, certificate) in certificates.into_iter().enumerate() {
        warehouse.present(certificate);
        let error = rig.connect("sales").await.unwrap_err();
        assert_refused(&error, "08001", "the certificate of the warehouse for \"sales\" is not valid", None);
        assert_nothing_was_told(&rig);
        assert_eq!(warehouse.dials(), at + 1);
    }
    warehouse.present(rig.sandbox().ca.issue(&["localhost"]));
    rig.connect("sales")
        .await
        .expect("the right one is welcome");
}

#[tokio::test]
async fn a_warehouse_without_tls_gets_no_password() {
    let rig = Rig::start().await;
    rig.sandbox().warehouse.refuse_tls(true);
    assert_refused(&rig.connect("sales").await.unwrap_err(), "08001", UNREACHABLE, None);
    assert_nothing_was_told(&rig);
    assert_eq!(rig.sandbox().warehouse.dials(), 1);
}

/// CVE-2021-23222, with what would make a careless client believe that it is logged in, or send its
/// password.
#[tokio::test]
async fn bytes_ahead_of_the_handshake_are_not_believed() {
    let rig = Rig::start().await;
    let (ok, password_please, ready) = (message(b'R', &[0; 4]), message(b'R', &[0, 0, 0, 3]), message(b'Z', b"I"));
    let forgeries = [[&ok[..], &ready].concat(), password_please, b"garbage".to_vec(), b"\x16".to_vec()];
    for (at, forged) in forgeries.into_iter().enumerate() {
        rig.sandbox().warehouse.forge_behind_ssl(Some(forged));
        assert_refused(&rig.connect("sales").await.unwrap_err(), "08001", UNREACHABLE, None);
        assert_nothing_was_told(&rig);
        assert_eq!(rig.sandbox().warehouse.dials(), at + 1);
    }
    rig.sandbox().warehouse.forge_behind_ssl(None);
    rig.connect("sales").await.unwrap();
}

#[tokio::test]
async fn a_port_that_nothing_listens_on() {
    let (_closed, port) = support::closed_port();
    let config = support::connection("down", &[("port", &port.to_string()), ("host", "\"127.0.0.1\"")]);
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    let error = rig.connect("down").await.unwrap_err();
    assert_refused(&error, "08001", "could not reach the warehouse for \"down\"", None);
}

/// On Linux 0.0.0.0 leads to this machine: a warehouse that was dialled there would be reached, and
/// count it.
#[tokio::test]
async fn an_address_that_no_warehouse_has_is_not_dialled() {
    let at = |conn_id, host| support::connection(conn_id, &[("host", host), ("tls_server_name", "\"localhost\"")]);
    let config = at("metadata", "\"169.254.169.254\"")
        // What resolves, without being written as one, to 169.254.169.254 and to 0.0.0.0.
        + &at("hidden", "\"0xa9fea9fe\"")
        + &at("nowhere", "\"0.0.0.0\"")
        + &at("hidden-nowhere", "\"0x0\"");
    // An attempt would hang, where nobody answers, for longer than the test waits.
    let upstream = "connect_timeout = \"1h\"\nlogin_timeout = \"1h\"\n".into();
    let rig = Rig::with(Setup { config, upstream, ..Setup::default() }).await;
    for conn_id in ["metadata", "hidden", "nowhere", "hidden-nowhere"] {
        let error = tokio::time::timeout(raw::SOON, rig.connect(conn_id))
            .await
            .expect(conn_id)
            .unwrap_err();
        assert_refused(&error, "08001", &format!("could not reach the warehouse for \"{conn_id}\""), None);
    }
    assert_eq!(rig.sandbox().warehouse.dials(), 0);
}

#[tokio::test]
async fn a_login_that_is_cut_off_is_dialled_again_twice() {
    let rig = Rig::start().await;
    let warehouse = &rig.sandbox().warehouse;
    let mut dials = 0;
    for resets in [1, 2] {
        warehouse.reset_logins(resets);
        rig.connect("sales")
            .await
            .unwrap_or_else(|error| panic!("{resets}: {error}"));
        dials += resets + 1;
        assert_eq!(warehouse.dials(), dials);
    }
    warehouse.reset_logins(3);
    assert_refused(&rig.connect("sales").await.unwrap_err(), "08001", UNREACHABLE, None);
    assert_eq!(warehouse.dials(), dials + 3);
    assert_eq!(rig.sandbox().aws.calls("GetCredentials"), 1, "no login was refused");
}

#[tokio::test]
async fn a_warehouse_that_wakes_slowly_is_waited_for() {
    let rig = Rig::start().await;
    let warehouse = &rig.sandbox().warehouse;
    warehouse.sleep_until_woken();
    let login = rig.connect("sales");
    tokio::pin!(login);
    tokio::select! {
        early = &mut login => panic!("it sleeps: {:?}", early.err()),
        () = async { while warehouse.startups().is_empty() { tokio::task::yield_now().await } } => {}
    }
    warehouse.wake();
    let client = login.await.unwrap();
    assert_eq!(
        client
            .query_one("select 1", &[])
            .await
            .unwrap()
            .get::<_, i32>(0),
        1
    );
    assert_eq!(warehouse.dials(), 1);
}

#[tokio::test]
async fn a_warehouse_that_does_not_wake_is_given_up_at_login_timeout() {
    let rig = Rig::with(Setup { upstream: "login_timeout = \"1s\"".into(), ..Setup::default() }).await;
    rig.sandbox().warehouse.sleep_until_woken();
    let error = rig.connect("sales").await.unwrap_err();
    assert_refused(&error, "57P03", "cannot open \"sales\" now", Some("Try again shortly."));
    assert_eq!(rig.sandbox().warehouse.dials(), 1);
    rig.wait_until_idle().await;
}

#[tokio::test]
async fn login_timeout_begins_with_the_first_dial() {
    let rig = Rig::with(Setup { upstream: "login_timeout = \"3s\"".into(), ..Setup::default() }).await;
    rig.sandbox()
        .aws
        .fault("GetCredentials", Fault::Delay(Duration::from_millis(3500)), Times::Next(1));
    rig.connect("sales")
        .await
        .expect("a credential has a timeout of its own");
}

/// Which SQLSTATE Redshift sends then is not documented. Another login would meet the same limit,
/// and what goes to the client is what tells it that it is no matter of its password.
#[tokio::test]
async fn a_limit_of_connections_keeps_the_login_and_is_not_tried_again_whatever_its_class() {
    let rig = Rig::start().await;
    let warehouse = &rig.sandbox().warehouse;
    rig.connect("sales").await.expect("a login is fetched");
    for (sqlstate, text) in [
        ("28000", "connection limit \"500\" exceeded for non-bootstrap users"),
        ("28P01", "too many connections for role \"IAMR:rs01\""),
        ("53300", "connection limit \"500\" exceeded for non-bootstrap users"),
        ("XX000", "Connection limit exceeded for database \"dev\""),
    ] {
        let dials = warehouse.dials();
        warehouse.login_error(1, sqlstate, text);
        let error = rig.connect("sales").await.unwrap_err();
        assert_eq!(support::refusal(&error), (sqlstate.to_owned(), text.to_owned()));
        assert_eq!(warehouse.dials(), dials + 1, "{sqlstate}");
    }
    rig.connect("sales").await.expect("the login is good");
    assert_eq!(rig.sandbox().aws.calls("GetCredentials"), 1);
}

#[tokio::test]
async fn other_errors_of_the_warehouse_are_passed_on_as_sent() {
    let rig = Rig::start().await;
    let warehouse = &rig.sandbox().warehouse;
    for (sqlstate, text) in [
        ("53300", "too many connections for database \"dev\""),
        ("3D000", "database \"dev\" does not exist"),
        ("57P03", "the database system is starting up"),
        ("XX000", "Ünïcode ‘quotes’\nand lines"),
    ] {
        warehouse.login_error(2, sqlstate, text);
        let error = rig.connect("sales").await.unwrap_err();
        assert_eq!(support::refusal(&error), (sqlstate.to_owned(), text.to_owned()));
        let startup = raw::startup(0, &[("user", USER), ("database", "sales")]);
        let mut through = rig.tls().await;
        let mut itself = raw::tls(warehouse.address().port(), rig.sandbox().ca.pem()).await;
        let told = log_in(&mut through, &startup, PASSWORD).await;
        warehouse.login_error(1, sqlstate, text);
        assert_eq!(told.last(), log_in(&mut itself, &startup, "").await.last(), "{sqlstate}");
        assert_eq!(raw::until_closed(&mut through).await, b"");
    }
    assert_eq!(rig.sandbox().aws.calls("GetCredentials"), 1);
}
