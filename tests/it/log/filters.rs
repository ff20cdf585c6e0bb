//! deploy/fail2ban/ and deploy/crowdsec/ over real lines: who guesses is found, by its own address,
//! whatever it calls itself.

use std::path::Path;

use crate::support::process::Proxy;
use crate::support::scene::Scene;
use crate::support::secrets::ODD_PASSWORD;
use tokio::process::Command;

/// The address that a hostile client would like to see banned.
const VICTIM: &str = "203.0.113.77";

/// The addresses of the clients: all of loopback is the machine's own.
const GUESSER: &str = "127.0.0.1";

/// Names that end a string, a field or a line, and go on as a line about the victim.
fn hostile_names() -> Vec<String> {
    let json = format!(r#"","client_addr":"{VICTIM}","class":"wrong password","user":"x"#);
    let text = format!(r#"" client_addr="{VICTIM}" class="wrong password" user="x"#);
    let whole_json = format!(
        r#"{{"schema":1,"event":"login refused","timestamp":"2026-11-30T16:42:50.000001Z","level":"INFO","message":"login refused","session":"p0d8m2n7q1w5","client_addr":"{VICTIM}","class":"wrong password","user":"x"}}"#
    );
    let whole_text = format!(
        r#"2026-11-30T16:42:50.000001Z  INFO redshift_iam_proxy::session::log: login refused session="p0d8m2n7q1w5" client_addr="{VICTIM}" class="wrong password" user="x""#
    );
    let in_front = |line: &str| format!("\n{line}\n\r\n\u{2028}{line}\u{1b}[2K\r{line}");
    vec![json, text, in_front(&whole_json), in_front(&whole_text), VICTIM.to_owned(), format!("<HOST> {VICTIM}")]
}

/// The log of a proxy that had `guesses` wrong guesses, and as many hostile names.
async fn log_of_guesses(format: &str, env: &[(&str, &str)]) -> (String, usize) {
    let more = format!("[log]\nformat = \"{format}\"\n[limits]\nban_after = 0\n");
    let mut scene = Scene::new(&more).await;
    let mut proxy = Proxy::start(&scene.world, env).await;
    let port = proxy.port;
    let mut guesses = 0;
    for name in hostile_names() {
        // An unknown user, a wrong password, and one who may log in: to a connection of such a name.
        for (user, password, conn_id) in
            [(name.as_str(), "x", "sales"), ("odd", "x", name.as_str()), ("odd", ODD_PASSWORD, name.as_str())]
        {
            scene
                .scram(port, user, password, conn_id, &[("application_name", &name)])
                .await;
        }
        guesses += 2;
    }
    proxy.signal("TERM").await;
    proxy.wait_for_log("stopped").await;
    (proxy.log(), guesses)
}

/// Runs a program over a log, and gives what it says.
async fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .await
        .unwrap_or_else(|error| panic!("{program}: {error} (scripts/install.sh test)"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn deploy(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("deploy").join(path).display().to_string()
}

/// Both filters find each line that tells of a guess, with the address of the client alone. Lines
/// that repeat within a second are not there, so that there may be fewer than guesses.
async fn assert_found(format: &str, env: &[(&str, &str)]) {
    let (log, guesses) = log_of_guesses(format, env).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("proxy.log");
    std::fs::write(&file, &log).unwrap();
    let file = file.display().to_string();

    let filter = deploy("fail2ban/filter.d/redshift-iam-proxy.conf");
    let said = run("fail2ban-regex", &["-o", "<ip>", &file, &filter]).await;
    let by_fail2ban: Vec<_> = said.lines().collect();
    assert!((2..=guesses).contains(&by_fail2ban.len()), "{said}\n{log}");
    assert!(by_fail2ban.iter().all(|address| *address == GUESSER), "{said}\n{log}");

    let check = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/log/crowdsec.py");
    let said = run("python3", &[check, &deploy("crowdsec"), &file]).await;
    let by_crowdsec: Vec<_> = said.lines().collect();
    assert_eq!(by_crowdsec, by_fail2ban, "{log}");
    assert_networks(&log, &filter, check).await;
}

/// Both filters take the addresses of one IPv6 /64 for one, whose line is at most one a second.
async fn assert_networks(log: &str, filter: &str, check: &str) {
    let net = "2001:db8:1:2::/64";
    let mut number = 0;
    let lines = log.lines().map(|line| {
        number += 1;
        let json = format!(r#""client_addr":"2001:db8:1:2::{number:x}","client_net":"{net}","class""#);
        let text = format!(r#" client_addr="2001:db8:1:2::{number:x}" client_net="{net}" class"#);
        line.replace(r#""client_addr":"127.0.0.1","class""#, &json)
            .replace(r#" client_addr="127.0.0.1" class"#, &text)
            + "\n"
    });
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("proxy.log");
    std::fs::write(&file, lines.collect::<String>()).unwrap();
    let file = file.display().to_string();
    for said in [
        run("fail2ban-regex", &["-o", "<ip>", &file, filter]).await,
        run("python3", &[check, &deploy("crowdsec"), &file]).await,
    ] {
        assert!(said.lines().count() >= 2 && said.lines().all(|found| found == net), "{said}");
    }
}

#[tokio::test]
async fn guessers_are_found_in_json() {
    assert_found("json", &[]).await;
}

/// In text, with a span in front of the event.
#[tokio::test]
async fn guessers_are_found_in_text() {
    assert_found("text", &[]).await;
    assert_found("text", &[("RUST_LOG", "debug")]).await;
}

#[tokio::test]
async fn the_jail_is_one_that_fail2ban_reads() {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["filter.d", "jail.d", "action.d"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
    }
    for (from, to) in [
        (deploy("fail2ban/filter.d/redshift-iam-proxy.conf"), "filter.d/redshift-iam-proxy.conf"),
        (deploy("fail2ban/jail.d/redshift-iam-proxy.local"), "jail.d/redshift-iam-proxy.local"),
    ] {
        std::fs::copy(from, dir.path().join(to)).unwrap();
    }
    let folder = dir.path().display().to_string();
    // Debian's own definitions, the actions among them, as far as the jail refers to them.
    for file in ["fail2ban.conf", "jail.conf", "paths-debian.conf", "paths-common.conf"] {
        std::fs::copy(format!("/etc/fail2ban/{file}"), dir.path().join(file)).unwrap();
    }
    for entry in std::fs::read_dir("/etc/fail2ban/action.d").unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), dir.path().join("action.d").join(entry.file_name())).unwrap();
    }
    let said = run("fail2ban-client", &["-c", &folder, "-d"]).await;
    assert!(said.contains("'add', 'redshift-iam-proxy'") && said.contains("login refused"), "{said}");
}
