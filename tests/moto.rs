//! moto as this rig starts it, with the AWS CLI as its client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that fails has done its work"
)]

mod support;

use serde_json::json;
use support::moto::Moto;

#[tokio::test]
async fn what_is_put_is_read_back_by_the_aws_cli() {
    let moto = Moto::start().await;
    let value = "s3cret & more";
    moto.put_parameter("/lava/test/password", value).await;
    let get = ["ssm", "get-parameter", "--name", "/lava/test/password", "--with-decryption"];
    let answer = moto.cli(&get).await.unwrap();
    assert_eq!((&answer["Parameter"]["Type"], &answer["Parameter"]["Value"]), (&json!("SecureString"), &json!(value)));

    let arn = moto.put_secret("lava/test", r#"{"username":"u","password":"p"}"#).await;
    let answer = moto.cli(&["secretsmanager", "get-secret-value", "--secret-id", "lava/test"]).await.unwrap();
    assert_eq!((&answer["ARN"], &answer["SecretString"]), (&json!(arn), &json!(r#"{"username":"u","password":"p"}"#)));
}

#[tokio::test]
async fn items_and_clusters_are_there_for_its_clients() {
    let moto = Moto::start().await;
    let (table, item) = ("lava.test.connections", json!({ "conn_id": { "S": "sales" }, "port": { "N": "5439" } }));
    moto.put_table(table).await;
    moto.put_item(table, &item).await;
    moto.put_item(table, &json!({ "conn_id": { "S": "gone" } })).await;
    moto.delete_item(table, "gone").await;
    let answer = moto.cli(&["dynamodb", "scan", "--table-name", table]).await.unwrap();
    assert_eq!(answer["Items"], json!([item]));

    moto.put_cluster("examplecluster").await;
    let get = ["redshift", "get-cluster-credentials", "--cluster-identifier", "examplecluster", "--db-user", "adam"];
    assert_eq!(moto.cli(&get).await.unwrap()["DbUser"], "IAM:adam");
}
