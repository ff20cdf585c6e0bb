//! Secrets stay where they belong: the real binary runs at trace level through logins of every kind
//! and failures of every kind, and neither its log nor what its clients read holds any of them, in
//! any spelling.

mod broken;

use crate::support::process::Proxy;
use crate::support::raw::{message, open, say, startup, until_closed};
use crate::support::scene::{Scene, TRACE, TYPED_AS_USER, WRONG_PASSWORD, assert_clean, query, whole_log};
use crate::support::scram::initial_response;
use crate::support::secrets::{ODD_PASSWORD, Secrets, add_number, unescaped};
use crate::support::{PASSWORD, USER};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use redshift_sandbox::aws::{Fault, Times};
use redshift_sandbox::ca::Ca;
use redshift_sandbox::warehouse::Authentication;
use serde_json::Value;

#[test]
fn the_search_finds_every_spelling() {
    let mut secrets = Secrets::default();
    secrets.add("odd", ODD_PASSWORD);
    let debug = format!("{ODD_PASSWORD:?}");
    let json = serde_json::to_string(&debug).unwrap();
    let bytes = ODD_PASSWORD.as_bytes();
    let hex = |between: &str| {
        bytes[5..]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .join(between)
    };
    for text in [
        ODD_PASSWORD.to_owned(),
        // Parts of it, as the errors of libraries show them.
        format!("illegal section start: {:?}", &bytes[5..]),
        format!("{:?}", &bytes[..20]).replace(", ", ","),
        hex(""),
        hex(":"),
        hex(" ").to_uppercase(),
        STANDARD.encode(&bytes[..24]),
        bytes[3..]
            .iter()
            .map(|byte| format!("\\x{byte:02x}"))
            .collect(),
        debug,
        unescaped(&format!("{{\"a\":[{{\"b\":{json}}}]}}")),
        format!("{:?}", ODD_PASSWORD.as_bytes()),
        STANDARD.encode(format!("\0user\0{ODD_PASSWORD}\0")),
        STANDARD.encode(format!("user:{ODD_PASSWORD}")),
        URL_SAFE_NO_PAD.encode(format!("x{ODD_PASSWORD}x")),
        "x=pl%2Bnt%2Fed%3Dpa%25ss+%22w%5Crd-7f3a%27&y".to_owned(),
    ] {
        assert_eq!(secrets.found_in(&format!("ahead {text} behind")), ["odd"], "{text}");
    }
    assert!(secrets.found_in("nothing to be seen here").is_empty());
}

/// Our own lines are there, and those of libraries that print requests are not.
fn assert_levels(log: &str) {
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    let count = |level: &str, part: &str| {
        let is = |line: &&Value| {
            line["level"] == level
                && line["target"]
                    .as_str()
                    .unwrap()
                    .starts_with(&format!("redshift_iam_proxy::{part}"))
        };
        lines.iter().filter(is).count()
    };
    for (level, part) in [
        ("DEBUG", "session"),
        ("DEBUG", "client_auth"),
        ("DEBUG", "upstream"),
        ("TRACE", "wire"),
        ("TRACE", "startup"),
        ("TRACE", "upstream"),
        ("TRACE", "relay"),
    ] {
        assert!(count(level, part) > 0, "no {level} line of {part}");
    }
    for line in &lines {
        let target = line["target"].as_str().unwrap();
        let is_quiet = ["aws_", "hyper", "h2", "rustls", "tokio_rustls"]
            .iter()
            .any(|quiet| target.starts_with(quiet));
        let is_fine = line["level"] == "DEBUG" || line["level"] == "TRACE";
        assert!(!(is_quiet && is_fine), "{line}");
    }
}

#[tokio::test]
async fn logins_of_every_kind_leave_no_secret_in_log_or_replies() {
    let mut scene = Scene::new("").await;
    let mut proxy = Proxy::start(&scene.world, TRACE).await;
    let port = proxy.port;
    for way in [Authentication::Cleartext, Authentication::Md5, Authentication::Scram, Authentication::Digest] {
        scene.world.sandbox.warehouse.ask(way);
        let mut login = scene.scram(port, "odd", ODD_PASSWORD, "sales", &[]).await;
        assert_eq!(login.sqlstate, None, "{way:?}");
        query(&mut login).await;
    }
    scene.world.sandbox.warehouse.ask(Authentication::Cleartext);
    let driver = [("client_protocol_version", "3"), ("driver_discovery_version", "1"), ("plugin_name", "none")];
    for user in ["plain", "odd"] {
        let mut login = scene.cleartext(port, user, ODD_PASSWORD, &driver).await;
        assert_eq!(login.sqlstate, None);
        query(&mut login).await;
    }
    assert!(
        scene
            .secrets
            .0
            .iter()
            .any(|(name, _)| name == "driver_token")
    );
    let mut login = scene
        .scram(port, "stored", ODD_PASSWORD, "sales", &[("application_name", "app")])
        .await;
    query(&mut login).await;

    // A cancel request with the right key, and one with a wrong one.
    let busy = scene.scram(port, "odd", ODD_PASSWORD, "sales", &[]).await;
    for key in [&busy.key[..], &[&busy.key[..4], b"\x9d\xe1\xa7\xf3"].concat()] {
        let mut request = open(port, Some(scene.world.sandbox.ca.pem())).await;
        say(&mut request, &[&16u32.to_be_bytes()[..], b"\x04\xd2\x16\x2e", key].concat()).await;
        assert_eq!(until_closed(&mut request).await, b"");
    }
    add_number(&mut scene.secrets, b"\x9d\xe1\xa7\xf3");
    scene.world.sandbox.warehouse.wait_for_cancels(1).await;
    drop(busy);

    let log = whole_log(&mut proxy).await;
    assert!(log.contains("\"cancel forwarded\"") && log.contains("\"application_name\":\"app\""));
    assert_levels(&log);
    assert_clean(&mut scene, &log);
}

#[tokio::test]
async fn failed_proofs_leave_no_secret_in_log_or_replies() {
    let mut scene = Scene::new("").await;
    let mut proxy = Proxy::start(&scene.world, TRACE).await;
    let port = proxy.port;
    for (user, password) in
        [("odd", WRONG_PASSWORD), ("leaver", ODD_PASSWORD), ("leaver", PASSWORD), ("nobody", ODD_PASSWORD)]
    {
        let login = scene.scram(port, user, password, "sales", &[]).await;
        assert_eq!(login.sqlstate.as_deref(), Some("28P01"));
    }
    for (user, password) in [("plain", WRONG_PASSWORD), ("odd", WRONG_PASSWORD), ("nobody", ODD_PASSWORD)] {
        let login = scene
            .cleartext(port, user, password, &[("client_protocol_version", "3")])
            .await;
        assert_eq!(login.sqlstate.as_deref(), Some("28P01"));
    }
    let login = scene
        .scram(port, TYPED_AS_USER, ODD_PASSWORD, "sales", &[])
        .await;
    assert_eq!(login.sqlstate.as_deref(), Some("28P01"));
    // Where it does not belong: a SASL exchange of another kind, behind a Query, in a message that
    // is cut.
    for wrong in [
        initial_response("PLAIN", format!("\0odd\0{ODD_PASSWORD}").as_bytes()),
        message(b'Q', format!("alter user odd password '{ODD_PASSWORD}'\0").as_bytes()),
        message(b'p', ODD_PASSWORD.as_bytes()),
        message(b'p', format!("{ODD_PASSWORD}\0{ODD_PASSWORD}\0").as_bytes()),
    ] {
        for driver in [&[][..], &[("client_protocol_version", "3")]] {
            let mut stream = open(port, Some(scene.world.sandbox.ca.pem())).await;
            let pairs = [&[("user", "odd"), ("database", "sales")][..], driver].concat();
            say(&mut stream, &[startup(0, &pairs), wrong.clone()].concat()).await;
            scene.replies.extend(until_closed(&mut stream).await);
        }
    }
    // In clear, ahead of everything.
    let mut stream = open(port, None).await;
    say(&mut stream, format!("{ODD_PASSWORD}\r\n").as_bytes()).await;
    scene.replies.extend(until_closed(&mut stream).await);
    let mut login = scene.scram(port, USER, PASSWORD, "sales", &[]).await;
    query(&mut login).await;

    let log = whole_log(&mut proxy).await;
    let unknown = log.matches("\"unknown-").count();
    assert!(unknown >= 3 && log.contains("wrong password") && log.contains("disabled user"), "{log}");
    assert_levels(&log);
    assert_clean(&mut scene, &log);
}

#[tokio::test]
async fn failures_of_aws_leave_no_secret_in_log_or_replies() {
    // What is throttled is tried again for three quarters of it.
    let mut scene = Scene::new("[credentials]\ntimeout = \"4s\"").await;
    let mut proxy = Proxy::start(&scene.world, TRACE).await;
    // One that works, so that there is something to be heard.
    let mut login = scene
        .scram(proxy.port, "odd", ODD_PASSWORD, "sales", &[])
        .await;
    query(&mut login).await;
    for (workgroup, fault, sqlstate) in [
        ("throttled", Fault::Throttle, "57P03"),
        ("denied", Fault::Deny, "08004"),
        ("failing", Fault::InternalError, "57P03"),
        ("garbled", Fault::Garbage, "57P03"),
        ("cut", Fault::Close, "57P03"),
    ] {
        scene
            .world
            .sandbox
            .aws
            .fault_where("GetCredentials", ("workgroupName", workgroup), fault, Times::Always);
        scene.refused(&mut proxy, workgroup, sqlstate).await;
    }
    for (operation, workgroup) in [("AssumeRole", "assume"), ("GetParameter", "parameter")] {
        for fault in [Fault::Throttle, Fault::InternalError, Fault::Garbage, Fault::Close] {
            scene
                .world
                .sandbox
                .aws
                .fault(operation, fault, Times::Always);
            scene.refused(&mut proxy, workgroup, "57P03").await;
            scene.world.sandbox.aws.clear_faults();
        }
        scene
            .world
            .sandbox
            .aws
            .fault(operation, Fault::Deny, Times::Always);
        scene.refused(&mut proxy, workgroup, "08004").await;
        scene.world.sandbox.aws.clear_faults();
    }
    // External ids that the role does not know, and that STS would quote.
    for (workgroup, external_id) in
        [("stranger", "another-external-id-c0ffee"), ("nonsense", "no external id 'at' all: <pl&nted> \"e7b1\"")]
    {
        scene
            .world
            .sandbox
            .aws
            .put_parameter(&format!("/lava/demo/{workgroup}"), external_id);
        scene.secrets.add("external id", external_id);
        scene.refused(&mut proxy, workgroup, "08004").await;
    }

    let log = whole_log(&mut proxy).await;
    let codes =
        ["Throttling", "AccessDenied", "InternalServer", "unreadable answer", "no connection", "no external id"];
    for code in codes {
        assert!(
            log.lines()
                .any(|line| line.contains("login refused") && line.contains(code)),
            "{code}: {log}"
        );
    }
    assert_clean(&mut scene, &log);
}

#[tokio::test]
async fn failures_of_the_warehouse_leave_no_secret_in_log_or_replies() {
    let mut scene = Scene::new("").await;
    let mut proxy = Proxy::start(&scene.world, TRACE).await;
    let mut login = scene
        .scram(proxy.port, "odd", ODD_PASSWORD, "sales", &[])
        .await;
    query(&mut login).await;
    for way in [Authentication::Cleartext, Authentication::Md5, Authentication::Scram, Authentication::Digest] {
        scene.world.sandbox.warehouse.ask(way);
        scene.world.sandbox.warehouse.refuse_logins(2);
        scene.refused(&mut proxy, "sales", "08004").await;
    }
    scene.world.sandbox.warehouse.reset_logins(3);
    scene.refused(&mut proxy, "sales", "08001").await;
    scene
        .world
        .sandbox
        .warehouse
        .login_error(1, "53300", "too many connections");
    scene.refused(&mut proxy, "sales", "53300").await;
    scene.world.sandbox.warehouse.refuse_tls(true);
    scene.refused(&mut proxy, "sales", "08001").await;
    scene.world.sandbox.warehouse.refuse_tls(false);
    scene
        .world
        .sandbox
        .warehouse
        .forge_behind_ssl(Some(b"R\0\0\0\x08\0\0\0\x03".to_vec()));
    scene.refused(&mut proxy, "sales", "08001").await;
    scene.world.sandbox.warehouse.forge_behind_ssl(None);
    scene
        .world
        .sandbox
        .warehouse
        .present(Ca::new().issue(&["localhost"]));
    scene.refused(&mut proxy, "sales", "08001").await;
    scene
        .world
        .sandbox
        .warehouse
        .present(scene.world.sandbox.ca.issue(&["other.example.com"]));
    scene.refused(&mut proxy, "sales", "08001").await;
    let log = whole_log(&mut proxy).await;
    assert_clean(&mut scene, &log);
}

/// People paste passwords into `options`; the warehouse quotes them in its refusals.
#[tokio::test]
async fn startup_parameters_are_not_logged_even_where_the_warehouse_quotes_them() {
    let mut scene = Scene::new("").await;
    let mut proxy = Proxy::start(&scene.world, TRACE).await;
    let planted = "planted-option-2b6f";
    for (name, value) in [
        ("options", format!("-c search_path={planted}")),
        ("options", format!("-c {planted}=1")),
        ("options", format!("-c datestyle={planted}")),
        ("options", planted.to_owned()),
        ("options", format!("--password={planted}")),
        ("datestyle", planted.to_owned()),
        ("TimeZone", planted.to_owned()),
        ("client_encoding", planted.to_owned()),
        ("statement_timeout", planted.to_owned()),
        ("extra_float_digits", planted.to_owned()),
        (planted, planted.to_owned()),
        ("password", planted.to_owned()),
        ("_pq_.planted", planted.to_owned()),
        ("replication", planted.to_owned()),
        ("idp_type", planted.to_owned()),
    ] {
        drop(
            scene
                .scram(proxy.port, "odd", ODD_PASSWORD, "sales", &[(name, &value)])
                .await,
        );
    }
    let log = whole_log(&mut proxy).await;
    assert!(log.contains("\"session started\"") && log.contains("\"login refused\""));
    // What the operator can do about it is said, with the name where that can only be one.
    let named = "22023 (the startup parameter extra_float_digits: startup_parameters = { drop";
    assert!(
        log.contains(named) && log.contains("42704 (a startup parameter, which the client's own error names"),
        "{log}"
    );
    scene.secrets.assert_absent("the log", &unescaped(&log));
    let mut planted_only = Secrets::default();
    planted_only.add("startup parameter", planted);
    planted_only.assert_absent("the log", &unescaped(&log));
}
