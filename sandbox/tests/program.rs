//! The program from its start to its end.
#![allow(clippy::unwrap_used, reason = "a test ends by panicking")]

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

#[tokio::test]
async fn it_says_ready_and_ends_cleanly_on_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let mut program = Command::new(env!("CARGO_BIN_EXE_redshift-sandbox"));
    program.args(["serve", "--aws", "127.0.0.1:0", "--warehouse", "127.0.0.1:0", "--auth", "digest", "--ca-out"]);
    program.arg(&ca).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = program.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("ready"));
    assert!(std::fs::read_to_string(&ca).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status().await.unwrap().success());
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("AWS_ACCESS_KEY_ID=") && said.contains("warehouse      127.0.0.1:"), "{said}");
}
