//! A cluster and its many users (seed 001): one GetClusterCredentials for each DbUser, however many
//! connections.

use crate::support::seeds::{PROXY_USER, Run, Seed};

fn connection(id: &str, keys: &str) -> String {
    format!(
        "[connections.{id}]\ntype = \"redshift\"\ncluster_id = \"fleet1\"\nhost = \"localhost\"\nport = {{port}}\n\
         database = \"dev\"\n{keys}"
    )
}

fn call(user: &str, create: bool, groups: &str) -> String {
    format!(
        "GetClusterCredentials{{AutoCreate={create},ClusterIdentifier=fleet1,{groups}DbName=dev,DbUser={user},\
         DurationSeconds=900}} by user/proxy"
    )
}

async fn fleet(config: &[String]) -> Run {
    Seed::new(&config.concat())
        .await
        .cluster("fleet1", &[PROXY_USER], &["etl", "bi"])
        .run()
        .await
}

#[tokio::test]
async fn each_user_of_the_cluster_is_asked_for_once() {
    let run = fleet(&[
        connection("etl", "user = \"etl\"\n"),
        connection("bi", "user = \"bi\"\ndb_groups = [\"readers\"]\n"),
        connection("adhoc", "user = \"adhoc\"\nauto_create = true\ndb_groups = [\"readers\", \"sandbox\"]\n"),
    ])
    .await;
    for _ in 0..2 {
        for user in ["etl", "bi", "adhoc"] {
            assert_eq!(run.user(user).await, user);
        }
    }
    run.assert_calls(&[
        &call("etl", false, ""),
        &call("bi", false, "DbGroups.DbGroup.1=readers,"),
        &call("adhoc", true, "DbGroups.DbGroup.1=readers,DbGroups.DbGroup.2=sandbox,"),
    ]);
}

#[tokio::test]
async fn two_connections_with_the_same_user_share_its_login() {
    let run = fleet(&[connection("one", "user = \"etl\"\n"), connection("two", "user = \"etl\"\n")]).await;
    assert_eq!((&*run.user("one").await, &*run.user("two").await), ("etl", "etl"));
    run.assert_calls(&[&call("etl", false, "")]);
}

#[tokio::test]
async fn the_same_user_with_other_groups_is_another_login() {
    let run = fleet(&[
        connection("one", "user = \"etl\"\n"),
        connection("two", "user = \"etl\"\ndb_groups = [\"readers\"]\n"),
    ])
    .await;
    assert_eq!((&*run.user("one").await, &*run.user("two").await), ("etl", "etl"));
    run.assert_calls(&[&call("etl", false, ""), &call("etl", false, "DbGroups.DbGroup.1=readers,")]);
}
