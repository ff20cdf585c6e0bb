//! The AWS CLI against the stores, the clusters and the credential endpoints.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test ends by panicking, and what it indexes it made itself"
)]

mod support;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use redshift_sandbox::aws::{Aws, AwsOptions, Cluster, RoleRule, SecretValue, WebIdentity};
use redshift_sandbox::logins::Logins;
use redshift_sandbox::sandbox::Sandbox;
use redshift_sandbox::warehouse::WarehouseOptions;
use serde_json::json;
use support::cli::{Keys, cli, cli_with};

const USER: &str = "arn:aws:iam::123456789012:user/proxy";
const ROLE: &str = "arn:aws:iam::123456789012:role/base";

async fn start() -> (Aws, Arc<Logins>) {
    let logins = Logins::new(None);
    (
        Aws::start(AwsOptions::default(), logins.clone())
            .await
            .unwrap(),
        logins,
    )
}

#[tokio::test]
async fn a_cluster_is_described_and_gives_logins() {
    let (aws, logins) = start().await;
    let base = Keys::base();
    let (callers, users) = (vec![USER.to_owned()], ["adam".to_owned()].into());
    aws.put_cluster("legacy", Cluster { callers, users, port: 5441, ..Cluster::default() });
    let described = cli(&aws, &base, &["redshift", "describe-clusters", "--cluster-identifier", "legacy"])
        .await
        .unwrap();
    let cluster = &described["Clusters"][0];
    assert_eq!(cluster["Endpoint"], json!({ "Address": "localhost", "Port": 5441 }));
    assert_eq!((&cluster["ClusterStatus"], &cluster["DBName"]), (&json!("available"), &json!("dev")));

    let get = ["redshift", "get-cluster-credentials", "--cluster-identifier", "legacy", "--db-user", "adam"];
    let more = ["--db-name", "dev", "--auto-create", "--db-groups", "readers", "writers"];
    let login = cli(&aws, &base, &[&get[..], &more].concat()).await.unwrap();
    assert_eq!(login["DbUser"], "IAMA:adam:readers:writers");
    assert_eq!(
        login["DbPassword"],
        logins.valid("IAMA:adam:readers:writers")[0]
            .password
            .as_str()
    );
    let login = cli(&aws, &base, &[&get[..], &["--no-auto-create"]].concat())
        .await
        .unwrap();
    assert_eq!(login["DbUser"], "IAM:adam");
    let with_iam = ["redshift", "get-cluster-credentials-with-iam", "--cluster-identifier", "legacy"];
    let login = cli(&aws, &base, &with_iam).await.unwrap();
    assert_eq!(login["DbUser"], "IAM:proxy");
    assert!(login["NextRefreshTime"].is_string(), "{login}");

    let short = cli(&aws, &base, &[&get[..], &["--duration-seconds", "899"]].concat())
        .await
        .unwrap_err();
    assert!(short.contains("(InvalidParameterValue)"), "{short}");
    let none = ["redshift", "describe-clusters", "--cluster-identifier", "none"];
    let none = cli(&aws, &base, &none).await.unwrap_err();
    assert!(none.contains("(ClusterNotFound)"), "{none}");
}

#[tokio::test]
async fn a_sandbox_s_clusters_lead_to_its_warehouse() {
    let cluster = Cluster { callers: vec![USER.to_owned()], ..Cluster::default() };
    let clusters = [("legacy".to_owned(), cluster)].into();
    let options = AwsOptions { clusters, ..AwsOptions::default() };
    let sandbox = Sandbox::start(options, WarehouseOptions::default())
        .await
        .unwrap();
    let base = Keys::base();
    let described = cli(&sandbox.aws, &base, &["redshift", "describe-clusters"])
        .await
        .unwrap();
    assert_eq!(described["Clusters"][0]["Endpoint"]["Port"], sandbox.warehouse.address().port());

    let get = ["redshift", "get-cluster-credentials", "--cluster-identifier", "legacy", "--db-user", "eve"];
    let login = cli(&sandbox.aws, &base, &[&get[..], &["--auto-create"]].concat())
        .await
        .unwrap();
    let (user, password) = (login["DbUser"].as_str().unwrap(), login["DbPassword"].as_str().unwrap());
    assert_eq!(user, "IAMA:eve");
    let trust = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(trust.path(), sandbox.ca.pem()).unwrap();
    let port = sandbox.warehouse.address().port();
    let mut psql = tokio::process::Command::new("psql");
    psql.env("PGHOST", "localhost")
        .env("PGPORT", port.to_string())
        .env("PGDATABASE", "dev")
        .env("PGUSER", user);
    psql.env("PGPASSWORD", password)
        .env("PGSSLMODE", "verify-full")
        .env("PGSSLROOTCERT", trust.path());
    let output = psql
        .args(["-XAtq", "-c", "select session_user"])
        .output()
        .await
        .unwrap();
    assert_eq!(support::text(&output.stdout), "eve", "{}", support::text(&output.stderr));
}

#[tokio::test]
async fn secrets_are_told_as_text_and_as_bytes() {
    let (aws, _) = start().await;
    let base = Keys::base();
    let get = ["secretsmanager", "get-secret-value", "--secret-id", "s"];
    let missing = cli(&aws, &base, &get).await.unwrap_err();
    assert!(missing.contains("(ResourceNotFoundException)"), "{missing}");
    assert!(missing.contains("Secrets Manager can't find the specified secret."), "{missing}");
    aws.put_secret("s", SecretValue::Text("plain".to_owned()));
    assert_eq!(cli(&aws, &base, &get).await.unwrap()["SecretString"], "plain");
    aws.put_secret("s", SecretValue::Binary(b"\x00\xff".to_vec()));
    assert_eq!(cli(&aws, &base, &get).await.unwrap()["SecretBinary"], "AP8=");
}

#[tokio::test]
async fn items_are_got_and_a_scan_goes_through_all_pages() {
    let (aws, _) = start().await;
    let base = Keys::base();
    let table = "lava.test.connections";
    let get =
        ["dynamodb", "get-item", "--table-name", table, "--consistent-read", "--key", r#"{"conn_id":{"S":"c2"}}"#];
    let missing = cli(&aws, &base, &get).await.unwrap_err();
    assert!(missing.contains("(ResourceNotFoundException)"), "{missing}");
    aws.put_table(table);
    for at in 0..5 {
        aws.put_item(table, json!({ "conn_id": { "S": format!("c{at}") }, "enabled": { "BOOL": true } }));
    }
    let item = cli(&aws, &base, &get).await.unwrap();
    assert_eq!(item["Item"], json!({ "conn_id": { "S": "c2" }, "enabled": { "BOOL": true } }));
    aws.set_page_size(table, Some(2));
    let all = cli(&aws, &base, &["dynamodb", "scan", "--table-name", table])
        .await
        .unwrap();
    assert_eq!((&all["Count"], all["Items"].as_array().unwrap().len()), (&json!(5), 5));
    assert_eq!(aws.calls("Scan"), 3);
}

#[tokio::test]
async fn a_web_identity_becomes_a_role_and_that_another() {
    let (aws, _) = start().await;
    let other = "arn:aws:iam::123456789012:role/other";
    aws.put_role(ROLE, RoleRule { web_subjects: vec!["pod".to_owned()], ..RoleRule::default() });
    aws.put_role(other, RoleRule { callers: Some(vec![ROLE.to_owned()]), tag_session: true, ..RoleRule::default() });
    let expires_at = SystemTime::now() + Duration::from_secs(600);
    aws.put_web_identity("header.payload.signature", WebIdentity { subject: "pod".to_owned(), expires_at });
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "header.payload.signature").unwrap();
    // The CLI keeps such sessions in a file, which the next run must not find.
    let home = tempfile::TempDir::new().unwrap();
    // Its own chain asks STS at the endpoint of the environment.
    let url = aws.url();
    let variables = [
        ("HOME", home.path().to_str().unwrap()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.path().to_str().unwrap()),
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_ROLE_SESSION_NAME", "web-session"),
        ("AWS_ENDPOINT_URL", &url),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let identity = cli_with(&aws, &variables, &["sts", "get-caller-identity"])
        .await
        .unwrap();
    assert_eq!(identity["Arn"], "arn:aws:sts::123456789012:assumed-role/base/web-session");
    let assume = ["sts", "assume-role", "--role-arn", other, "--role-session-name", "alice"];
    let tags = ["--tags", "Key=RedshiftDbRoles,Value=a:b"];
    cli_with(&aws, &variables, &[&assume[..], &tags].concat())
        .await
        .unwrap();
    let long = cli_with(&aws, &variables, &[&assume[..], &["--duration-seconds", "3601"]].concat())
        .await
        .unwrap_err();
    assert!(long.contains("1 hour session limit"), "{long}");
}

#[tokio::test]
async fn the_chain_finds_a_pod_s_and_an_instance_s_credentials() {
    let (aws, _) = start().await;
    let pod = aws.pod_identity(ROLE, "pod-token").await.unwrap();
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "pod-token").unwrap();
    let url = pod.url();
    let variables = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.path().to_str().unwrap()),
    ];
    let identity = cli_with(&aws, &variables, &["sts", "get-caller-identity"])
        .await
        .unwrap();
    assert_eq!((identity["Arn"].as_str(), pod.granted()), (Some(pod.caller().as_str()), 1));
    assert_eq!(aws.journal()[0].caller_tags["eks-cluster-name"], "sandbox");

    let imds = aws.instance_metadata(ROLE).await.unwrap();
    let url = imds.url();
    let identity =
        cli_with(&aws, &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)], &["sts", "get-caller-identity"]).await;
    assert_eq!(identity.unwrap()["Arn"], imds.caller());
    assert_eq!((imds.granted(), imds.refused()), (1, 0));
}
