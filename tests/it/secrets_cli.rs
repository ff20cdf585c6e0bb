//! Secrets and the commands: faults of the configuration quote none, and hash-password prints the
//! verifier alone.

use std::process::{Output, Stdio};

use crate::support::secrets::{ODD_PASSWORD, Secrets};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

async fn run(args: &[&str], stdin: &str, env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"));
    command
        .args(args)
        .env_clear()
        .env("RUST_LOG", "trace")
        .envs(env.iter().copied());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may be gone before it reads.
    let _ = child
        .stdin
        .take()
        .unwrap()
        .write_all(stdin.as_bytes())
        .await;
    child.wait_with_output().await.unwrap()
}

fn printed(output: &Output) -> String {
    [&output.stdout[..], &output.stderr]
        .map(String::from_utf8_lossy)
        .concat()
}

#[tokio::test]
async fn faults_of_the_configuration_do_not_quote_secrets() {
    let dir = tempfile::TempDir::new().unwrap();
    let secret = "config-secret-0a1b2c3d";
    let mut secrets = Secrets::default();
    secrets.add("secret in the configuration", secret);
    secrets.add("AWS secret access key", "aws-secret-key-99f0e1d2");
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write(
        "broken.key",
        &format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(secret)),
    );
    write("broken-verifier", &format!("SCRAM-SHA-256$4096:{secret}"));
    write("empty", "");
    let user = |password: &str| format!("[users.u]\npassword = {password}\n");
    let connection = |more: &str| {
        format!(
            "[connections.c]\ntype = \"redshift-serverless\"\nhost = \"h.example.com\"\nworkgroup = \"work\"\n\
             database = \"d\"\n{more}\n"
        )
    };
    for text in [
        user(&format!("\"{secret}\"")),
        user(&format!("\"/{secret}\"")),
        user(&format!("\"file:{secret}\"")),
        user(&format!("\"SCRAM-SHA-256$4096:{secret}\"")),
        user(&format!("\"SCRAM-SHA-256$4096:AAAA${secret}:{secret}\"")),
        user(&format!("[\"{secret}\", \"{secret}\"]")),
        user(&format!("\"{secret}")),
        user(secret),
        user(&format!("{{ value = \"{secret}\" }}")),
        user("\"file:broken-verifier\""),
        user("\"env:WRONG_VERIFIER\""),
        user(&format!("\"${{SECRET}} ${{NOPE}} {secret}\"")),
        connection(&format!("external_id = \"{secret} not a name\"")),
        connection(&format!("password = \"{secret}\"")),
        connection(&format!("external_id = [\"{secret}\"]")),
        "[listen.tls]\ncert = \"broken.key\"\nkey = \"broken.key\"".to_owned(),
        format!("[listen.tls]\ncert = \"broken.key\"\nkey = \"\"\"\n-----BEGIN PRIVATE KEY-----\n{secret}\"\"\""),
        format!("[aws]\nendpoint_url = \"https://user:{secret}@example.com\""),
        format!("[admin]\ntoken = \"{secret}\""),
    ] {
        write("proxy.toml", &text);
        let path = dir.path().join("proxy.toml");
        let path = path.to_str().unwrap();
        let wrong = format!("SCRAM-SHA-256$1:{secret}$");
        let env = [
            ("SECRET", secret),
            ("WRONG_VERIFIER", wrong.as_str()),
            ("AWS_SECRET_ACCESS_KEY", "aws-secret-key-99f0e1d2"),
        ];
        for args in [&["check", "--offline", "--config", path][..], &["serve", "--config", path]] {
            let output = run(args, "", &env).await;
            assert_eq!(output.status.code(), Some(78), "{text}\n{}", printed(&output));
            secrets.assert_absent(&format!("what {args:?} says of {text}"), &printed(&output));
        }
        // And as a text in a variable.
        let env = [&env[..], &[("TEXT", &text)]].concat();
        let output = run(&["check", "--offline", "--config", "env:TEXT"], "", &env).await;
        secrets.assert_absent(&format!("what check says of {text}"), &printed(&output));
    }
    // One that is right tells none either.
    let text = connection("role_arn = \"arn:aws:iam::123456789012:role/r\"\nexternal_id = \"/name\"")
        + "[users.u]\npassword = \"env:SECRET\"\nconnections = [\"c\"]\n";
    let env = [("SECRET", secret), ("TEXT", text.as_str())];
    let output = run(&["check", "--offline", "--config", "env:TEXT"], "", &env).await;
    assert!(output.status.success(), "{}", printed(&output));
    secrets.assert_absent("check", &printed(&output));
}

#[tokio::test]
async fn hash_password_prints_the_verifier_alone() {
    let mut secrets = Secrets::default();
    secrets.add("password", ODD_PASSWORD);
    let output = run(&["hash-password"], &format!("{ODD_PASSWORD}\n"), &[]).await;
    assert!(output.status.success());
    secrets.assert_absent("hash-password", &printed(&output));
    // A password where a verifier belongs.
    let output = run(&["hash-password", "--like", ODD_PASSWORD], "x\n", &[]).await;
    assert_eq!(output.status.code(), Some(64));
    secrets.assert_absent("hash-password --like", &printed(&output));
}
