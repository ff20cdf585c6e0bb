//! The real binary: exit codes, and what goes to which stream.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use redshift_iam_proxy::crypto::Verifier;
use redshift_iam_proxy::secret::Secret;
use tempfile::TempDir;

/// Runs it with nothing of this process's environment.
fn run(args: &[&str], stdin: &str, env: &[(&str, &str)]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"))
        .args(args)
        .env_clear()
        .envs(env.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may be gone before it reads.
    let _unread = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

const GOOD: &str = r#"
[connections.sales]
type = "redshift-serverless"
host = "h.example.com"
workgroup = "analytics"
database = "dev"
role_arn = "arn:aws:iam::123456789012:role/rs01"
external_id = "/planted-name"
[users.demo]
password = "env:PW"
connections = ["sales"]
"#;

#[test]
fn a_system_without_ca_certificates_is_told_what_to_do() {
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::write(dir.path().join("proxy.toml"), "[listen]\naddress = \"127.0.0.1:0\"\n").unwrap();
    std::fs::write(dir.path().join("none.pem"), "").unwrap();
    let mut serve = std::process::Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"));
    let serve = serve
        .args(["serve", "--config"])
        .arg(dir.path().join("proxy.toml"))
        .env_clear();
    let output = serve
        .env("SSL_CERT_FILE", dir.path().join("none.pem"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("install ca-certificates, or set SSL_CERT_FILE"), "{told}");
}

#[test]
fn help_and_version_are_no_faults() {
    for args in [["--help"].as_slice(), &["--version"], &["help"], &["check", "--help"], &["hash-password", "--help"]] {
        let output = run(args, "", &[]);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(!stdout(&output).is_empty() && stderr(&output).is_empty(), "{args:?}");
    }
    for name in ["healthcheck", "reload", "drain", "shutdown"] {
        assert!(stdout(&run(&["--help"], "", &[])).contains(&format!("\n  {name} ")), "{name}");
    }
}

#[test]
fn a_wrong_command_line_is_64() {
    for args in [
        ["--nope"].as_slice(),
        &["nope"],
        &["--unknown-keys=maybe"],
        &["serve", "x"],
        &["hash-password", "--like", "planted"],
        &["check", "--offline", "--json"],
    ] {
        let output = run(args, "", &[]);
        assert_eq!(output.status.code(), Some(64), "{args:?}");
        assert!(!stderr(&output).is_empty() && stdout(&output).is_empty(), "{args:?}");
    }
}

#[test]
fn a_wrong_configuration_is_78_before_anything_starts() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("p.toml");
    fs::write(&path, "[limits]\nmax_sessions = 0\n[users.u]\npassword = \"planted\"\n").unwrap();
    let path = path.to_str().unwrap();
    for command in [["--config", path].as_slice(), &["serve", "--config", path], &["check", "--config", path]] {
        let output = run(command, "", &[]);
        assert_eq!(output.status.code(), Some(78), "{command:?}");
        let want = format!(
            "{path}:2: limits.max_sessions: must be at least 1\n\
             {path}:4: users.u.password: no such file, and not a SCRAM-SHA-256 verifier: a password \
             itself never stands here; put in the verifier that hash-password makes of it, or where it is kept (file:, \
             env:, ssm: or secret:)\n"
        );
        assert_eq!(stderr(&output), want);
    }
    let output = run(&["check", "--offline", "--config", "/nowhere"], "", &[]);
    assert_eq!(output.status.code(), Some(78));
    let output = run(&["check", "--offline"], "", &[("REDSHIFT_IAM_PROXY_CONFIG", "env:NOPE")]);
    assert_eq!(
        (output.status.code(), stderr(&output).as_str()),
        (Some(78), "env:NOPE: this environment variable is not set\n")
    );
}

#[test]
fn check_offline_prints_each_connection() {
    let env = [("PW", "planted-password"), ("TEXT", GOOD), ("REDSHIFT_IAM_PROXY_CONFIG", "env:TEXT")];
    let output = run(&["check", "--offline"], "", &env);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let told = stdout(&output);
    for part in ["sales\n", "h.example.com:5439", "workgroup analytics", "role/rs01", "open to:     demo\n"] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    assert!(told.ends_with("\nok\n") && !told.contains("planted"), "{told}");
    assert_eq!(
        run(&["check", "--offline", "sales"], "", &env)
            .status
            .code(),
        Some(0)
    );
    assert_eq!(run(&["check", "--offline", "nope"], "", &env).status.code(), Some(1));
}

#[test]
fn unknown_keys_can_be_warned_of() {
    let text = format!("future = 1\n{GOOD}");
    let env = [("PW", "pw"), ("TEXT", text.as_str())];
    let args = ["check", "--offline", "--config", "env:TEXT"];
    assert_eq!(run(&args, "", &env).status.code(), Some(78));
    let output = run(&[args.as_slice(), &["--unknown-keys=warn"]].concat(), "", &env);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output), "warning: env:TEXT:1: future: unknown key, ignored\n");
}

#[test]
fn a_hashed_password_is_matched_by_its_verifier() {
    let password = Secret::new("pass wörd".to_owned());
    let output = run(&["hash-password"], "pass wörd\n", &[]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let text = stdout(&output);
    let verifier = Verifier::parse(text.strip_suffix('\n').unwrap()).unwrap();
    assert_eq!((verifier.iterations, verifier.salt.len()), (4096, 16));
    assert!(verifier.matches(&password));

    let again = run(&["hash-password", "--like", text.trim()], "pass wörd", &[]);
    assert_eq!(stdout(&again), text);

    let made = run(&["hash-password", "--generate"], "", &[]);
    let password = stderr(&made);
    assert!(password.trim().len() >= 24);
    assert!(
        Verifier::parse(stdout(&made).trim())
            .unwrap()
            .matches(&Secret::new(password.trim().to_owned()))
    );

    let empty = run(&["hash-password"], "\n", &[]);
    assert_eq!((empty.status.code(), stdout(&empty).as_str()), (Some(1), ""));
}

#[test]
fn healthcheck_is_a_connection_and_an_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!("[listen]\naddress = \"{}\"", listener.local_addr().unwrap());
    let env = [("TEXT", text.as_str()), ("REDSHIFT_IAM_PROXY_CONFIG", "env:TEXT")];
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 8]).unwrap();
        stream.write_all(b"S").unwrap();
    });
    assert_eq!(run(&["healthcheck"], "", &env).status.code(), Some(0));
    server.join().unwrap();
    assert_eq!(run(&["healthcheck"], "", &env).status.code(), Some(1));
}
