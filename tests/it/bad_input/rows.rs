//! What is wrong, one row each, and what is to be said of it.
//!
//! A thing is called after its row, so that causes can be compared without the names of things.

use redshift_sandbox::aws::{Aws, Fault, Parameter, ParameterKind, SecretValue, Times};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// One thing that is wrong.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) conn_id: &'static str,
    /// As in [`crate::support::connection`].
    pub(crate) keys: &'static [(&'static str, &'static str)],
    /// Makes it wrong at AWS.
    pub(crate) prepare: fn(&Aws),
    pub(crate) sqlstate: &'static str,
    /// What somebody has to read who is called for it at night: the operation, the thing, AWS's
    /// code or the like.
    pub(crate) names: &'static [&'static str],
    /// What `check` says of it. Empty: what it proves first is wrong for the same cause as in
    /// another row.
    pub(crate) fix: &'static str,
}

/// Denied, or wrong: somebody has to change something.
const DENIED: &str = "08004";
/// For another time.
const AWAY: &str = "57P03";

pub(crate) const PLANTED_TOKEN: &str = "planted-token-6f1d77a0";
pub(crate) const EXPIRED_TOKEN: &str = "planted-token-expired-2b9c";
const PLANTED_VALUE: &str = "planted value 90d3e5c1";

/// What is stored, and may be quoted by whoever cannot read it.
pub(crate) const PLANTED: [(&str, &str); 3] =
    [("token", PLANTED_TOKEN), ("expired token", EXPIRED_TOKEN), ("stored value", PLANTED_VALUE)];

/// A password out of a parameter.
macro_rules! password {
    ($name:literal) => {
        &[("password", concat!("\"/bad/", $name, "\"")), ("user", "\"adam\"")]
    };
}

macro_rules! secret {
    ($name:literal) => {
        &[("secret_id", concat!("\"bad/", $name, "\""))]
    };
}

macro_rules! role {
    ($name:literal, $external_id:literal) => {
        &[
            ("role_arn", concat!("\"arn:aws:iam::123456789012:role/", $name, "\"")),
            ("external_id", concat!("\"/bad/", $name, "\"")),
        ]
    };
    ($name:literal) => {
        &[("role_arn", concat!("\"arn:aws:iam::123456789012:role/", $name, "\"")), ("external_id", "")]
    };
}

macro_rules! token {
    ($name:literal) => {
        &[
            ("role_arn", "\"arn:aws:iam::123456789012:role/web\""),
            ("external_id", ""),
            ("web_identity_token_file", concat!("\"", $name, "\"")),
        ]
    };
}

macro_rules! workgroup {
    ($name:literal) => {
        &[("workgroup", concat!("\"", $name, "\""))]
    };
}

fn nothing(_: &Aws) {}

fn secret(aws: &Aws, name: &str, text: &str) {
    aws.put_secret(&format!("bad/{name}"), SecretValue::Text(text.to_owned()));
}

fn plain(aws: &Aws, name: &str) {
    aws.put_parameter_of(name, Parameter { value: PLANTED_VALUE.to_owned(), kind: ParameterKind::String });
}

fn fault(aws: &Aws, operation: &str, fault: Fault) {
    aws.fault(operation, fault, Times::Always);
}

macro_rules! row {
    ($conn_id:literal, $keys:expr, $prepare:expr, $sqlstate:expr, $names:expr, $fix:literal) => {
        Row { conn_id: $conn_id, keys: $keys, prepare: $prepare, sqlstate: $sqlstate, names: &$names, fix: $fix }
    };
}

/// With keys that AWS knows, at an AWS that is there.
pub(crate) const ROWS: [Row; 30] = [
    // Secrets
    row!(
        "secret-text",
        secret!("secret-text"),
        |aws| secret(aws, "secret-text", PLANTED_VALUE),
        DENIED,
        ["GetSecretValue bad/secret-text", "not JSON"],
        "store a JSON object in bad/secret-text"
    ),
    row!(
        "secret-list",
        secret!("secret-list"),
        |aws| secret(aws, "secret-list", "[\"planted value 90d3e5c1\"]"),
        DENIED,
        ["GetSecretValue bad/secret-list", "not a JSON object"],
        "store a JSON object in bad/secret-list"
    ),
    row!(
        "secret-binary",
        secret!("secret-binary"),
        |aws| aws.put_secret("bad/secret-binary", SecretValue::Binary(PLANTED_VALUE.into())),
        DENIED,
        ["GetSecretValue bad/secret-binary", "binary"],
        "store it as text"
    ),
    // No password: IAM is asked.
    row!(
        "secret-bare",
        &[("secret_id", "\"bad/secret-bare\""), ("workgroup", "\"secret-bare\"")],
        |aws| {
            secret(aws, "secret-bare", "{\"username\": \"adam\"}");
            fault(aws, "GetCredentials", Fault::Deny);
        },
        DENIED,
        ["bad/secret-bare has no password", "GetCredentials secret-bare", "AccessDeniedException"],
        "it holds no password"
    ),
    row!(
        "secret-missing",
        secret!("secret-missing"),
        nothing,
        DENIED,
        ["GetSecretValue bad/secret-missing", "ResourceNotFoundException"],
        "create the secret bad/secret-missing"
    ),
    row!(
        "secret-denied",
        secret!("secret-denied"),
        |aws| fault(aws, "GetSecretValue", Fault::Deny),
        DENIED,
        ["GetSecretValue bad/secret-denied", "AccessDeniedException", "secretsmanager:GetSecretValue"],
        "\"Action\":\"secretsmanager:GetSecretValue\""
    ),
    row!(
        "secret-kms",
        secret!("secret-kms"),
        |aws| fault(aws, "GetSecretValue", Fault::DenyKms),
        DENIED,
        ["GetSecretValue bad/secret-kms", "AccessDeniedException", "KMS"],
        "decrypt with the KMS key of bad/secret-kms"
    ),
    // Passwords
    row!(
        "password-missing",
        password!("password-missing"),
        nothing,
        DENIED,
        ["password", "GetParameter /bad/password-missing", "ParameterNotFound"],
        "the password as its value"
    ),
    row!(
        "password-plain",
        password!("password-plain"),
        |aws| plain(aws, "/bad/password-plain"),
        DENIED,
        ["GetParameter /bad/password-plain", "SecureString"],
        "--type SecureString with the same name"
    ),
    row!(
        "password-empty",
        password!("password-empty"),
        |aws| aws.put_parameter("/bad/password-empty", ""),
        DENIED,
        ["GetParameter /bad/password-empty", "no password"],
        "store the password"
    ),
    row!(
        "password-denied",
        password!("password-denied"),
        |aws| fault(aws, "GetParameter", Fault::Deny),
        DENIED,
        ["GetParameter /bad/password-denied", "AccessDeniedException", "ssm:GetParameter"],
        "\"Action\":\"ssm:GetParameter\""
    ),
    row!(
        "password-kms",
        password!("password-kms"),
        |aws| fault(aws, "GetParameter", Fault::DenyKms),
        DENIED,
        ["GetParameter /bad/password-kms", "AccessDeniedException", "kms:Decrypt"],
        "decrypt with the KMS key of /bad/password-kms"
    ),
    // Roles
    row!(
        "role-denied",
        role!("role-denied"),
        nothing,
        DENIED,
        ["AssumeRole arn:aws:iam::123456789012:role/role-denied", "(AccessDenied)", "sts:AssumeRole"],
        "to the trust policy of arn:aws:iam::123456789012:role/role-denied"
    ),
    // AWS does not tell it apart from any other refusal. What the log adds is that there was one,
    // and which.
    row!(
        "external-wrong",
        role!("external-wrong", ""),
        |aws| aws.put_parameter("/bad/external-wrong", "planted-id-0b2f"),
        DENIED,
        [
            "AssumeRole arn:aws:iam::123456789012:role/external-wrong",
            "(AccessDenied)",
            "external_id /bad/external-wrong"
        ],
        "the value of /bad/external-wrong has to be the sts:ExternalId"
    ),
    row!(
        "external-missing",
        role!("external-missing", ""),
        nothing,
        DENIED,
        ["external_id", "GetParameter /bad/external-missing", "ParameterNotFound"],
        "the external id as its value"
    ),
    row!(
        "external-bad",
        role!("external-bad", ""),
        |aws| aws.put_parameter("/bad/external-bad", PLANTED_VALUE),
        DENIED,
        ["GetParameter /bad/external-bad", "no external id"],
        "store the external id"
    ),
    row!(
        "external-denied",
        role!("external-denied", ""),
        |aws| fault(aws, "GetParameter", Fault::Deny),
        DENIED,
        ["external_id", "GetParameter /bad/external-denied", "AccessDeniedException"],
        ""
    ),
    // Web identities
    row!(
        "token-missing",
        token!("token-missing"),
        nothing,
        DENIED,
        ["web_identity_token_file", "token-missing", "No such file"],
        "mount the token at"
    ),
    row!(
        "token-empty",
        token!("token-empty"),
        nothing,
        DENIED,
        ["web_identity_token_file", "token-empty", "holds no token"],
        "holds no token"
    ),
    row!(
        "token-long",
        token!("token-long"),
        nothing,
        DENIED,
        ["web_identity_token_file", "token-long", "20000"],
        "longer than 20000 bytes"
    ),
    row!(
        "token-rejected",
        token!("token-rejected"),
        nothing,
        DENIED,
        ["AssumeRoleWithWebIdentity arn:aws:iam::123456789012:role/web", "InvalidIdentityToken"],
        "an IAM OIDC provider of the role's account"
    ),
    // It is in the file as it is: whoever writes that has to write another one.
    row!(
        "token-expired",
        token!("token-expired"),
        nothing,
        DENIED,
        ["AssumeRoleWithWebIdentity arn:aws:iam::123456789012:role/web", "ExpiredTokenException"],
        "who writes it renews it"
    ),
    // Warehouses
    row!(
        "wg-missing",
        workgroup!("wg-missing"),
        nothing,
        DENIED,
        ["GetCredentials wg-missing", "ap-southeast-2", "ResourceNotFoundException"],
        "no workgroup wg-missing in ap-southeast-2"
    ),
    row!(
        "wg-denied",
        workgroup!("wg-denied"),
        |aws| fault(aws, "GetCredentials", Fault::Deny),
        DENIED,
        ["GetCredentials wg-denied", "AccessDeniedException", "redshift-serverless:GetCredentials"],
        "\"Action\":\"redshift-serverless:GetCredentials\""
    ),
    // Not served: signatures for it are wrong.
    row!(
        "region-wrong",
        &[("region", "\"eu-west-3\""), ("workgroup", "\"region-wrong\"")],
        nothing,
        DENIED,
        ["GetCredentials region-wrong", "InvalidSignatureException", "eu-west-3"],
        "takes no signatures for eu-west-3"
    ),
    // Served, but the workgroup is elsewhere.
    row!(
        "region-other",
        &[("region", "\"us-east-1\""), ("workgroup", "\"region-other\"")],
        |aws| aws.put_region("us-east-1"),
        DENIED,
        ["GetCredentials region-other", "us-east-1", "ResourceNotFoundException"],
        "no workgroup region-other in us-east-1"
    ),
    row!(
        "cluster-missing",
        &[("type", "\"redshift\""), ("workgroup", ""), ("cluster_id", "\"cluster-missing\""), ("user", "\"adam\"")],
        nothing,
        DENIED,
        ["GetClusterCredentials cluster-missing", "ClusterNotFound"],
        "no cluster cluster-missing"
    ),
    row!(
        "wg-garbage",
        workgroup!("wg-garbage"),
        |aws| fault(aws, "GetCredentials", Fault::Garbage),
        AWAY,
        ["GetCredentials wg-garbage", "unreadable answer"],
        "see who answers in its place"
    ),
    row!(
        "wg-failing",
        workgroup!("wg-failing"),
        |aws| fault(aws, "GetCredentials", Fault::InternalError),
        AWAY,
        ["GetCredentials wg-failing", "InternalServerException"],
        "health.aws.amazon.com"
    ),
    row!(
        "wg-closed",
        workgroup!("wg-closed"),
        |aws| fault(aws, "GetCredentials", Fault::Close),
        AWAY,
        ["GetCredentials wg-closed", "no connection"],
        "give this machine a way to redshift-serverless.ap-southeast-2.amazonaws.com"
    ),
];

/// Nobody listens where SSM and STS should be.
pub(crate) const AWS_AWAY: [Row; 2] = [
    row!("ssm-away", password!("ssm-away"), nothing, AWAY, ["GetParameter /bad/ssm-away", "refused"], ""),
    row!(
        "sts-away",
        role!("sts-away"),
        nothing,
        AWAY,
        ["GetCallerIdentity", "refused"],
        "give this machine a way to sts.ap-southeast-2.amazonaws.com"
    ),
];

/// Base keys that AWS does not know.
pub(crate) const UNKNOWN_KEY: [Row; 2] = [
    row!(
        "key-unknown",
        password!("key-unknown"),
        nothing,
        DENIED,
        ["GetParameter /bad/key-unknown", "UnrecognizedClientException"],
        ""
    ),
    row!(
        "key-unknown-to-sts",
        role!("key-unknown-to-sts"),
        nothing,
        DENIED,
        ["GetCallerIdentity", "InvalidClientTokenId"],
        "the base access key is unknown"
    ),
];

/// A chain without keys: a mistake of whoever set the machine up.
pub(crate) const NO_KEYS: [Row; 2] = [
    row!("no-keys", password!("no-keys"), nothing, DENIED, ["GetParameter /bad/no-keys", "no credentials"], ""),
    row!(
        "no-keys-for-sts",
        role!("no-keys-for-sts"),
        nothing,
        DENIED,
        ["GetCallerIdentity", "no credentials"],
        "give this machine an identity"
    ),
];

/// Base keys of a session that is over.
pub(crate) const EXPIRED_KEYS: [Row; 2] = [
    row!(
        "key-expired",
        password!("key-expired"),
        nothing,
        DENIED,
        ["GetParameter /bad/key-expired", "ExpiredTokenException"],
        ""
    ),
    row!(
        "key-expired-at-sts",
        role!("key-expired-at-sts"),
        nothing,
        DENIED,
        ["GetCallerIdentity", "(ExpiredToken)"],
        "the base credentials have expired"
    ),
];

/// With little time for a flight.
pub(crate) const DEADLINE: [Row; 3] = [
    row!(
        "wg-throttled",
        workgroup!("wg-throttled"),
        |aws| fault(aws, "GetCredentials", Fault::Throttle),
        AWAY,
        ["GetCredentials wg-throttled", "ThrottlingException"],
        "wait a minute"
    ),
    row!(
        "wg-hanging",
        workgroup!("wg-hanging"),
        |aws| fault(aws, "GetCredentials", Fault::Hang),
        AWAY,
        ["GetCredentials wg-hanging", "no answer within 3s"],
        "no answer in time"
    ),
    row!(
        "ssm-hanging",
        password!("ssm-hanging"),
        |aws| fault(aws, "GetParameter", Fault::Hang),
        AWAY,
        ["GetParameter /bad/ssm-hanging", "no answer within 2.4s"],
        "give this machine a way to ssm.ap-southeast-2.amazonaws.com"
    ),
];

/// GET with this token, as a container's agent is asked. The answer is JSON.
pub(crate) async fn get(url: &str, token: &str) -> Value {
    let (address, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\nauthorization: {token}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
}
