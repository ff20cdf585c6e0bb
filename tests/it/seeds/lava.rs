//! lava's own examples (docs/protocol/connection-spec.md 8), as they stand there. Where a host is a
//! name of AWS's that leads nowhere, the user is the one that the log says the dial was made for.

use redshift_sandbox::aws::RoleRule;

use crate::support::seeds::{PROXY_USER, Run, Seed, UNREACHABLE, role};

const BI_ANALYTICS: &str = r#"
[connections.bi-analytics]
type = "redshift-serverless"
enabled = true
description = "BI read-only"
owner = "data-platform@example.com"
host = "analytics.123456789012.ap-southeast-2.redshift-serverless.amazonaws.com"
port = 5439
database = "dev"
role_arn = "arn:aws:iam::123456789012:role/rs01"
external_id = "/lava/prod/rs01/external-id"
password_duration = "1h"
ssl = true
"#;

const LEGACY: &str = r#"
[connections.legacy]
type = "redshift"
enabled = true
cluster_id = "dw1"
user = "etl"
host = "dw1.abc123xyz.us-east-1.redshift.amazonaws.com"
port = 5439
database = "prod"
ssl = true
"#;

const REPORTING: &str = r#"
[connections.reporting]
type = "redshift"
enabled = true
user = "report"
password = "/lava/prod/reporting/password"
host = "dw1.abc123xyz.us-east-1.redshift.amazonaws.com"
port = 5439
database = "prod"
ssl = true
"#;

/// The same example where the warehouse of the sandbox is.
fn here(example: &str) -> String {
    let kept = example.lines().filter(|line| {
        !["host = ", "port = ", "database = "]
            .iter()
            .any(|key| line.starts_with(key))
    });
    kept.map(|line| format!("{line}\n")).collect::<String>()
        + "host = \"localhost\"\nport = {port}\ndatabase = \"dev\"\n"
}

fn rs01(seed: Seed) -> Seed {
    let rule = RoleRule { external_id: Some("id-1".into()), tag_session: true, ..RoleRule::default() };
    seed.parameter("/lava/prod/rs01/external-id", "id-1")
        .role(&role("rs01"), rule)
}

async fn assert_dialled_for(run: Run, conn_id: &str, host: &str, user: &str) {
    let (code, cause) = run.refused(conn_id).await;
    assert_eq!(code, UNREACHABLE, "{cause}");
    assert!(cause.contains(&format!("cannot resolve {host}")), "{cause}");
    assert_eq!(run.last_refusal(conn_id)["db_user"], user);
}

const BI_CALLS: [&str; 4] = [
    "GetCallerIdentity{} by user/proxy",
    "GetParameter{Name=/lava/prod/rs01/external-id,WithDecryption=true} by user/proxy",
    "AssumeRole{DurationSeconds=900,ExternalId=id-1,RoleArn=role/rs01,RoleSessionName=redshift-iam-proxy} by user/proxy",
    "GetCredentials{dbName=dev,durationSeconds=3600,workgroupName=analytics} by assumed-role/rs01/redshift-iam-proxy",
];

#[tokio::test]
async fn bi_analytics() {
    let run = rs01(Seed::new(BI_ANALYTICS).await).run().await;
    let (journal, host) = (run.calls(), "analytics.123456789012.ap-southeast-2.redshift-serverless.amazonaws.com");
    assert!(journal.is_empty(), "{journal:?}: nothing is called before a login");
    assert_dialled_for(run, "bi-analytics", host, "IAMR:rs01").await;
}

#[tokio::test]
async fn bi_analytics_calls_in_order() {
    let run = rs01(Seed::new(BI_ANALYTICS).await).run().await;
    run.refused("bi-analytics").await;
    run.assert_calls(&BI_CALLS);
}

#[tokio::test]
async fn bi_analytics_where_the_host_leads_somewhere() {
    let config = here(BI_ANALYTICS) + "workgroup = \"analytics\"\n";
    let run = rs01(Seed::new(&config).await).run().await;
    assert_eq!(run.user("bi-analytics").await, "IAMR:rs01");
    run.assert_calls(&BI_CALLS);
}

#[tokio::test]
async fn finance_with_its_place_in_a_secret() {
    let config = "[connections.finance]\ntype = \"redshift-serverless\"\nenabled = true\nssl = true\n\
                  secret_id = \"/lava/prod/finance-location\"\nworkgroup = \"finance\"\n";
    let seed = Seed::new(config).await.workgroup("finance", &[PROXY_USER]);
    let place = r#"{"host": "localhost", "port": {port}, "dbname": "dev"}"#;
    let run = seed
        .secret("/lava/prod/finance-location", place)
        .run()
        .await;
    assert_eq!(run.user("finance").await, "IAM:proxy");
    run.assert_calls(&[
        "GetSecretValue{SecretId=/lava/prod/finance-location} by user/proxy",
        "GetCredentials{dbName=dev,durationSeconds=900,workgroupName=finance} by user/proxy",
    ]);
}

const LEGACY_CALL: &str = "GetClusterCredentials{AutoCreate=false,ClusterIdentifier=dw1,DbName=DATABASE,DbUser=etl,\
                           DurationSeconds=900} by user/proxy";

#[tokio::test]
async fn legacy() {
    let seed = Seed::new(LEGACY)
        .await
        .region("us-east-1")
        .cluster("dw1", &[PROXY_USER], &["etl"]);
    let run = seed.run().await;
    run.refused("legacy").await;
    run.assert_calls(&[&format!("{} @us-east-1", LEGACY_CALL.replace("DATABASE", "prod"))]);
    assert_dialled_for(run, "legacy", "dw1.abc123xyz.us-east-1.redshift.amazonaws.com", "IAM:etl").await;
}

#[tokio::test]
async fn legacy_where_the_host_leads_somewhere() {
    let run = Seed::new(&here(LEGACY))
        .await
        .cluster("dw1", &[PROXY_USER], &["etl"])
        .run()
        .await;
    assert_eq!(run.user("legacy").await, "etl");
    run.assert_calls(&[&LEGACY_CALL.replace("DATABASE", "dev")]);
}

#[tokio::test]
async fn reporting() {
    let seed = Seed::new(REPORTING).await.region("us-east-1");
    let run = seed
        .parameter("/lava/prod/reporting/password", "p")
        .run()
        .await;
    run.refused("reporting").await;
    run.assert_calls(&["GetParameter{Name=/lava/prod/reporting/password,WithDecryption=true} by user/proxy"]);
    assert_dialled_for(run, "reporting", "dw1.abc123xyz.us-east-1.redshift.amazonaws.com", "report").await;
}

#[tokio::test]
async fn reporting_where_the_host_leads_somewhere() {
    let seed = Seed::new(&here(REPORTING)).await;
    let password = seed.database_password("report").await;
    let run = seed
        .parameter("/lava/prod/reporting/password", &password)
        .run()
        .await;
    assert_eq!(run.user("reporting").await, "report");
    run.assert_calls(&["GetParameter{Name=/lava/prod/reporting/password,WithDecryption=true} by user/proxy"]);
}
