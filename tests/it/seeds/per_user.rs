//! `identity = "per-user"`: whose session it is at AWS, and which database user.

use redshift_sandbox::aws::RoleRule;

use crate::support::seeds::{PROXY_USER, Run, Seed, load_faults, role};
use crate::support::{USER, verifier};

fn user(name: &str, more: &str) -> String {
    format!("[users.\"{name}\"]\npassword = \"{}\"\nconnections = [\"mart\"]\n{more}", verifier())
}

async fn serverless(users: &[String]) -> Run {
    let role = role("mart");
    let config = format!(
        "[connections.mart]\ntype = \"redshift-serverless\"\nworkgroup = \"mart\"\nhost = \"localhost\"\nport = {{port}}\n\
         database = \"dev\"\nrole_arn = \"{role}\"\nidentity = \"per-user\"\nshared_user_roles = true\n\
         tags = {{ team = \"bi\" }}\n{}",
        users.concat()
    );
    let seed = Seed::new(&config)
        .await
        .role(&role, RoleRule { tag_session: true, ..RoleRule::default() });
    seed.workgroup("mart", &[&role]).run().await
}

fn assumed(session: &str, db_roles: &str) -> String {
    let (roles, at) = if db_roles.is_empty() {
        (String::new(), 1)
    } else {
        (format!("Tags.member.1.Key=RedshiftDbRoles,Tags.member.1.Value={db_roles},"), 2)
    };
    format!(
        "AssumeRole{{DurationSeconds=900,RoleArn=role/mart,RoleSessionName={session},{roles}\
         Tags.member.{at}.Key=team,Tags.member.{at}.Value=bi}} by user/proxy"
    )
}

fn minted(session: &str, tags: &str) -> String {
    format!(
        "GetCredentials{{dbName=dev,durationSeconds=900,workgroupName=mart}} by assumed-role/mart/{session} [{tags}]"
    )
}

#[tokio::test]
async fn two_users_over_one_role_are_two_sessions_with_their_database_roles() {
    let users = [user("ann", "db_roles = [\"analyst\", \"auditor\"]\n"), user("bob", "db_roles = [\"loader\"]\n")];
    let run = serverless(&users).await;
    for name in ["ann", "bob", "ann", "bob"] {
        assert_eq!(run.user_as(name, "mart").await, "IAMR:mart");
    }
    run.assert_calls(&[
        &assumed("ann", "analyst:auditor"),
        &minted("ann", "RedshiftDbRoles=analyst:auditor,team=bi"),
        &assumed("bob", "loader"),
        &minted("bob", "RedshiftDbRoles=loader,team=bi"),
    ]);
}

#[tokio::test]
async fn a_user_without_database_roles_has_a_session_of_its_own_all_the_same() {
    let run = serverless(&[user("cy", "")]).await;
    assert_eq!(run.user_as("cy", "mart").await, "IAMR:mart");
    run.assert_calls(&[&assumed("cy", ""), &minted("cy", "team=bi")]);
}

#[tokio::test]
async fn a_conn_id_behind_a_users_name_is_no_part_of_its_session() {
    let run = serverless(&[user("ann", "")]).await;
    for (name, database) in [("ann~mart", "dev"), ("ann", "mart")] {
        assert_eq!(run.user_as(name, database).await, "IAMR:mart");
    }
    run.assert_calls(&[&assumed("ann", ""), &minted("ann", "team=bi")]);
}

#[tokio::test]
async fn names_that_are_cleaned_alike_stay_distinct() {
    let run = serverless(&[user("ann lee", ""), user("ann/lee", ""), user("ann.lee", "")]).await;
    let names = ["ann lee", "ann/lee", "ann.lee"];
    for name in names {
        assert_eq!(run.user_as(name, "mart").await, "IAMR:mart");
    }
    let asked = run.aws().requests("AssumeRole");
    let sessions: Vec<_> = asked
        .iter()
        .map(|request| &*request.parameters["RoleSessionName"])
        .collect();
    assert_eq!((sessions.len(), sessions[0], sessions[2]), (3, "ann.lee-e4959174", "ann.lee"));
    assert!(sessions[1].starts_with("ann.lee-") && sessions[1] != sessions[0], "{sessions:?}");
}

async fn provisioned(users: &[String]) -> Run {
    let config = "[connections.mart]\ntype = \"redshift\"\ncluster_id = \"dw1\"\nhost = \"localhost\"\nport = {port}\n\
                  database = \"dev\"\nidentity = \"per-user\"\n";
    let seed = Seed::new(&(config.to_owned() + &users.concat())).await;
    seed.cluster("dw1", &[PROXY_USER], &["ann", "robert", USER])
        .run()
        .await
}

fn asked(user: &str) -> String {
    format!(
        "GetClusterCredentials{{AutoCreate=false,ClusterIdentifier=dw1,DbName=dev,DbUser={user},DurationSeconds=900}} \
         by user/proxy"
    )
}

#[tokio::test]
async fn on_a_cluster_each_user_is_its_own_database_user() {
    let run = provisioned(&[user("ann", ""), user("bob", "db_user = \"robert\"\n")]).await;
    for (name, want) in [("ann", "ann"), ("bob", "robert"), ("ann", "ann"), ("bob", "robert"), (USER, USER)] {
        assert_eq!(run.user_as(name, "mart").await, want);
    }
    run.assert_calls(&[&asked("ann"), &asked("robert"), &asked(USER)]);
}

#[tokio::test]
async fn two_users_with_one_database_user_share_no_login() {
    let run = provisioned(&[user("ann", ""), user("bob", "db_user = \"ann\"\n")]).await;
    assert_eq!((&*run.user_as("ann", "mart").await, &*run.user_as("bob", "mart").await), ("ann", "ann"));
    run.assert_calls(&[&asked("ann"), &asked("ann")]);
}

#[test]
fn a_denied_database_user_is_no_configuration() {
    let text = format!(
        "[connections.mart]\ntype = \"redshift\"\ncluster_id = \"dw1\"\nhost = \"localhost\"\ndatabase = \"dev\"\n\
         identity = \"per-user\"\n{}",
        user("bob", "db_user = \"awsuser\"\n")
    );
    let faults = load_faults(&text);
    assert!(faults.len() == 1 && faults[0].contains("deny_db_users"), "{faults:?}");
}
