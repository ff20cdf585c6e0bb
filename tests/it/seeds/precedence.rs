//! Whose password it is (docs/protocol/connection-spec.md 3): the spec's, else the secret's, else
//! IAM's. Field by field.

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
    seed(&format!("[connections.c]\n{kind}{place}{keys}"), secret)
        .await
        .run()
        .await
}

async fn seed(config: &str, secret: &str) -> Seed {
    let seed = Seed::new(config).await;
    let (ours, theirs) = (seed.database_password("specs").await, seed.database_password("stored").await);
    let seed = seed
        .workgroup("finance", &[PROXY_USER])
        .cluster("dw1", &[PROXY_USER], &["etl", "stored"]);
    seed.parameter("/pw", &ours)
        .secret("login", &secret.replace("PLAIN", &theirs))
}

const PASSWORD_AND_SECRET: &str = "user = \"specs\"\npassword = \"/pw\"\nsecret_id = \"login\"\n";
const PLACE: &str = "host = \"localhost\"\nport = {port}\ndatabase = \"dev\"\n";
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
    let run = seed(config, r#"{"username": "specs", "password": "another's"}"#)
        .await
        .run()
        .await;
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
async fn a_stored_password_loses_one_newline_as_users_do() {
    let config = format!("[connections.c]\n{SERVERLESS}{PLACE}user = \"specs\"\npassword = \"/pw\"\n");
    let seed = Seed::new(&config).await;
    let password = seed.database_password("specs").await;
    let run = seed
        .workgroup("finance", &[PROXY_USER])
        .parameter("/pw", &format!("{password}\n"))
        .run()
        .await;
    assert_eq!(run.user("c").await, "specs");
}

#[tokio::test]
async fn a_hash_in_place_of_a_warehouse_password_is_named() {
    let config = [0, 1, 2, 3]
        .map(|n| format!("[connections.c{n}]\n{SERVERLESS}{PLACE}user = \"specs\"\npassword = \"/pw{n}\"\n"));
    let mut seed = Seed::new(&config.concat())
        .await
        .workgroup("finance", &[PROXY_USER]);
    let texts = [
        ("md5b3f0c1d2e4a5968778695a4b3c2d1e0f", "a hash: the warehouse wants the password itself"),
        ("SCRAM-SHA-2564096:c2FsdA==", "a SCRAM verifier or a part of one"),
        ("{\"username\":\"u\",\"password\":\"p\"}", "a JSON object: secret_id reads those"),
        (" p", "a byte order mark, blanks or more lines than one"),
    ];
    for (n, (text, _)) in texts.iter().enumerate() {
        seed = seed.parameter(&format!("/pw{n}"), text);
    }
    let run = seed.run().await;
    for (n, (text, want)) in texts.iter().enumerate() {
        let (code, cause) = run.refused(&format!("c{n}")).await;
        assert_eq!(code, NOT_AVAILABLE);
        assert!(cause.contains(want), "{text}: {cause}");
    }
}

/// The admin secrets that Redshift makes by itself (`redshift!…`) hold a user and a password alone.
#[tokio::test]
async fn the_missing_field_of_a_secret_is_named() {
    let endpoint = r#"{"username": "stored", "password": "PLAIN", "endpoint": "dw.example.com", "port": "5439"}"#;
    for (fields, secret, want) in [
        ("host = \"localhost\"\n", WITH_PASSWORD, "there is no database: the secret login has no dbname"),
        ("database = \"dev\"\n", WITH_PASSWORD, "nothing to look it up by: the secret login has no host: set host or"),
        ("database = \"dev\"\n", endpoint, "the secret login has no host, but an endpoint"),
        (
            "host = \"localhost\"\ndatabase = \"dev\"\n",
            r#"{"password": "PLAIN"}"#,
            "there is a password but no user: the secret login has no username",
        ),
    ] {
        let config = format!("[connections.c]\ntype = \"redshift\"\nport = {{port}}\nsecret_id = \"login\"\n{fields}");
        let run = seed(&config, secret).await.run().await;
        let (code, cause) = run.refused("c").await;
        assert_eq!(code, NOT_AVAILABLE);
        assert!(cause.contains(want), "{fields}{secret}: {cause}");
    }
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
