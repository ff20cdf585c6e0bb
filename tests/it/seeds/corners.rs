//! The corner cases that close docs/protocol/connection-spec.md.

use redshift_sandbox::aws::{RoleRule, SecretValue};

use crate::support::seeds::{NOT_AVAILABLE, PROXY_USER, Run, Seed, load_faults, role};

const KIND: &str = "type = \"redshift-serverless\"\n";
const GROUP: &str = "workgroup = \"finance\"\ndatabase = \"dev\"\n";
const HOST: &str = "host = \"localhost\"\n";
const CALL: &str = "GetCredentials{dbName=dev,durationSeconds=900,workgroupName=finance} by user/proxy";
const READ_SECRET: &str = "GetSecretValue{SecretId=place} by user/proxy";

async fn seed(keys: &str) -> Seed {
    Seed::new(&format!("[connections.c]\n{keys}"))
        .await
        .workgroup("finance", &[PROXY_USER])
}

async fn assert_logs_in(run: Run, calls: &[&str]) {
    assert_eq!(run.user("c").await, "IAM:proxy");
    run.assert_calls(calls);
}

#[tokio::test]
async fn enabled_missing_is_enabled() {
    assert_logs_in(
        seed(&format!("{KIND}{GROUP}{HOST}port = {{port}}\n"))
            .await
            .run()
            .await,
        &[CALL],
    )
    .await;
}

#[tokio::test]
async fn a_disabled_connection_causes_no_call() {
    let keys = format!("{KIND}{GROUP}{HOST}port = {{port}}\nenabled = false\nsecret_id = \"place\"\n");
    let run = seed(&keys).await.run().await;
    let (code, cause) = run.refused("c").await;
    assert_eq!((&*code, &*cause), ("57P03", "connection c is disabled"));
    run.assert_calls(&[]);
}

#[tokio::test]
async fn a_port_as_text() {
    assert_logs_in(
        seed(&format!("{KIND}{GROUP}{HOST}port = \"{{port}}\"\n"))
            .await
            .run()
            .await,
        &[CALL],
    )
    .await;
}

#[tokio::test]
async fn a_port_as_a_number_in_a_secret() {
    let seed = seed(&format!("{KIND}{GROUP}{HOST}secret_id = \"place\"\n")).await;
    assert_logs_in(seed.secret("place", r#"{"port": {port}}"#).run().await, &[READ_SECRET, CALL]).await;
}

#[tokio::test]
async fn a_port_as_text_in_a_secret() {
    let seed = seed(&format!("{KIND}{GROUP}{HOST}secret_id = \"place\"\n")).await;
    assert_logs_in(seed.secret("place", r#"{"port": "{port}"}"#).run().await, &[READ_SECRET, CALL]).await;
}

#[tokio::test]
async fn a_type_in_upper_case() {
    let keys = format!("type = \"REDSHIFT-Serverless\"\n{GROUP}{HOST}port = {{port}}\n");
    assert_logs_in(seed(&keys).await.run().await, &[CALL]).await;
}

#[tokio::test]
async fn a_user_on_a_serverless_spec_without_a_password_is_ignored() {
    let keys = format!("{KIND}{GROUP}{HOST}port = {{port}}\nuser = \"somebody\"\n");
    assert_logs_in(seed(&keys).await.run().await, &[CALL]).await;
}

#[tokio::test]
async fn keys_of_somebody_elses_are_ignored() {
    let keys = format!("{KIND}{GROUP}{HOST}port = {{port}}\nx-team = \"bi\"\nX-Cost = {{ centre = 7 }}\n");
    assert_logs_in(seed(&keys).await.run().await, &[CALL]).await;
}

#[tokio::test]
async fn an_external_id_without_a_role_is_not_fetched() {
    let keys = format!("{KIND}{GROUP}{HOST}port = {{port}}\nexternal_id = \"/none\"\n");
    let faults = load_faults(&format!("[connections.c]\n{}", keys.replace("{port}", "1")));
    assert_eq!(faults, [""; 0]);
    assert_logs_in(seed(&keys).await.run().await, &[CALL]).await;
}

async fn assert_unusable(secret: SecretValue, what: &str) {
    let seed = seed(&format!("{KIND}{GROUP}{HOST}port = {{port}}\nsecret_id = \"place\"\n")).await;
    seed.aws().put_secret("place", secret);
    let run = seed.run().await;
    let (code, cause) = run.refused("c").await;
    assert_eq!(code, NOT_AVAILABLE);
    assert!(cause.ends_with(&format!("GetSecretValue place: {what}")), "{cause}");
    run.refused("c").await;
    run.assert_calls(&[READ_SECRET]);
    assert!(!run.proxy.log().contains("hunter2"));
}

#[tokio::test]
async fn a_secret_that_is_no_json() {
    assert_unusable(SecretValue::Text("hunter2".into()), "the secret is not JSON").await;
}

#[tokio::test]
async fn a_secret_that_is_no_object() {
    assert_unusable(SecretValue::Text("[\"hunter2\"]".into()), "the secret is not a JSON object").await;
}

#[tokio::test]
async fn a_secret_that_is_binary() {
    assert_unusable(SecretValue::Binary(b"hunter2".to_vec()), "the secret is binary, not text").await;
}

#[tokio::test]
async fn a_role_session_is_named_lives_for_900_s_and_carries_id_and_tags_to_its_region() {
    let keys = format!(
        "{KIND}{GROUP}{HOST}port = {{port}}\npassword_duration = \"1h\"\nrole_arn = \"{}\"\nexternal_id = \"/id\"\n\
         tags = {{ RedshiftDbRoles = \"analyst\", team = \"bi\" }}\nregion = \"eu-west-1\"\n",
        role("fin")
    );
    let rule = RoleRule { external_id: Some("id-1".into()), tag_session: true, ..RoleRule::default() };
    let seed = seed(&keys)
        .await
        .parameter("/id", "id-1")
        .role(&role("fin"), rule)
        .region("eu-west-1");
    let run = seed.workgroup("finance", &[&role("fin")]).run().await;
    assert_eq!(run.user("c").await, "IAMR:fin");
    run.assert_calls(&[
        "GetParameter{Name=/id,WithDecryption=true} by user/proxy",
        "AssumeRole{DurationSeconds=900,ExternalId=id-1,RoleArn=role/fin,RoleSessionName=redshift-iam-proxy,\
         Tags.member.1.Key=RedshiftDbRoles,Tags.member.1.Value=analyst,Tags.member.2.Key=team,\
         Tags.member.2.Value=bi} by user/proxy",
        "GetCredentials{dbName=dev,durationSeconds=3600,workgroupName=finance} \
         by assumed-role/fin/redshift-iam-proxy [RedshiftDbRoles=analyst,team=bi] @eu-west-1",
    ]);
}

#[tokio::test]
async fn the_workgroup_is_the_first_label_of_the_host_in_lower_case() {
    let keys = format!(
        "{KIND}database = \"dev\"\nhost = \"Finance.123456789012.ap-southeast-2.redshift-serverless.amazonaws.com\"\n"
    );
    let run = seed(&keys).await.run().await;
    run.refused("c").await;
    run.assert_calls(&[CALL]);
}

#[track_caller]
fn assert_fault(keys: &str, want: &str) {
    let faults = load_faults(&format!("[connections.c]\n{keys}"));
    assert!(faults.len() == 1 && faults[0].starts_with(want), "{faults:?}");
}

#[test]
fn a_host_that_names_no_workgroup_is_a_fault() {
    assert_fault(&format!("{KIND}database = \"dev\"\nhost = \"dw.example.com\"\n"), "connections.c");
}

#[test]
fn an_unknown_field_is_no_configuration() {
    assert_fault(&format!("{KIND}{GROUP}{HOST}hots = \"x\"\n"), "connections.c.hots: ");
}

#[test]
fn a_port_of_0_is_no_configuration() {
    assert_fault(&format!("{KIND}{GROUP}{HOST}port = 0\n"), "connections.c.port: ");
}
