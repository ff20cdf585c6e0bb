//! What the configuration refers to: read at start and again while the proxy runs, from files, SSM and Secrets Manager.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that fails has done its work"
)]

mod support;

use redshift_sandbox::aws::{Fault, SecretValue, Times};
use support::{Rig, Setup, assert_refused, raw};

/// A user whose password is read from `from`.
fn user(name: &str, from: &str) -> String {
    format!("[users.{name}]\npassword = \"{from}\"\nconnections = [\"sales\"]\n")
}

async fn is_let_in(rig: &Rig, user: &str, password: &str) -> bool {
    match rig.connect_as(user, password, "sales").await {
        Ok(_) => true,
        Err(error) => {
            let message = format!("password authentication failed for user \"{user}\"");
            assert_refused(&error, "28P01", &message, None);
            false
        }
    }
}

#[tokio::test]
async fn a_password_kept_at_aws_is_read_again_and_the_last_good_one_stays() {
    let config = user("ann", "ssm:/users/ann") + &user("bob", "secret:users#bob") + &user("cy", "secret:cy");
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    let aws = &rig.sandbox().aws;
    assert!(!is_let_in(&rig, "ann", "one").await, "there is no such parameter yet, and we started all the same");
    aws.put_parameter("/users/ann", "one");
    aws.put_secret("users", SecretValue::Text(r#"{"bob":"bobs"}"#.into()));
    aws.put_secret("cy", SecretValue::Text("SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$x:y".into()));
    rig.app.read_references().await;
    assert!(is_let_in(&rig, "ann", "one").await);
    assert!(is_let_in(&rig, "bob", "bobs").await);
    assert!(!is_let_in(&rig, "cy", "one").await, "no verifier");

    let reads = aws.calls("GetParameter");
    aws.put_parameter("/users/ann", "two");
    assert!(is_let_in(&rig, "ann", "one").await, "a login never reads");
    assert_eq!(aws.calls("GetParameter"), reads);
    rig.app.read_references().await;
    assert!(is_let_in(&rig, "ann", "two").await);
    assert!(!is_let_in(&rig, "ann", "one").await);

    aws.put_parameter("/users/ann", "three");
    aws.put_secret("users", SecretValue::Text("not JSON".into()));
    aws.fault("GetParameter", Fault::Deny, Times::Always);
    rig.app.read_references().await;
    assert!(is_let_in(&rig, "ann", "two").await);
    assert!(is_let_in(&rig, "bob", "bobs").await);
    aws.clear_faults();
    rig.app.read_references().await;
    assert!(is_let_in(&rig, "ann", "three").await);
}

#[tokio::test]
async fn a_file_that_is_replaced_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "one\n").unwrap();
    let config = user("ann", &format!("file:{}", file.display()));
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    assert!(is_let_in(&rig, "ann", "one").await);
    std::fs::write(&file, "two\n").unwrap();
    rig.app.read_references().await;
    assert!(is_let_in(&rig, "ann", "two").await && !is_let_in(&rig, "ann", "one").await);
    std::fs::remove_file(&file).unwrap();
    rig.app.read_references().await;
    assert!(is_let_in(&rig, "ann", "two").await);
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_the_next_client() {
    let rig = Rig::start().await;
    let before = raw::certificate(rig.port(), rig.sandbox().ca.pem()).await;
    let leaf = rig.sandbox().ca.issue(&["localhost", "127.0.0.1"]);
    std::fs::write(rig.world.dir.path().join("server.crt"), &leaf.cert_pem).unwrap();
    rig.app.read_references().await;
    assert_eq!(raw::certificate(rig.port(), rig.sandbox().ca.pem()).await, before, "half of a pair is not used");
    std::fs::write(rig.world.dir.path().join("server.key"), &leaf.key_pem).unwrap();
    rig.app.read_references().await;
    let after = raw::certificate(rig.port(), rig.sandbox().ca.pem()).await;
    assert_ne!(after, before);
    rig.connect("sales").await.unwrap();
}

#[tokio::test]
async fn the_configuration_itself_is_read_out_of_ssm_and_secrets_manager() {
    let world = support::World::start(&Setup::default()).await;
    let toml = std::fs::read_to_string(world.dir.path().join("proxy.toml")).unwrap();
    // Paths in a text that is no file start in the working directory.
    world.sandbox.aws.put_parameter("/proxy/config", &toml);
    let whole = serde_json::json!({ "toml": toml, "other": 1 }).to_string();
    world.sandbox.aws.put_secret("prod/proxy", SecretValue::Text(whole));
    for (reference, code, told) in [
        ("ssm:/proxy/config", 0, "sales\n"),
        ("secret:prod/proxy#toml", 0, "sales\n"),
        ("secret:prod/proxy#other", 78, "prod/proxy is not a JSON object with a string \"other\" in it"),
        ("ssm:/nowhere", 78, "GetParameter /nowhere in ap-southeast-2 was refused (ParameterNotFound)"),
    ] {
        let mut check = tokio::process::Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"));
        check.args(["check", "--offline", "--config", reference]).current_dir(world.dir.path());
        check.env("AWS_ENDPOINT_URL", world.sandbox.aws.url()).env("AWS_REGION", "ap-southeast-2");
        check.env("AWS_ACCESS_KEY_ID", &world.keys.0).env("AWS_SECRET_ACCESS_KEY", &world.keys.1);
        let output = check.output().await.unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{reference}: {out}{err}");
        assert!(out.contains(told) || err.contains(told), "{reference}: {out}{err}");
    }
}
