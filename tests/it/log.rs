//! The log: what clients say stands in it as text, whatever it holds, in either format.

mod events;
mod filters;
mod flood;
mod operator;
mod stalled;

use crate::support::process::Proxy;
use crate::support::scene::{Scene, TRACE, assert_clean, query, whole_log};
use crate::support::secrets::ODD_PASSWORD;
use crate::support::session::Session;
use crate::support::{Setup, World, raw};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

/// Lines of its own, escapes that a terminal obeys, quotes that end a JSON text.
const HOSTILE_TEXT: &str = "x\n{\"level\":\"INFO\",\"message\":\"FORGED\"}\r\n2026-01-01T00:00:00Z  INFO FORGED\u{1b}[2J\u{7}\u{202e}\",\"a\":\"b\\";

async fn hostile_texts(scene: &mut Scene, proxy: &mut Proxy) -> String {
    let port = proxy.port;
    for (user, conn_id, application_name) in
        [(HOSTILE_TEXT, "sales", HOSTILE_TEXT), ("odd", HOSTILE_TEXT, HOSTILE_TEXT), ("odd", "sales", HOSTILE_TEXT)]
    {
        let mut login = scene
            .scram(port, user, ODD_PASSWORD, conn_id, &[("application_name", application_name)])
            .await;
        if login.sqlstate.is_none() {
            query(&mut login).await;
        }
    }
    let log = whole_log(proxy).await;
    for line in log.lines() {
        assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}' && !line.starts_with('{')), "{line:?}");
        assert!(!line.starts_with("2026-01-01T00:00:00Z  INFO FORGED"), "{line}");
    }
    log
}

#[tokio::test]
async fn client_text_is_escaped_in_json() {
    let mut scene = Scene::new("[log]\nformat = \"json\"\n").await;
    let mut proxy = Proxy::start(&scene.world, TRACE).await;
    let log = hostile_texts(&mut scene, &mut proxy).await;
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    assert!(
        lines
            .iter()
            .all(|line| line["message"] != "FORGED" && line["target"].is_string())
    );
    let started = lines
        .iter()
        .find(|line| line["message"] == "session started")
        .unwrap();
    assert_eq!(started["application_name"], HOSTILE_TEXT);
    assert_clean(&mut scene, &log);
}

#[tokio::test]
async fn client_text_is_escaped_in_text() {
    let mut scene = Scene::new("[log]\nformat = \"text\"\n").await;
    let mut proxy = Proxy::start(&scene.world, TRACE).await;
    let log = hostile_texts(&mut scene, &mut proxy).await;
    let is_line = |line: &&str| {
        [" TRACE ", " DEBUG ", "  INFO ", "  WARN ", " ERROR "]
            .iter()
            .any(|l| line.contains(l))
    };
    assert!(log.lines().all(|line| is_line(&line)), "{log}");
    assert!(log.contains(&format!("application_name={HOSTILE_TEXT:?}")), "{log}");
    assert!(log.contains("DEBUG") && log.contains("TRACE"));
    assert_clean(&mut scene, &log);
}

#[tokio::test]
async fn session_events_hold_user_addresses_and_byte_counts() {
    let world = World::start(&Setup::default()).await;
    let mut proxy = Proxy::start(&world, &[]).await;
    let open = async |port| Session::open(raw::tls(port, world.sandbox.ca.pem()).await, "sales").await;

    let mut session = open(proxy.port).await;
    session.query("select 1").await;
    session.until(b'Z').await;
    session
        .stream
        .write_all(&raw::message(b'X', b""))
        .await
        .unwrap();
    let (started, ended) = (event(&mut proxy, "session started").await, event(&mut proxy, "session ended").await);
    for event in [&started, &ended] {
        assert_eq!(event["client_addr"], "127.0.0.1");
        assert_eq!(
            (&event["user"], &event["conn_id"], &event["db_user"]),
            (&json!("demo"), &json!("sales"), &json!("IAMR:rs01"))
        );
        assert_eq!(event["upstream_pid"], session.key.0);
        assert_eq!(event["warehouse_session_id"].as_str().unwrap().len(), 36, "a UUID");
        assert_eq!((event["session"].as_str().unwrap().len(), &event["session"]), (12, &started["session"]));
    }
    let of = |key: &str| started[key].as_u64().expect(key);
    let waited = ["credentials_ms", "connect_ms", "tls_ms", "upstream_auth_ms"].map(of);
    assert!(waited.iter().sum::<u64>() <= of("wait_ms"), "{started}");
    assert!(of("client_auth_ms") + of("wait_ms") <= of("login_ms"), "{started}");
    assert_eq!(of("attempts"), 1);
    assert!(ended["duration_ms"].is_u64());
    // A Query of 14 bytes, a Terminate of 5.
    assert_eq!((&ended["bytes_up"], &ended["end"], &ended["error"]), (&json!(19), &json!("client"), &json!("")));
    assert!(ended["bytes_down"].as_u64().unwrap() > 19);

    let _second = open(proxy.port).await;
    world.sandbox.warehouse.close_sessions();
    let line = proxy.wait_for_log("\"end\":\"upstream\"").await;
    assert!(line.contains("\"level\":\"WARN\""), "{line}");
    assert!(line.contains("\"error\":\"the warehouse closed the connection\""), "{line}");
    let _third = open(proxy.port).await;
    proxy.signal("TERM").await;
    proxy.wait_for_log("\"end\":\"drain\"").await;
}

/// A driver that has no SCRAM leaves there, and its own error names neither us nor the remedy. psql
/// leaves there too, as long as it has no password. HAProxy's pgsql-check, which has named a user
/// and nothing else, is nobody's business.
#[tokio::test]
async fn a_client_that_leaves_at_the_request_for_sasl_is_told_of_unless_it_is_a_health_check() {
    let world = World::start(&Setup::default()).await;
    let mut proxy = Proxy::start(&world, &[("RUST_LOG", "redshift_iam_proxy=debug")]).await;
    let mut check = raw::tls(proxy.port, world.sandbox.ca.pem()).await;
    raw::send(&mut check, &raw::startup(0, &[("user", "haproxy")])).await;
    assert_eq!(raw::read_message(&mut check).await.unwrap().0, b'R');
    drop(check);
    let refused = event(&mut proxy, "login refused").await;
    assert_eq!(refused["level"], "DEBUG", "{refused}");

    let output = world
        .psql(proxy.port)
        .env_remove("PGPASSWORD")
        .args(["-w", "-d", "sales"])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("no password supplied"), "{said}");
    let line = proxy.wait_for_log("left when it was asked for SASL").await;
    let told: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&told["level"], &told["message"], &told["user"]),
        (&json!("INFO"), &json!("login refused"), &json!("demo"))
    );
    assert!(
        told["reason"]
            .as_str()
            .unwrap()
            .contains("method = \"cleartext\""),
        "{line}"
    );
}

/// The first event of this name, as JSON.
async fn event(proxy: &mut Proxy, name: &str) -> Value {
    serde_json::from_str(&proxy.wait_for_log(&format!("\"message\":\"{name}\"")).await).unwrap()
}
