//! A vendor in its customer's account (seed 002): a role for a web identity, with static keys to
//! fall back on.

use std::time::Duration;

use redshift_sandbox::aws::{Cluster, RoleRule};

use crate::support::seeds::{self, NOT_AVAILABLE, PROXY_USER, Run, Seed, foreign_role, put_web_identity, role};
use crate::support::{Rig, Setup};

const PLACE: &str =
    "type = \"redshift\"\ncluster_id = \"dw1\"\nhost = \"localhost\"\nport = {port}\ndatabase = \"dev\"\n";

const TAKEN: &str = "AssumeRoleWithWebIdentity{DurationSeconds=900,RoleArn=arn:aws:iam::210987654321:role/vendor-sync,\
                     RoleSessionName=redshift-iam-proxy,WebIdentityToken=TOKEN} by nobody";

const MINTED: &str = "GetClusterCredentials{AutoCreate=false,ClusterIdentifier=dw1,DbName=dev,DbUser=vendor,\
                      DurationSeconds=900} by arn:aws:sts::210987654321:assumed-role/vendor-sync/redshift-iam-proxy";

fn trusting(subject: &str) -> RoleRule {
    RoleRule { web_subjects: vec![subject.to_owned()], ..RoleRule::default() }
}

fn customer(file: &str) -> String {
    let role = foreign_role("vendor-sync");
    format!(
        "[connections.customer]\n{PLACE}user = \"vendor\"\nrole_arn = \"{role}\"\nweb_identity_token_file = \"{file}\"\n"
    )
}

async fn run(config: &str, token: &str) -> Run {
    let vendor = foreign_role("vendor-sync");
    let seed = Seed::new(config)
        .await
        .file("token", token)
        .web_identity("token-1", "sync@vendor.example.com");
    let seed = seed.role(&vendor, trusting("sync@vendor.example.com"));
    seed.cluster("dw1", &[&vendor, PROXY_USER], &["vendor"])
        .run()
        .await
}

#[tokio::test]
async fn by_web_identity() {
    let run = run(&customer("token"), "token-1\n").await;
    assert_eq!(run.user("customer").await, "vendor");
    run.assert_calls(&[&TAKEN.replace("TOKEN", "token-1"), MINTED]);
    assert!(!run.proxy.log().contains("token-1"));
}

#[tokio::test]
async fn a_token_of_somebody_else_is_refused_and_not_printed() {
    let run = run(&customer("token"), "stolen-token").await;
    let (code, cause) = run.refused("customer").await;
    assert_eq!(code, NOT_AVAILABLE);
    assert!(cause.contains("AssumeRoleWithWebIdentity arn:aws:iam::210987654321:role/vendor-sync"), "{cause}");
    run.assert_calls(&[&TAKEN.replace("TOKEN", "stolen-token")]);
    assert!(!run.proxy.log().contains("stolen-token"));
}

#[tokio::test]
async fn without_the_token_file_nothing_is_called() {
    let run = run(&customer("none"), "token-1").await;
    let (code, cause) = run.refused("customer").await;
    assert_eq!(code, NOT_AVAILABLE);
    assert!(cause.contains("web_identity_token_file") && cause.contains("none"), "{cause}");
    run.assert_calls(&[]);
}

#[tokio::test]
async fn static_keys_without_a_role_are_the_fall_back() {
    let keys = format!("[connections.keys]\n{PLACE}user = \"vendor\"\n");
    let run = run(&(customer("none") + &keys), "token-1").await;
    run.refused("customer").await;
    assert_eq!(run.user("keys").await, "vendor");
    run.assert_calls(&[
        "GetClusterCredentials{AutoCreate=false,ClusterIdentifier=dw1,DbName=dev,DbUser=vendor,DurationSeconds=900} \
         by user/proxy",
    ]);
}

#[tokio::test]
async fn a_token_that_rotates_is_read_again_for_the_next_session() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "token-1").unwrap();
    let rig = Rig::with(Setup { config: customer(file.to_str().unwrap()), ..Setup::default() }).await;
    let (aws, vendor) = (&rig.sandbox().aws, foreign_role("vendor-sync"));
    aws.put_role(&vendor, trusting("sync"));
    let cluster = Cluster { callers: vec![vendor], users: ["vendor".to_owned()].into(), ..Cluster::default() };
    aws.put_cluster("dw1", cluster);
    put_web_identity(rig.sandbox(), "token-1", "sync");
    put_web_identity(rig.sandbox(), "token-2", "sync");
    rig.connect("customer").await.unwrap();
    std::fs::write(&file, "token-2").unwrap();
    rig.connect("customer").await.unwrap();
    let first = [TAKEN.replace("TOKEN", "token-1"), MINTED.to_owned()];
    assert_eq!(seeds::calls(aws), first, "the login is kept, and the token is not looked at");
    rig.advance(Duration::from_secs(901));
    rig.connect("customer").await.unwrap();
    let second = [TAKEN.replace("TOKEN", "token-2"), MINTED.to_owned()];
    assert_eq!(seeds::calls(aws), [first, second].concat());
}

#[tokio::test]
async fn a_second_role_is_assumed_with_external_id_and_tags() {
    let (entry, inner) = (foreign_role("vendor-sync"), role("inner"));
    let config = format!(
        "[connections.customer]\n{PLACE}role_arn = [\"{entry}\", {{ role_arn = \"{inner}\", external_id = \"/id\" }}]\n\
         web_identity_token_file = \"token\"\ntags = {{ team = \"bi\" }}\n"
    );
    let rule = RoleRule {
        external_id: Some("id-1".into()),
        callers: Some(vec![entry.clone()]),
        tag_session: true,
        ..RoleRule::default()
    };
    let seed = Seed::new(&config)
        .await
        .file("token", "token-1")
        .web_identity("token-1", "sync")
        .parameter("/id", "id-1");
    let seed = seed
        .role(&entry, trusting("sync"))
        .role(&inner, rule)
        .cluster("dw1", &[&inner], &[]);
    let run = seed.run().await;
    assert_eq!(run.user("customer").await, "IAMR:inner");
    run.assert_calls(&[
        "GetParameter{Name=/id,WithDecryption=true} by user/proxy",
        &TAKEN.replace("TOKEN", "token-1"),
        "AssumeRole{DurationSeconds=900,ExternalId=id-1,RoleArn=role/inner,RoleSessionName=redshift-iam-proxy,\
         Tags.member.1.Key=team,Tags.member.1.Value=bi} \
         by arn:aws:sts::210987654321:assumed-role/vendor-sync/redshift-iam-proxy",
        "GetClusterCredentialsWithIAM{ClusterIdentifier=dw1,DbName=dev,DurationSeconds=900} \
         by assumed-role/inner/redshift-iam-proxy [team=bi]",
    ]);
}
