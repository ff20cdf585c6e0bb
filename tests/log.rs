//! The log: what clients say stands in it as text, whatever it holds, in either format.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that fails has done its work"
)]

mod support;

use serde_json::Value;
use support::process::Proxy;
use support::scene::{Scene, TRACE, assert_clean, query, whole_log};
use support::secrets::ODD_PASSWORD;

/// Lines of its own, escapes that a terminal obeys, quotes that end a JSON text.
const HOSTILE_TEXT: &str = "x\n{\"level\":\"INFO\",\"message\":\"FORGED\"}\r\n2026-01-01T00:00:00Z  INFO FORGED\u{1b}[2J\u{7}\u{202e}\",\"a\":\"b\\";

async fn hostile_texts(scene: &mut Scene, proxy: &mut Proxy) -> String {
    let port = proxy.port;
    for (user, conn_id, application_name) in
        [(HOSTILE_TEXT, "sales", HOSTILE_TEXT), ("odd", HOSTILE_TEXT, HOSTILE_TEXT), ("odd", "sales", HOSTILE_TEXT)]
    {
        let mut login = scene.scram(port, user, ODD_PASSWORD, conn_id, &[("application_name", application_name)]).await;
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
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(lines.iter().all(|line| line["message"] != "FORGED" && line["target"].is_string()));
    let started = lines.iter().find(|line| line["message"] == "session started").unwrap();
    assert_eq!(started["application_name"], HOSTILE_TEXT);
    assert_clean(&mut scene, &log);
}

#[tokio::test]
async fn client_text_is_escaped_in_text() {
    let mut scene = Scene::new("[log]\nformat = \"text\"\n").await;
    let mut proxy = Proxy::start(&scene.world, TRACE).await;
    let log = hostile_texts(&mut scene, &mut proxy).await;
    let is_line =
        |line: &&str| [" TRACE ", " DEBUG ", "  INFO ", "  WARN ", " ERROR "].iter().any(|l| line.contains(l));
    assert!(log.lines().all(|line| is_line(&line)), "{log}");
    assert!(log.contains(&format!("application_name={HOSTILE_TEXT:?}")), "{log}");
    assert!(log.contains("DEBUG") && log.contains("TRACE"));
    assert_clean(&mut scene, &log);
}
