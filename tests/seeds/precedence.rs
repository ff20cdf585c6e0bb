//! Whose password it is (connection-spec.md 3): the spec's, else the secret's, else IAM's. Field by field.

use crate::support::seeds::{NOT_AVAILABLE, PROXY_USER, Run, Seed};

const SERVERLESS: &str = "type = \"redshift-serverless\"\nworkgroup = \"finance\"\n";
const CLUSTER: &str = "type = \"redshift\"\ncluster_id = \"dw1\"\n";

const READ_PARAMETER: &str = "GetParameter{Name=/pw,WithDecryption=true} by user/proxy";
const READ_SECRET: &str = "GetSecretValue{SecretId=login} by user/proxy";
const BY_IAM: &str = "GetCredentials{dbName=dev,durationSeconds=900,workgroupName=finance} by user/proxy";

fn by_cluster(user: &str) -> String {
    format!(
        "GetClusterCredentials{{AutoCreate=false,ClusterIdentifier=dw1,DbName=dev,DbUser={user},DurationSeconds=900}} \
         by user/proxy"
    )
}

/// `PLAIN` in a secret's text is a password of the database user `stored`.
async fn run(kind: &str, keys: &str, secret: &str) -> Run {
    let place = "host = \"localhost\"\nport = {port}\ndatabase = \"dev\"\n";
    seed(&format!("[connections.c]\n{kind}{place}{keys}"), secret).await.run().await
}

async fn seed(config: &str, secret: &str) -> Seed {
    let seed = Seed::new(config).await;
    let (ours, theirs) = (seed.database_password("specs").await, seed.database_password("stored").await);
    let seed = seed.workgroup("finance", &[PROXY_USER]).cluster("dw1", &[PROXY_USER], &["etl", "stored"]);
    seed.parameter("/pw", &ours).secret("login", &secret.replace("PLAIN", &theirs))
}

const PASSWORD_AND_SECRET: &str = "user = \"specs\"\npassword = \"/pw\"\nsecret_id = \"login\"\n";
const WITH_PASSWORD: &str = r#"{"username": "stored", "password": "PLAIN"}"#;
const WITHOUT_PASSWORD: &str = r#"{"username": "stored"}"#;

#[tokio::test]
async fn serverless_the_specs_password_wins_over_the_secrets() {
    let run = run(SERVERLESS, PASSWORD_AND_SECRET, WITH_PASSWORD).await;
    assert_eq!(run.user("c").await, "specs");
    run.assert_calls(&[READ_PARAMETER, READ_SECRET]);
}

#[tokio::test]
async fn serverless_the_secrets_password_wins_over_iam() {
    let run = run(SERVERLESS, "secret_id = \"login\"\n", WITH_PASSWORD).await;
    assert_eq!(run.user("c").await, "stored");
    run.assert_calls(&[READ_SECRET]);
}

#[tokio::test]
async fn serverless_without_any_password_it_is_iam_and_no_user_of_ours_counts() {
    let run = run(SERVERLESS, "secret_id = \"login\"\n", WITHOUT_PASSWORD).await;
    assert_eq!(run.user("c").await, "IAM:proxy");
    run.assert_calls(&[READ_SECRET, BY_IAM]);
}

#[tokio::test]
async fn provisioned_the_specs_password_wins_over_the_secrets() {
    let run = run(CLUSTER, PASSWORD_AND_SECRET, WITH_PASSWORD).await;
    assert_eq!(run.user("c").await, "specs");
    run.assert_calls(&[READ_PARAMETER, READ_SECRET]);
}

#[tokio::test]
async fn provisioned_the_secrets_password_wins_over_iam() {
    let run = run(CLUSTER, "secret_id = \"login\"\n", WITH_PASSWORD).await;
    assert_eq!(run.user("c").await, "stored");
    run.assert_calls(&[READ_SECRET]);
}

#[tokio::test]
async fn provisioned_without_any_password_the_secrets_user_is_the_db_user() {
    let run = run(CLUSTER, "secret_id = \"login\"\n", WITHOUT_PASSWORD).await;
    assert_eq!(run.user("c").await, "stored");
    run.assert_calls(&[READ_SECRET, &by_cluster("stored")]);
}

#[tokio::test]
async fn provisioned_the_specs_user_is_the_db_user_before_the_secrets() {
    let run = run(CLUSTER, "secret_id = \"login\"\nuser = \"etl\"\n", WITHOUT_PASSWORD).await;
    assert_eq!(run.user("c").await, "etl");
    run.assert_calls(&[READ_SECRET, &by_cluster("etl")]);
}

#[tokio::test]
async fn the_specs_password_goes_with_the_secrets_user_where_the_spec_has_none() {
    let config = "[connections.c]\ntype = \"redshift\"\nhost = \"localhost\"\nport = {port}\ndatabase = \"dev\"\n\
                  password = \"/pw\"\nsecret_id = \"login\"\n";
    let run = seed(config, r#"{"username": "specs", "password": "another's"}"#).await.run().await;
    assert_eq!(run.user("c").await, "specs");
    run.assert_calls(&[READ_PARAMETER, READ_SECRET]);
}

#[tokio::test]
async fn a_secret_for_the_place_and_iam_for_the_login() {
    let place = r#"{"host": "localhost", "port": {port}, "dbname": "dev", "username": "etl"}"#;
    let config = format!("[connections.c]\n{CLUSTER}secret_id = \"login\"\n");
    let run = seed(&config, place).await.run().await;
    assert_eq!(run.user("c").await, "etl");
    run.assert_calls(&[READ_SECRET, &by_cluster("etl")]);
}

#[tokio::test]
async fn the_specs_place_wins_over_the_secrets() {
    let elsewhere = r#"{"host": "elsewhere.invalid", "port": 1, "dbname": "nowhere"}"#;
    let run = run(SERVERLESS, "secret_id = \"login\"\n", elsewhere).await;
    assert_eq!(run.user("c").await, "IAM:proxy");
    run.assert_calls(&[READ_SECRET, BY_IAM]);
}

#[tokio::test]
async fn the_secrets_cluster_is_a_description_and_no_cluster_id() {
    let place = r#"{"host": "localhost", "port": {port}, "dbname": "dev", "dbClusterIdentifier": "dw1"}"#;
    let config = "[connections.c]\ntype = \"redshift\"\nuser = \"etl\"\nsecret_id = \"login\"\n";
    let run = seed(config, place).await.run().await;
    let (code, cause) = run.refused("c").await;
    assert_eq!(code, NOT_AVAILABLE);
    assert!(cause.ends_with("the host is no Redshift name: cluster_id is needed"), "{cause}");
    run.assert_calls(&[READ_SECRET]);
}

#[tokio::test]
async fn a_secret_that_is_not_there_breaks_a_spec_that_needs_nothing_of_it() {
    let run = run(SERVERLESS, "secret_id = \"none\"\n", "{}").await;
    let (code, cause) = run.refused("c").await;
    assert_eq!(code, NOT_AVAILABLE);
    assert!(cause.contains("GetSecretValue none in ap-southeast-2 was refused (ResourceNotFoundException)"), "{cause}");
    run.assert_calls(&["GetSecretValue{SecretId=none} by user/proxy"]);
}

#[tokio::test]
async fn a_parameter_that_is_not_there_is_no_reason_to_ask_iam() {
    let run = run(SERVERLESS, "user = \"specs\"\npassword = \"/none\"\n", "{}").await;
    let (code, cause) = run.refused("c").await;
    assert_eq!(code, NOT_AVAILABLE);
    assert!(cause.contains("GetParameter /none in ap-southeast-2 was refused (ParameterNotFound)"), "{cause}");
    run.assert_calls(&["GetParameter{Name=/none,WithDecryption=true} by user/proxy"]);
}
