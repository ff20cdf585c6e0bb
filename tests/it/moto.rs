//! moto as this rig starts it, with the AWS CLI as its client, and with the proxy.

use crate::support;
use crate::support::moto::{Moto, REGION};
use crate::support::seeds::{NOT_AVAILABLE, NOT_NOW, Run, Seed, UNREACHABLE, foreign_role, role};
use serde_json::json;

#[tokio::test]
async fn values_put_are_read_back_by_the_aws_cli() {
    let moto = Moto::start().await;
    let value = "s3cret & more";
    moto.put_parameter("/lava/test/password", value).await;
    let get = ["ssm", "get-parameter", "--name", "/lava/test/password", "--with-decryption"];
    let answer = moto.cli(&get).await.unwrap();
    assert_eq!((&answer["Parameter"]["Type"], &answer["Parameter"]["Value"]), (&json!("SecureString"), &json!(value)));

    let arn = moto
        .put_secret("lava/test", r#"{"username":"u","password":"p"}"#)
        .await;
    let answer = moto
        .cli(&["secretsmanager", "get-secret-value", "--secret-id", "lava/test"])
        .await
        .unwrap();
    assert_eq!((&answer["ARN"], &answer["SecretString"]), (&json!(arn), &json!(r#"{"username":"u","password":"p"}"#)));
}

#[tokio::test]
async fn items_and_clusters_are_there_for_its_clients() {
    let moto = Moto::start().await;
    let (table, item) = ("lava.test.connections", json!({ "conn_id": { "S": "sales" }, "port": { "N": "5439" } }));
    moto.put_table(table).await;
    moto.put_item(table, &item).await;
    moto.put_item(table, &json!({ "conn_id": { "S": "gone" } }))
        .await;
    moto.delete_item(table, "gone").await;
    let answer = moto
        .cli(&["dynamodb", "scan", "--table-name", table])
        .await
        .unwrap();
    assert_eq!(answer["Items"], json!([item]));

    moto.put_cluster("examplecluster").await;
    let get = ["redshift", "get-cluster-credentials", "--cluster-identifier", "examplecluster", "--db-user", "adam"];
    assert_eq!(moto.cli(&get).await.unwrap()["DbUser"], "IAM:adam");
}

/// A connection to a cluster of moto's. Its host leads nowhere: what was called for is seen in the
/// log.
const CLUSTER: &str = "type = \"redshift\"\ncluster_id = \"dw1\"\nhost = \"dw1.invalid\"\ndatabase = \"dev\"\n";

/// A connection to the sandbox's warehouse, by a stored password.
const STORED: &str =
    "type = \"redshift\"\nhost = \"localhost\"\nport = {port}\ndatabase = \"dev\"\nuser = \"report\"\n";

async fn seed(moto: &Moto, keys: &str) -> Seed {
    moto.put_cluster("dw1").await;
    Seed::with_aws(&format!("[connections.c]\n{keys}"), Some(moto.url())).await
}

/// A login that would be dialled for `user`, and the requests that this took.
async fn assert_minted(moto: &Moto, run: Run, user: &str, requests: usize) {
    let before = moto.requests();
    let (code, cause) = run.refused("c").await;
    assert_eq!(code, UNREACHABLE, "{cause}\n{}", moto.log());
    assert_eq!(run.last_refusal("c")["db_user"], user);
    support::until("moto's log", || moto.requests() - before, |made| *made >= requests).await;
    assert_eq!(moto.requests() - before, requests, "{}", moto.log());
    assert_eq!(run.calls(), [""; 0], "nothing went to the sandbox");
}

#[tokio::test]
async fn a_cluster_user_that_is_there() {
    let moto = Moto::start().await;
    let run = seed(&moto, &format!("{CLUSTER}user = \"etl\"\n"))
        .await
        .run()
        .await;
    assert_minted(&moto, run, "IAM:etl", 1).await;
}

#[tokio::test]
async fn a_cluster_user_that_is_made() {
    let moto = Moto::start().await;
    let run = seed(&moto, &format!("{CLUSTER}user = \"adam\"\nauto_create = true\n"))
        .await
        .run()
        .await;
    assert_minted(&moto, run, "IAMA:adam", 1).await;
}

#[tokio::test]
async fn a_role_with_external_id_and_tags_and_a_second_one() {
    let moto = Moto::start().await;
    moto.put_parameter("/id", "id-1").await;
    let (hub, inner) = (foreign_role("hub"), role("inner"));
    let keys = format!(
        "{CLUSTER}user = \"etl\"\ntags = {{ team = \"bi\" }}\n\
         role_arn = [\"{hub}\", {{ role_arn = \"{inner}\", external_id = \"/id\" }}]\n"
    );
    let run = seed(&moto, &keys).await.run().await;
    // GetParameter, GetCallerIdentity, AssumeRole twice, GetClusterCredentials.
    assert_minted(&moto, run, "IAM:etl", 5).await;
}

#[tokio::test]
async fn a_web_identity() {
    let moto = Moto::start().await;
    let keys =
        format!("{CLUSTER}user = \"etl\"\nrole_arn = \"{}\"\nweb_identity_token_file = \"token\"\n", role("web"));
    let run = seed(&moto, &keys)
        .await
        .file("token", "a.web.token")
        .run()
        .await;
    assert_minted(&moto, run, "IAM:etl", 2).await;
}

#[tokio::test]
async fn the_host_from_describe_clusters_is_dialled() {
    let moto = Moto::start().await;
    let keys = CLUSTER.replace("host = \"dw1.invalid\"\n", "user = \"etl\"\n");
    let run = seed(&moto, &keys).await.run().await;
    let (code, cause) = run.refused("c").await;
    assert_eq!(code, UNREACHABLE, "{cause}");
    let described = moto
        .cli(&["redshift", "describe-clusters", "--cluster-identifier", "dw1"])
        .await
        .unwrap();
    let host = described["Clusters"][0]["Endpoint"]["Address"]
        .as_str()
        .unwrap();
    assert!(host.contains(REGION) && cause.contains(&format!("cannot resolve {host}")), "{cause}");
}

#[tokio::test]
async fn a_cluster_that_is_not_there() {
    let moto = Moto::start().await;
    let run = seed(&moto, &format!("{}user = \"etl\"\n", CLUSTER.replace("\"dw1\"", "\"dw9\"")))
        .await
        .run()
        .await;
    let (code, cause) = run.refused("c").await;
    assert_eq!(code, NOT_AVAILABLE);
    assert!(cause.contains("GetClusterCredentials dw9 in ap-southeast-2 was refused (ClusterNotFound"), "{cause}");
}

#[tokio::test]
async fn a_stored_password_logs_in() {
    let moto = Moto::start().await;
    let seed = seed(&moto, &format!("{STORED}password = \"/pw\"\n")).await;
    moto.put_parameter("/pw", &seed.database_password("report").await)
        .await;
    assert_eq!(seed.run().await.user("c").await, "report");
}

#[tokio::test]
async fn a_plain_parameter_is_no_password() {
    let moto = Moto::start().await;
    let seed = seed(&moto, &format!("{STORED}password = \"/pw\"\n")).await;
    moto.put_parameter_of("String", "/pw", &seed.database_password("report").await)
        .await;
    let run = seed.run().await;
    let (code, cause) = run.refused("c").await;
    assert_eq!(code, NOT_AVAILABLE);
    let why = "GetParameter /pw: the parameter is a plain String: a password has to be a SecureString";
    assert!(cause.ends_with(why), "{cause}");
}

#[tokio::test]
async fn a_secret_with_place_and_password_logs_in() {
    let moto = Moto::start().await;
    let seed = seed(&moto, "type = \"redshift\"\nsecret_id = \"place\"\n").await;
    let port = seed.world.sandbox.warehouse.address().port();
    let secret = json!({
        "username": "report",
        "password": seed.database_password("report").await,
        "host": "localhost",
        "port": port.to_string(),
        "dbname": "dev",
        "engine": "redshift",
    });
    moto.put_secret("place", &secret.to_string()).await;
    assert_eq!(seed.run().await.user("c").await, "report");
}

#[tokio::test]
async fn a_call_that_moto_breaks_at_is_tried_three_times() {
    let moto = Moto::start().await;
    let run = seed(&moto, CLUSTER).await.run().await;
    let before = moto.requests();
    let (code, cause) = run.refused("c").await;
    assert_eq!(code, NOT_NOW, "{cause}");
    assert!(cause.contains("GetClusterCredentialsWithIAM dw1 in ap-southeast-2 failed"), "{cause}");
    support::until("moto's log", || moto.requests() - before, |made| *made >= 3).await;
    assert_eq!(moto.requests() - before, 3, "{}", moto.log());
}

#[tokio::test]
async fn connections_out_of_a_table() {
    let moto = Moto::start().await;
    let table = "lava.test.connections";
    let config = format!(
        "[specs]\ndynamodb_table = \"{table}\"\nconn_ids = [\"bi-*\"]\nroles = []\nbase_identity = true\nhosts = [\"localhost\"]\n\
         parameter_prefix = \"/lava/test/\"\n"
    );
    let seed = Seed::with_aws(&config, Some(moto.url())).await;
    let port = seed.world.sandbox.warehouse.address().port();
    let item = |conn_id: &str, enabled: Option<bool>| {
        let mut item = json!({
            "conn_id": { "S": conn_id }, "type": { "S": "redshift" }, "host": { "S": "localhost" },
            "port": { "N": port.to_string() }, "database": { "S": "dev" }, "user": { "S": "report" },
            "password": { "S": "/lava/test/pw" },
        });
        if let Some(enabled) = enabled {
            item["enabled"] = json!({ "BOOL": enabled });
        }
        item
    };
    moto.put_table(table).await;
    moto.put_parameter("/lava/test/pw", &seed.database_password("report").await)
        .await;
    moto.put_item(table, &item("bi-on", Some(true))).await;
    moto.put_item(table, &item("bi-off", None)).await;

    let mut import = tokio::process::Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"));
    import
        .args(["import-lava", "--table", table])
        .current_dir(seed.world.dir.path());
    let imported = import.envs(moto.environment()).output().await.unwrap();
    let toml = String::from_utf8(imported.stdout).unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    assert_eq!(toml.matches("[connections.bi-").count(), 2, "{toml}");
    assert!(toml.contains("enabled = true") && toml.contains("enabled = false"), "{toml}");

    let run = seed.run().await;
    assert_eq!(run.user("bi-on").await, "report");
    assert_eq!(run.refused("bi-off").await.0, "57P03");
    let stream = support::raw::tls(run.proxy.port, run.world.sandbox.ca.pem()).await;
    let missing = support::login_over(stream, support::USER, support::PASSWORD, "bi-missing").await;
    assert_eq!(missing.unwrap_err().code().unwrap().code(), "3D000");
}
