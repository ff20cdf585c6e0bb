//! `password_duration` (docs/protocol/connection-spec.md 5): what is asked for, and what is no
//! configuration.

use crate::support::seeds::{PROXY_USER, Seed, load_faults};

async fn assert_asks_for(duration: &str, secs: u32) {
    let serverless = "type = \"redshift-serverless\"\nworkgroup = \"finance\"\n";
    let cluster = "type = \"redshift\"\ncluster_id = \"dw1\"\nuser = \"etl\"\n";
    let place = "host = \"localhost\"\nport = {port}\ndatabase = \"dev\"\n";
    let config = [("s", serverless), ("c", cluster)]
        .map(|(id, kind)| format!("[connections.{id}]\n{kind}{place}password_duration = {duration}\n"));
    let seed = Seed::new(&config.concat())
        .await
        .workgroup("finance", &[PROXY_USER]);
    let run = seed.cluster("dw1", &[PROXY_USER], &["etl"]).run().await;
    assert_eq!((&*run.user("s").await, &*run.user("c").await), ("IAM:proxy", "etl"));
    run.assert_calls(&[
        &format!("GetCredentials{{dbName=dev,durationSeconds={secs},workgroupName=finance}} by user/proxy"),
        &format!(
            "GetClusterCredentials{{AutoCreate=false,ClusterIdentifier=dw1,DbName=dev,DbUser=etl,\
             DurationSeconds={secs}}} by user/proxy"
        ),
    ]);
}

#[tokio::test]
async fn a_number_is_seconds() {
    assert_asks_for("900", 900).await;
}

#[tokio::test]
async fn a_string_without_a_unit_is_seconds() {
    assert_asks_for("\"1200\"", 1200).await;
}

#[tokio::test]
async fn minutes() {
    assert_asks_for("\"15m\"", 900).await;
}

#[tokio::test]
async fn half_an_hour() {
    assert_asks_for("\"0.5h\"", 1800).await;
}

#[tokio::test]
async fn blanks_are_allowed_around_number_and_unit() {
    assert_asks_for("\" 20 m \"", 1200).await;
}

#[tokio::test]
async fn an_hour_is_the_most() {
    assert_asks_for("\"1h\"", 3600).await;
}

#[track_caller]
fn assert_faulty(duration: &str) {
    let connection = "[connections.c]\ntype = \"redshift-serverless\"\nhost = \"localhost\"\nworkgroup = \"finance\"\n\
                      database = \"dev\"\n";
    let faults = load_faults(&format!("{connection}password_duration = {duration}\n"));
    assert!(faults.len() == 1 && faults[0].starts_with("connections.c.password_duration: "), "{faults:?}");
    assert_eq!(load_faults(connection), [""; 0]);
}

#[test]
fn two_hours_are_no_configuration() {
    assert_faulty("\"2h\"");
}

#[test]
fn fourteen_minutes_are_no_configuration() {
    assert_faulty("\"14m\"");
}

#[test]
fn an_empty_duration_is_no_configuration() {
    assert_faulty("\"\"");
}

#[test]
fn signs_and_exponents_are_no_configuration() {
    for duration in ["\"+900\"", "\"9e2\"", "\"15M\"", "\".\""] {
        assert_faulty(duration);
    }
}
