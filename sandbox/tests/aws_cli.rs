//! The AWS CLI, a client that nobody here wrote, against the endpoint.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test ends by panicking, and what it indexes it made itself"
)]

mod support;

use redshift_sandbox::aws::{Aws, AwsOptions, Fault, Times};
use redshift_sandbox::logins::Logins;
use serde_json::Value;
use support::cli::{ATTEMPTS, Keys, cli};

const ROLE: &str = "arn:aws:iam::123456789012:role/rs01";
const PARAMETER: &str = "/lava/demo/rs01-external-id";

async fn start() -> (Aws, std::sync::Arc<Logins>) {
    let logins = Logins::new(None);
    (
        Aws::start(AwsOptions::default(), logins.clone())
            .await
            .unwrap(),
        logins,
    )
}

async fn assume(aws: &Aws, external_id: &str) -> Result<Value, String> {
    let arguments = ["sts", "assume-role", "--role-arn", ROLE, "--role-session-name", "lv-test"];
    let more = ["--external-id", external_id, "--duration-seconds", "900", "--tags", "Key=RedshiftDbRoles,Value=a:b"];
    cli(aws, &Keys::base(), &[&arguments[..], &more].concat()).await
}

const GET_CREDENTIALS: [&str; 6] =
    ["redshift-serverless", "get-credentials", "--workgroup-name", "analytics", "--db-name", "dev"];

#[tokio::test]
async fn from_the_parameter_to_the_password() {
    let (aws, logins) = start().await;
    let base = Keys::base();
    let get = ["ssm", "get-parameter", "--name", PARAMETER];
    let hidden = cli(&aws, &base, &get).await.unwrap();
    assert!(
        hidden["Parameter"]["Value"]
            .as_str()
            .unwrap()
            .starts_with("kms:"),
        "{hidden}"
    );
    let clear = cli(&aws, &base, &[&get[..], &["--with-decryption"]].concat())
        .await
        .unwrap();
    let external_id = clear["Parameter"]["Value"].as_str().unwrap();

    let session = Keys::of_session(&assume(&aws, external_id).await.unwrap());
    let identity = cli(&aws, &session, &["sts", "get-caller-identity"])
        .await
        .unwrap();
    assert_eq!(identity["Arn"], "arn:aws:sts::123456789012:assumed-role/rs01/lv-test");

    let login = cli(&aws, &session, &GET_CREDENTIALS).await.unwrap();
    assert_eq!(login["dbUser"], "IAMR:rs01");
    assert_eq!(login["dbPassword"], logins.valid("IAMR:rs01")[0].password.as_str());
    // Version 1 of the CLI hands the number on, version 2 makes a date of it.
    let expiration = &login["expiration"];
    assert!(expiration.as_f64().is_some_and(|secs| secs > 1.7e9) || expiration.is_string(), "{expiration}");

    let name = ["redshift-serverless", "get-workgroup", "--workgroup-name", "analytics"];
    let workgroup = cli(&aws, &session, &name).await.unwrap();
    assert_eq!(workgroup["workgroup"]["endpoint"]["port"], 5439);

    let request = aws.requests("AssumeRole").remove(0);
    assert_eq!(request.parameters["Tags.member.1.Value"], "a:b");
    assert_eq!(aws.requests("GetCredentials")[0].caller, identity["Arn"].as_str().unwrap());
    assert!(request.user_agent.starts_with("aws-cli/"), "{}", request.user_agent);
}

#[tokio::test]
async fn a_wrong_secret_key_is_refused() {
    let (aws, _) = start().await;
    let wrong = Keys { secret: "wrong".to_owned(), ..Keys::base() };
    let refusal = cli(&aws, &wrong, &["sts", "get-caller-identity"])
        .await
        .unwrap_err();
    assert!(refusal.contains("(SignatureDoesNotMatch)"), "{refusal}");
    let refusal = cli(&aws, &wrong, &["ssm", "get-parameter", "--name", PARAMETER])
        .await
        .unwrap_err();
    assert!(refusal.contains("(InvalidSignatureException)"), "{refusal}");
}

#[tokio::test]
async fn a_wrong_external_id_is_refused() {
    let (aws, _) = start().await;
    let refusal = assume(&aws, "wrong").await.unwrap_err();
    assert!(refusal.contains("(AccessDenied)"), "{refusal}");
    assert!(refusal.contains("user/proxy is not authorized to perform: sts:AssumeRole on resource: arn:"), "{refusal}");
    assert_eq!(aws.calls("AssumeRole"), 1, "a refusal is final");
}

#[tokio::test]
async fn an_expired_session_is_refused() {
    let (aws, _) = start().await;
    let session = Keys::of_session(&assume(&aws, "sandbox-external-id-5f0c").await.unwrap());
    aws.expire_sessions();
    let refusal = cli(&aws, &session, &GET_CREDENTIALS).await.unwrap_err();
    assert!(refusal.contains("(ExpiredTokenException)"), "{refusal}");
}

#[tokio::test]
async fn a_throttled_call_is_tried_again() {
    let (aws, _) = start().await;
    let base = Keys::base();
    aws.fault("GetCallerIdentity", Fault::Throttle, Times::Next(1));
    cli(&aws, &base, &["sts", "get-caller-identity"])
        .await
        .expect("the second attempt");
    assert_eq!(aws.calls("GetCallerIdentity"), 2);

    aws.fault("GetCredentials", Fault::Throttle, Times::Always);
    let refusal = cli(&aws, &base, &GET_CREDENTIALS).await.unwrap_err();
    assert!(refusal.contains("(ThrottlingException)") && refusal.contains("Rate exceeded"), "{refusal}");
    assert_eq!(aws.calls("GetCredentials"), ATTEMPTS);
}

#[tokio::test]
async fn bounds_unknown_names_and_missing_permissions_are_told_apart() {
    let (aws, _) = start().await;
    let base = Keys::base();
    let too_long = [&GET_CREDENTIALS[..], &["--duration-seconds", "3601"]].concat();
    let none = ["redshift-serverless", "get-credentials", "--workgroup-name", "none"];
    for (arguments, code) in [
        (&too_long[..], "(ValidationException)"),
        (&none, "(ResourceNotFoundException)"),
        (&GET_CREDENTIALS, "(AccessDeniedException)"),
        (&["ssm", "get-parameter", "--name", "/none"], "(ParameterNotFound)"),
        (&["redshift-serverless", "list-workgroups"], "(UnknownOperationException)"),
        (&["redshift", "describe-tags"], "(InvalidAction)"),
    ] {
        let refusal = cli(&aws, &base, arguments).await.unwrap_err();
        assert!(refusal.contains(code), "{arguments:?}: {refusal}");
    }
}
