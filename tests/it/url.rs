//! `url` by the real binary: what it prints is pasted into psql and a shell, and leads through the
//! proxy.

use std::process::{Command, Output};

use crate::support;
use crate::support::{PASSWORD, Rig, Setup, USER};

const FORMATS: [&str; 7] = ["psql", "uri", "jdbc", "odbc", "sqlalchemy", "dbt", "env"];

/// All that means something to a shell, a URL or a connection string.
const CONN_ID: &str = "Größe's \"mart\" $HOME `id` \\ !@:/#[]%41{}+=&;";
const OTHER: &str = "o'brien ? \"x\" $1 \\ @:/#[]%41{{ }}+=&;ü";

fn run(config: &str, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"));
    command
        .env_clear()
        .env("PW", "planted-password")
        .env("TEXT", config);
    command
        .args(["--config", "env:TEXT", "url"])
        .args(args)
        .output()
        .unwrap()
}

fn told(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// `url` against the rig's own configuration, which names its port.
fn pasted(rig: &Rig, args: &[&str]) -> String {
    let path = rig.world.dir.path().join("proxy.toml");
    let binary = env!("CARGO_BIN_EXE_redshift-iam-proxy");
    let output = Command::new(binary)
        .env_clear()
        .arg("--config")
        .arg(path)
        .arg("url")
        .args(args)
        .output()
        .unwrap();
    let (text, notes) = told(&output);
    assert!(output.status.success(), "{notes}");
    text
}

async fn sh(rig: &Rig, script: &str) -> String {
    let mut shell = tokio::process::Command::new("sh");
    shell
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", "/nonexistent");
    shell
        .env("PGPASSWORD", PASSWORD)
        .env("PGSSLROOTCERT", rig.world.ca_file())
        .env("PGCONNECT_TIMEOUT", "60");
    let output = shell
        .args(["-c", script])
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let (text, errors) = told(&output);
    assert!(output.status.success(), "{script}\n{errors}");
    text.trim().to_owned()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[tokio::test]
async fn printed_psql_uris_and_env_log_in_whatever_the_names() {
    let connection = support::connection(&quoted(CONN_ID), &[]);
    let user = format!("[users.{}]\npassword = \"{}\"\nconnections = [\"*\"]\n", quoted(OTHER), support::verifier());
    let mut rig = Rig::with(Setup { config: connection + &user, ..Setup::default() }).await;
    let public_name = format!("[listen]\npublic_name = \"localhost:{}\"\n", rig.port());
    rig.world.edit("[listen]\n", &public_name);
    let query = "-X -A -t -q -c 'select current_user'";
    for (conn_id, user) in [("sales", USER), (CONN_ID, OTHER)] {
        let line = pasted(&rig, &[conn_id, "--user", user]);
        assert_eq!(sh(&rig, &format!("{} {query}", line.trim())).await, "IAMR:rs01", "{line}");
        let uri = pasted(&rig, &[conn_id, "--user", user, "--format", "uri"]);
        assert_eq!(sh(&rig, &format!("psql '{}' {query}", uri.trim())).await, "IAMR:rs01", "{uri}");
        let lines = pasted(&rig, &[conn_id, "--user", user, "--format", "env"]);
        assert_eq!(sh(&rig, &format!("{lines}psql {query}")).await, "IAMR:rs01", "{lines}");
    }
}

const CONFIG: &str = r#"
[listen]
public_name = "redshift.example.com"
[specs]
dynamodb_table = "t00"
conn_ids = ["bi-*"]
roles = []
parameter_prefix = "/l/"
[connections.sales]
type = "redshift-serverless"
workgroup = "wg1"
database = "dev"
role_arn = "arn:aws:iam::123456789012:role/planted-role"
external_id = "/planted-name"
[connections.fin]
type = "redshift-serverless"
workgroup = "wg1"
database = "dev"
[users.demo]
password = "env:PW"
connections = ["sales", "bi-*"]
"#;

#[test]
fn every_format_is_one_thing_on_stdout_and_the_rest_is_on_stderr() {
    for format in FORMATS {
        let output = run(CONFIG, &["sales", "--format", format]);
        let (text, notes) = told(&output);
        assert_eq!(output.status.code(), Some(0), "{notes}");
        assert!(text.ends_with('\n') && text.contains("redshift.example.com") && text.contains("demo"), "{text}");
        let lines = text.lines().count();
        assert!(matches!((format, lines), ("dbt", 15) | ("env", 6) | (_, 1)), "{text}");
        assert!(notes.lines().all(|line| line.starts_with("note: ")) && notes.contains("password"), "{notes}");
        assert!(!text.contains("planted") && !notes.contains("planted"), "{text}{notes}");
    }
    let (default, _) = told(&run(CONFIG, &["sales"]));
    assert_eq!(default, told(&run(CONFIG, &["sales", "--format", "psql"])).0);
    assert_eq!(run(CONFIG, &["bi-1", "--user", "demo"]).status.code(), Some(0));
}

#[test]
fn url_exits_1_64_or_78_by_the_cause() {
    for (args, why) in [
        (
            &["salse"][..],
            "there is no connection \"salse\", and specs.conn_ids does not cover it; did you mean \"sales\"?\n",
        ),
        (&["sales", "--user", "dmeo"], "there is no user \"dmeo\"; did you mean \"demo\"?\n"),
        (&["fin", "--user", "demo"], "the user \"demo\" may not open \"fin\"\n"),
    ] {
        let output = run(CONFIG, args);
        assert_eq!((output.status.code(), told(&output)), (Some(1), (String::new(), why.to_owned())));
    }
    for args in [&[][..], &["sales", "--format", "odbx"], &["sales", "fin"]] {
        assert_eq!(run(CONFIG, args).status.code(), Some(64), "{args:?}");
    }
    let output = run(&CONFIG.replace("redshift.example.com", "redshift.example.com:0"), &["sales"]);
    let want = "env:TEXT:3: listen.public_name: must be a port, 1 to 65535\n";
    assert_eq!((output.status.code(), told(&output).1.as_str()), (Some(78), want));
}
