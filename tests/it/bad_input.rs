//! Whatever may be wrong at AWS, or on the way there: the client reads the contract's words and
//! nothing else, the log holds one line that names the cause like no other, and nobody's secret.

mod rows;

use std::collections::BTreeMap;

use crate::support;
use crate::support::process::Proxy;
use crate::support::raw;
use crate::support::scene::{TRACE, whole_log};
use crate::support::secrets::{Secrets, unescaped};
use crate::support::{PASSWORD, Setup, USER, World, assert_refused, closed_port, connection, login_over};
use redshift_sandbox::aws::{Cluster, WebIdentity};
use rows::{AWS_AWAY, DEADLINE, EXPIRED_KEYS, NO_KEYS, ROWS, Row, UNKNOWN_KEY};
use serde_json::Value;

/// What no client is to read, beside secrets.
const OURS: [&str; 14] = [
    "123456789012",
    "arn:",
    "rs01",
    "localhost",
    "127.0.0.1",
    "/bad/",
    "secret/",
    "wg-",
    "token",
    "Get",
    "Exception",
    "amazonaws",
    "sdk",
    "IAM",
];

/// What the log says of one refused login.
struct Told {
    conn_id: String,
    /// Without the connection's name.
    cause: String,
    /// Why and how to fix it, as `check` says. Empty: as another row.
    fix: String,
}

#[tokio::test]
async fn each_cause_has_the_contracts_words_and_a_log_line_of_its_own() {
    let world = world().await;
    let mut told = log_in_to_all(&world, &ROWS, &[]).await;
    let (_closed, port) = closed_port();
    let away = format!("http://127.0.0.1:{port}");
    let away = [("AWS_ENDPOINT_URL_SSM", &*away), ("AWS_ENDPOINT_URL_STS", &*away)];
    told.extend(log_in_to_all(&world, &AWS_AWAY, &away).await);
    told.extend(log_in_to_all(&world, &UNKNOWN_KEY, &[("AWS_ACCESS_KEY_ID", "AKIANOBODYKNOWSIT000")]).await);
    // The SDK takes blank for not set.
    let none = [("AWS_ACCESS_KEY_ID", " "), ("AWS_SECRET_ACCESS_KEY", " ")];
    told.extend(log_in_to_all(&world, &NO_KEYS, &none).await);
    let keys = session_keys(&world).await;
    world.sandbox.aws.expire_sessions();
    told.extend(log_in_to_all(&world, &EXPIRED_KEYS, &keys.each_ref().map(|(name, key)| (*name, &**key))).await);
    assert_told_apart(&told);
}

#[tokio::test]
async fn an_aws_that_says_nothing_is_a_cause_of_its_own_as_well() {
    let mut world = world().await;
    world.edit("timeout = \"20s\"", "timeout = \"3s\"");
    assert_told_apart(&log_in_to_all(&world, &DEADLINE, &[]).await);
}

/// A world in which everything is wrong that a row does not itself make wrong.
async fn world() -> World {
    let all = [&ROWS[..], &AWS_AWAY, &UNKNOWN_KEY, &NO_KEYS, &EXPIRED_KEYS, &DEADLINE].concat();
    let connections = all
        .iter()
        .map(|row| connection(row.conn_id, row.keys))
        .collect::<String>();
    // Time for a busy machine: no row but the last ones waits for it.
    let config = format!("[credentials]\ntimeout = \"20s\"\n{connections}");
    let world = World::start(&Setup { config, ..Setup::default() }).await;
    let write = |name: &str, text: &str| std::fs::write(world.dir.path().join(name), text).unwrap();
    write("token-empty", "\n");
    write("token-long", &rows::PLANTED_TOKEN.repeat(1000));
    write("token-rejected", rows::PLANTED_TOKEN);
    write("token-expired", rows::EXPIRED_TOKEN);
    let expires_at = std::time::SystemTime::UNIX_EPOCH;
    let identity = WebIdentity { subject: "pod".into(), expires_at };
    world
        .sandbox
        .aws
        .put_web_identity(rows::EXPIRED_TOKEN, identity);
    world
        .sandbox
        .aws
        .put_cluster("dw-other", Cluster::default());
    world
}

/// A login for each row through a proxy of its own, and what its log says of them.
async fn log_in_to_all(world: &World, rows: &[Row], env: &[(&str, &str)]) -> Vec<Told> {
    let mut proxy = Proxy::start(world, &[TRACE, env].concat()).await;
    let (aws, mut checked) = (&world.sandbox.aws, Vec::new());
    for row in rows {
        (row.prepare)(aws);
        let stream = raw::tls(proxy.port, world.sandbox.ca.pem()).await;
        let error = login_over(stream, USER, PASSWORD, row.conn_id)
            .await
            .map(|_| ())
            .expect_err(row.conn_id);
        let (message, hint) = match row.sqlstate {
            "08004" => (format!("connection \"{}\" is not available to the proxy", row.conn_id), None),
            _ => (format!("cannot open \"{}\" now", row.conn_id), Some("Try again shortly.")),
        };
        let said = error
            .as_db_error()
            .unwrap_or_else(|| panic!("{}: {error}", row.conn_id))
            .message();
        // Its form is checked; what chance writes in it is none of ours.
        let session = &said[support::without_session(said).len()..];
        let reply = format!("{:?}", error.as_db_error())
            .replace(session, "")
            .replace(row.conn_id, "");
        let leaked = OURS
            .iter()
            .filter(|ours| reply.contains(**ours))
            .collect::<Vec<_>>();
        assert!(leaked.is_empty(), "{leaked:?} in {reply}");
        assert_eq!(support::refusal(&error).0, row.sqlstate, "{}\n{}", row.conn_id, causes(&proxy.log()).join("\n"));
        assert_refused(&error, row.sqlstate, &message, hint);
        checked.push(check(world, row, env).await);
        aws.clear_faults();
    }
    let log = whole_log(&mut proxy).await;
    assert_no_secret(world, &log);
    rows.iter()
        .zip(checked)
        .map(|(row, fix)| Told { fix, ..told(row, &log) })
        .collect()
}

/// What `check` says of a row, by the real binary. It holds no secret either.
async fn check(world: &World, row: &Row, env: &[(&str, &str)]) -> String {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"));
    command
        .args(["check", "--json", row.conn_id, "--config"])
        .arg(world.dir.path().join("proxy.toml"));
    command
        .env_clear()
        .env("AWS_ACCESS_KEY_ID", &world.keys.0)
        .env("AWS_SECRET_ACCESS_KEY", &world.keys.1);
    command
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(env.iter().copied());
    let output = command
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let [document, errors] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(output.status.code(), Some(1), "{document}{errors}");
    assert_no_secret(world, &format!("{document}{errors}"));
    let document: Value = serde_json::from_str(&document).expect(&errors);
    let steps = document["connections"][0]["steps"].as_array().unwrap();
    let failed = steps.iter().find(|step| step["ok"] == false).unwrap();
    let told = format!("{} {}", failed["why"].as_str().unwrap(), failed["fix"].as_str().unwrap());
    let all = steps
        .iter()
        .filter_map(|step| step["detail"].as_str())
        .chain([&*told])
        .collect::<Vec<_>>()
        .join("\n");
    assert!(all.contains(row.fix), "{}: no {:?} in {all}", row.conn_id, row.fix);
    if row.fix.is_empty() { String::new() } else { told }
}

/// The one line of a row.
fn told(row: &Row, log: &str) -> Told {
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    let is_its = |line: &&Value| line["message"] == "login refused" && line["conn_id"] == row.conn_id;
    let lines: Vec<_> = lines.iter().filter(is_its).collect();
    let [line] = &lines[..] else { panic!("{}: {lines:?}", row.conn_id) };
    assert_eq!(line["level"], "WARN", "{line}");
    let reason = line["reason"].as_str().unwrap();
    let cause = reason
        .strip_prefix(&format!("connection {}: no credential: ", row.conn_id))
        .expect(reason);
    for name in row.names {
        assert!(cause.contains(name), "{}: no {name:?} in {cause:?}", row.conn_id);
    }
    Told { conn_id: row.conn_id.to_owned(), cause: cause.to_owned(), fix: String::new() }
}

/// Also where the same thing is called by another name: what is left must differ.
fn assert_told_apart(all: &[Told]) {
    let texts: [fn(&Told) -> &str; 2] = [|told| &told.cause, |told| &told.fix];
    for text in texts {
        let mut seen = BTreeMap::new();
        for told in all.iter().filter(|told| !text(told).is_empty()) {
            let words = text(told)
                .split_whitespace()
                .filter(|word| !word.contains(told.conn_id.as_str()));
            let words = words.collect::<Vec<_>>().join(" ");
            if let Some(other) = seen.insert(words, &told.conn_id) {
                panic!("{} and {other} read the same: {}", told.conn_id, text(told));
            }
        }
    }
}

fn assert_no_secret(world: &World, log: &str) {
    let mut secrets = Secrets::default();
    secrets.add("client password", PASSWORD);
    secrets.add("external id", "sandbox-external-id-5f0c");
    secrets.add("AWS secret access key", &world.keys.1);
    for (name, planted) in rows::PLANTED {
        secrets.add(name, planted);
    }
    secrets.assert_absent("the log", &unescaped(log));
}

/// Keys of a role session, as somebody may have put into the environment.
async fn session_keys(world: &World) -> [(&'static str, String); 3] {
    let agent = world
        .sandbox
        .aws
        .container_credentials("arn:aws:iam::123456789012:role/task", "task-token")
        .await;
    let agent = agent.unwrap();
    let answer = rows::get(&agent.url(), "task-token").await;
    let key = |name: &str| answer[name].as_str().unwrap().to_owned();
    [
        ("AWS_ACCESS_KEY_ID", key("AccessKeyId")),
        ("AWS_SECRET_ACCESS_KEY", key("SecretAccessKey")),
        ("AWS_SESSION_TOKEN", key("Token")),
    ]
}

fn causes(log: &str) -> Vec<&str> {
    log.lines()
        .filter(|line| line.contains("login refused"))
        .collect()
}
