//! Provisioned clusters: as a named user, as the caller, and where the host is looked up.

use redshift_sandbox::aws::RoleRule;

use crate::support::seeds::{NOT_AVAILABLE, PROXY_USER, Run, Seed, role};

const PLACE: &str = "host = \"localhost\"\nport = {port}\n";

async fn run(keys: &str) -> Run {
    let config = format!("[connections.c]\ntype = \"redshift\"\ncluster_id = \"dw1\"\ndatabase = \"dev\"\n{keys}");
    let seed = Seed::new(&config)
        .await
        .role(&role("dw"), RoleRule::default());
    seed.cluster("dw1", &[PROXY_USER, &role("dw")], &["etl"])
        .run()
        .await
}

#[tokio::test]
async fn a_named_user_that_is_there() {
    let mut run = run(&format!("{PLACE}user = \"etl\"\n")).await;
    assert_eq!(run.user("c").await, "etl");
    run.assert_calls(&[
        "GetClusterCredentials{AutoCreate=false,ClusterIdentifier=dw1,DbName=dev,DbUser=etl,DurationSeconds=900} \
         by user/proxy",
    ]);
    run.proxy.wait_for_log("\"db_user\":\"IAM:etl\"").await;
}

#[tokio::test]
async fn a_named_user_that_is_not_there_is_refused_by_the_warehouse() {
    let run = run(&format!("{PLACE}user = \"nobody\"\n")).await;
    let (code, cause) = run.refused("c").await;
    assert_eq!(code, NOT_AVAILABLE, "{cause}");
    let call = "GetClusterCredentials{AutoCreate=false,ClusterIdentifier=dw1,DbName=dev,DbUser=nobody,\
                DurationSeconds=900} by user/proxy";
    run.assert_calls(&[call, call]);
}

#[tokio::test]
async fn a_named_user_that_is_made_with_groups() {
    let mut run =
        run(&format!("{PLACE}user = \"adam\"\nauto_create = true\ndb_groups = [\"readers\", \"sandbox\"]\n")).await;
    assert_eq!(run.user("c").await, "adam");
    run.assert_calls(&["GetClusterCredentials{AutoCreate=true,ClusterIdentifier=dw1,DbGroups.DbGroup.1=readers,\
         DbGroups.DbGroup.2=sandbox,DbName=dev,DbUser=adam,DurationSeconds=900} by user/proxy"]);
    run.proxy
        .wait_for_log("\"db_user\":\"IAMA:adam:readers:sandbox\"")
        .await;
}

#[tokio::test]
async fn a_named_user_with_a_group() {
    let mut run = run(&format!("{PLACE}user = \"etl\"\ndb_groups = [\"readers\"]\n")).await;
    assert_eq!(run.user("c").await, "etl");
    run.proxy
        .wait_for_log("\"db_user\":\"IAM:etl:readers\"")
        .await;
}

#[tokio::test]
async fn without_a_user_it_is_the_base_identity() {
    let run = run(PLACE).await;
    assert_eq!(run.user("c").await, "IAM:proxy");
    run.assert_calls(&[
        "GetClusterCredentialsWithIAM{ClusterIdentifier=dw1,DbName=dev,DurationSeconds=900} by user/proxy",
    ]);
}

#[tokio::test]
async fn without_a_user_and_with_a_role_it_is_the_role() {
    let run = run(&format!("{PLACE}role_arn = \"{}\"\n", role("dw"))).await;
    assert_eq!(run.user("c").await, "IAMR:dw");
    run.assert_calls(&[
        "GetCallerIdentity{} by user/proxy",
        "AssumeRole{DurationSeconds=900,RoleArn=role/dw,RoleSessionName=redshift-iam-proxy} by user/proxy",
        "GetClusterCredentialsWithIAM{ClusterIdentifier=dw1,DbName=dev,DurationSeconds=900} \
         by assumed-role/dw/redshift-iam-proxy",
    ]);
}

#[tokio::test]
async fn host_and_port_are_looked_up_under_the_role() {
    let run = run(&format!("user = \"etl\"\nrole_arn = \"{}\"\n", role("dw"))).await;
    assert_eq!(run.user("c").await, "etl");
    run.assert_calls(&[
        "GetCallerIdentity{} by user/proxy",
        "AssumeRole{DurationSeconds=900,RoleArn=role/dw,RoleSessionName=redshift-iam-proxy} by user/proxy",
        "DescribeClusters{ClusterIdentifier=dw1} by assumed-role/dw/redshift-iam-proxy",
        "GetClusterCredentials{AutoCreate=false,ClusterIdentifier=dw1,DbName=dev,DbUser=etl,DurationSeconds=900} \
         by assumed-role/dw/redshift-iam-proxy",
    ]);
}

#[tokio::test]
async fn a_port_alone_does_not_keep_the_host_from_being_looked_up() {
    let run = run("port = {port}\nuser = \"etl\"\n").await;
    assert_eq!(run.user("c").await, "etl");
    assert_eq!(run.calls()[0], "DescribeClusters{ClusterIdentifier=dw1} by user/proxy");
}

#[tokio::test]
async fn a_workgroup_is_looked_up_as_well() {
    let config = "[connections.c]\ntype = \"redshift-serverless\"\nworkgroup = \"finance\"\ndatabase = \"dev\"\n";
    let run = Seed::new(config)
        .await
        .workgroup("finance", &[PROXY_USER])
        .run()
        .await;
    assert_eq!(run.user("c").await, "IAM:proxy");
    run.assert_calls(&[
        "GetWorkgroup{workgroupName=finance} by user/proxy",
        "GetCredentials{dbName=dev,durationSeconds=900,workgroupName=finance} by user/proxy",
    ]);
    assert_eq!(run.user("c").await, "IAM:proxy");
    assert_eq!(run.calls().len(), 2, "both are kept");
}

#[tokio::test]
async fn the_cluster_is_the_first_label_of_the_host_in_lower_case() {
    let config = "[connections.c]\ntype = \"redshift\"\nuser = \"etl\"\ndatabase = \"dev\"\nport = 5439\n\
                  host = \"DW1.abc123xyz.ap-southeast-2.redshift.amazonaws.com\"\n";
    let run = Seed::new(config)
        .await
        .cluster("dw1", &[PROXY_USER], &["etl"])
        .run()
        .await;
    run.refused("c").await;
    run.assert_calls(&[
        "GetClusterCredentials{AutoCreate=false,ClusterIdentifier=dw1,DbName=dev,DbUser=etl,DurationSeconds=900} \
         by user/proxy",
    ]);
    assert_eq!(run.last_refusal("c")["db_user"], "IAM:etl");
}
