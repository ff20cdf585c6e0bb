//! The program from its start to its end.
#![allow(clippy::unwrap_used, reason = "a test ends by panicking")]

use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Started, and ready.
async fn start(arguments: &[&str]) -> Child {
    let mut program = Command::new(env!("CARGO_BIN_EXE_redshift-sandbox"));
    program
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = program.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("ready"));
    child
}

async fn signal(child: &Child, name: &str) {
    let pid = child.id().unwrap().to_string();
    assert!(
        Command::new("sh")
            .args(["-c", "kill -$0 \"$1\"", name, &pid])
            .status()
            .await
            .unwrap()
            .success()
    );
}

/// How it ended, and what it said.
async fn end(child: Child, name: &str) -> (ExitStatus, String) {
    signal(&child, name).await;
    let output = child.wait_with_output().await.unwrap();
    (output.status, String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn the_program_prints_ready_and_ends_cleanly_on_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let ca_out = ca.to_str().unwrap();
    let arguments = ["--aws", "127.0.0.1:0", "--warehouse", "127.0.0.1:0", "--auth", "digest", "--ca-out", ca_out];
    let child = start(&[&["serve"], &arguments[..]].concat()).await;
    assert!(
        std::fs::read_to_string(&ca)
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE-----")
    );
    let (status, said) = end(child, "TERM").await;
    assert!(status.success());
    assert!(said.contains("AWS_ACCESS_KEY_ID=") && said.contains("warehouse      127.0.0.1:"), "{said}");
}

#[tokio::test]
async fn the_aws_endpoint_runs_alone_too() {
    for name in ["INT", "TERM"] {
        // PostgreSQL is not needed.
        let mut child = start(&["aws", "--static", "up", "-secret", "--listen", "127.0.0.1:0"]).await;
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        while !said.contains("AWS_ENDPOINT_URL=") {
            said += &lines.next_line().await.unwrap().unwrap();
        }
        let (_, address) = said.split_once("AWS_ENDPOINT_URL=http://").unwrap();
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket
            .write_all(b"POST / HTTP/1.1\r\nhost: sandbox\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 4") && answer.contains("x-amzn-requestid"), "{answer}");
        let (status, _) = end(child, name).await;
        assert!(status.success());
        assert!(said.contains("AWS_ACCESS_KEY_ID=") && said.contains("up's") && !said.contains("-secret"), "{said}");
    }
}

#[tokio::test]
async fn a_fixed_login_is_a_user_and_a_password() {
    for arguments in [&["aws"][..], &["aws", "--static", "up"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_redshift-sandbox"))
            .args(arguments)
            .output()
            .await
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
