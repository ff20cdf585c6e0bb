//! One row for each cause: what is said of it, and that no two are given the same fix.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::CertificateError;

use super::*;
use crate::aws::{Call, Code, Operation};
use crate::config::{
    Bounds, BoundsError, Cluster, ConnId, ConnSpec, ItemValue, LoginAs, LoginFrom, RoleHop, Target, UnknownKeys, parse,
};
use crate::spec::Found;
use crate::upstream::ServerError;
use crate::wire::WireError;

const ROLE: &str = "arn:aws:iam::123456789012:role/rs01";
const PLANTED: &str = "planted-77d1";
const HUB: &str = "arn:aws:iam::210987654321:role/hub";

fn context() -> Context {
    let text = format!(
        "[connections.sales]\ntype = \"redshift-serverless\"\nhost = \"wg.example.com\"\nworkgroup = \"wg1\"\n\
         database = \"dev\"\nregion = \"eu-west-1\"\nrole_arn = \"{ROLE}\"\nexternal_id = \"/x/id\"\n"
    );
    let config = parse(&text, "proxy.toml".as_ref(), &|_| None, UnknownKeys::Refuse).unwrap();
    Context {
        conn_id: ConnId::new("sales").unwrap(),
        spec: Some(Arc::clone(&config.connections["sales"])),
        table: None,
        region: Some("eu-west-1".into()),
        home: Some("us-east-1".into()),
        base: Some("arn:aws:sts::111111111111:assumed-role/task/i-1".into()),
        forward_proxy: None,
        db_user: Some("IAMR:rs01".into()),
        host: "wg.example.com".into(),
        port: 5439,
        database: "dev".into(),
    }
}

/// The same, changed.
fn with(change: impl FnOnce(&mut ConnSpec)) -> Context {
    let mut context = context();
    change(Arc::make_mut(context.spec.as_mut().unwrap()));
    context
}

fn denied(operation: Operation, on: &str, code: impl Into<Code>, text: &str) -> AwsError {
    AwsError::Denied { call: Call::new(operation, on), code: code.into(), source: text.into() }
}

fn away(operation: Operation, on: &str, code: impl Into<Code>, text: &str) -> AwsError {
    AwsError::Unavailable { call: Call::new(operation, on), code: code.into(), source: text.into() }
}

fn unusable(operation: Operation, on: &str, what: &'static str) -> AwsError {
    AwsError::Unusable { call: Call::new(operation, on), what }
}

fn explained(error: &CheckError<'_>, context: &Context) -> Explanation {
    explain(error, context)
}

#[test]
fn the_owner_of_too_long_session_tags_is_named() {
    let packed = denied(Operation::AssumeRole, ROLE, "PackedPolicyTooLarge", "no");
    let tagged = || with(|spec| spec.roles.tags = [("team".to_owned(), "bi".to_owned())].into());
    let pod = Some("arn:aws:sts::111111111111:assumed-role/pod/eks-c-p-5f0c6d1e".to_owned());
    let (own, pods) = ("fewer or shorter tags and db_roles", "EKS Pod Identity puts six");
    for (context, want) in [
        (context(), (false, true)),
        (tagged(), (true, false)),
        (Context { base: pod.clone(), ..context() }, (false, true)),
        (Context { base: pod, ..tagged() }, (true, true)),
    ] {
        let fix = explained(&CheckError::Aws(&packed), &context).fix;
        assert_eq!((fix.contains(own), fix.contains(pods)), want, "{fix}");
    }
}

#[test]
fn a_role_of_identity_center_is_told_by_its_permission_set() {
    let caller = "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Data_0123456789abcdef/me@example.com";
    let context = Context { base: Some(caller.into()), ..with(|spec| spec.roles.hops.truncate(1)) };
    let refused =
        denied(Operation::AssumeRole, ROLE, "AccessDenied", "User is not authorized to perform: sts:AssumeRole");
    let fix = explained(&CheckError::Aws(&refused), &context).fix;
    for part in [
        "the permission set Data (IAM Identity Center",
        "\"AWS\":\"arn:aws:iam::111111111111:root\"",
        "aws-reserved/sso.amazonaws.com*/AWSReservedSSO_Data_*",
    ] {
        assert!(fix.contains(part), "{fix}");
    }
    let role = "arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Data_0123456789abcdef";
    let fix = explained(&CheckError::Aws(&denied(Operation::AssumeRole, role, "AccessDenied", "no")), &context).fix;
    assert!(fix.contains("whose sessions it alone hands out"), "{fix}");
}

#[test]
fn every_cause_on_awss_side_has_a_fix_of_its_own() {
    let read = |path: &str, kind: ErrorKind| AwsError::TokenFile { path: path.into(), source: kind.into() };
    let rows = [
        (
            denied(Operation::GetParameter, "/x/id", "AccessDeniedException", "no"),
            "/x/id was refused",
            "\"arn:aws:ssm:us-east-1:111111111111:parameter/x/id\"",
        ),
        (
            denied(
                Operation::GetParameter,
                "/x/id",
                "AccessDeniedException",
                "User: arn:aws:sts::111111111111:assumed-role/task/i-1 is not authorized to perform: kms:Decrypt on \
                     resource: arn:aws:kms:us-east-1:111111111111:key/k because no",
            ),
            "kms:Decrypt",
            "{\"Action\":\"kms:Decrypt\",\"Effect\":\"Allow\",\"Resource\":\"arn:aws:kms:us-east-1:111111111111:key/\
                 k\"}",
        ),
        (
            denied(
                Operation::GetSecretValue,
                "prod/x",
                "AccessDeniedException",
                "is not authorized to perform: secretsmanager:GetSecretValue on resource: prod/x",
            ),
            "prod/x",
            "\"arn:aws:secretsmanager:us-east-1:111111111111:secret:prod/x-??????\"",
        ),
        (
            denied(Operation::GetSecretValue, "prod/x", "AccessDeniedException", "Access to KMS is not allowed"),
            "KMS",
            "\"Resource\":\"<the ARN of that key>\"",
        ),
        (
            denied(
                Operation::AssumeRole,
                ROLE,
                "AccessDenied",
                "because no VPC endpoint policy allows the sts:AssumeRole action",
            ),
            "VPC endpoint policy",
            "add to the VPC endpoint policy that bounds arn:aws:iam::111111111111:role/task: {\"Action\"",
        ),
        (
            denied(Operation::AssumeRole, ROLE, "AccessDenied", "no"),
            "AssumeRole",
            "the trust policy of arn:aws:iam::123456789012:role/rs01: {\"Action\":\"sts:AssumeRole\",\"Condition\":\
                 {\"StringEquals\":{\"sts:ExternalId\":\"<the value of /x/id>\"}},\"Effect\":\"Allow\",\"Principal\":\
                 {\"AWS\":\"arn:aws:iam::111111111111:role/task\"}}",
        ),
        (
            denied(
                Operation::AssumeRole,
                ROLE,
                "AccessDenied",
                "is not authorized to perform: sts:TagSession on resource: arn:aws:iam::123456789012:role/rs01",
            ),
            "TagSession",
            "{\"Action\":\"sts:TagSession\",\"Effect\":\"Allow\",\"Resource\":\"arn:aws:iam::123456789012:role/\
                 rs01\"}",
        ),
        (
            denied(Operation::AssumeRole, ROLE, "AccessDenied", "with an explicit deny in a service control policy"),
            "explicit deny",
            "wins over every Allow",
        ),
        (
            denied(Operation::AssumeRole, ROLE, "RegionDisabledException", "no"),
            "RegionDisabled",
            "activate STS for us-east-1",
        ),
        (
            denied(Operation::AssumeRole, ROLE, "PackedPolicyTooLarge", "no"),
            "PackedPolicy",
            "EKS Pod Identity puts six transitive tags",
        ),
        (
            denied(
                Operation::AssumeRoleWithWebIdentity,
                ROLE,
                "AccessDenied",
                "Not authorized to perform sts:AssumeRoleWithWebIdentity",
            ),
            "WebIdentity",
            "\"Federated\":\"arn:aws:iam::123456789012:oidc-provider/<issuer>\"",
        ),
        (
            denied(
                Operation::AssumeRoleWithWebIdentity,
                ROLE,
                "InvalidIdentityToken",
                "No OpenIDConnect provider found",
            ),
            "OpenIDConnect",
            "IAM OIDC provider of the role's account",
        ),
        (
            denied(Operation::AssumeRoleWithWebIdentity, ROLE, "IDPRejectedClaim", "no"),
            "IDPRejected",
            "have a new one issued",
        ),
        (
            denied(Operation::AssumeRoleWithWebIdentity, ROLE, "ExpiredTokenException", "Token expired"),
            "Token expired",
            "who writes it renews it",
        ),
        (
            denied(
                Operation::GetCredentials,
                "wg1",
                "AccessDeniedException",
                "is not authorized to perform: redshift-serverless:GetCredentials on resource: arn:aws:\
                     redshift-serverless:eu-west-1:123456789012:workgroup/uuid",
            ),
            "wg1",
            "to the policy of arn:aws:iam::123456789012:role/rs01: {\"Action\":\"redshift-serverless:\
                 GetCredentials\",\"Effect\":\"Allow\",\"Resource\":\"arn:aws:redshift-serverless:eu-west-1:123456789\
                 012:workgroup/uuid\"}",
        ),
        (
            denied(Operation::GetCredentials, "wg1", "ResourceNotFoundException", "no"),
            "NotFound",
            "no workgroup wg1 in eu-west-1",
        ),
        (
            denied(Operation::GetCredentials, "wg1", "ValidationException", "no"),
            "Validation",
            "correct what GetCredentials was asked for",
        ),
        (
            denied(Operation::GetWorkgroup, "wg1", "AccessDeniedException", "no"),
            "GetWorkgroup",
            "redshift-serverless:GetWorkgroup",
        ),
        (
            denied(
                Operation::GetClusterCredentials,
                "dw1",
                "AccessDenied",
                "is not authorized to perform: redshift:GetClusterCredentials on resource: arn:aws:redshift:\
                     eu-west-1:123456789012:dbuser:dw1/adam",
            ),
            "dw1",
            "\"Resource\":[\"arn:aws:redshift:eu-west-1:123456789012:dbuser:dw1/IAMR:rs01\",\"arn:aws:redshift:\
                 eu-west-1:123456789012:dbname:dw1/dev\"]",
        ),
        (
            denied(
                Operation::GetClusterCredentials,
                "dw1",
                "AccessDenied",
                "is not authorized to perform: redshift:JoinGroup on resource: arn:aws:redshift:eu-west-1:\
                     123456789012:dbgroup:dw1/readers",
            ),
            "JoinGroup",
            "\"Action\":\"redshift:JoinGroup\",\"Effect\":\"Allow\",\"Resource\":\"arn:aws:redshift:eu-west-1:\
                 123456789012:dbgroup:dw1/readers\"",
        ),
        (
            denied(Operation::GetClusterCredentialsWithIam, "dw1", "AccessDenied", "no"),
            "WithIAM",
            "\"Action\":\"redshift:GetClusterCredentialsWithIAM\",\"Effect\":\"Allow\",\"Resource\":\"arn:aws:\
                 redshift:eu-west-1:123456789012:dbname:dw1/dev\"",
        ),
        (
            denied(Operation::DescribeClusters, "dw1", "AccessDenied", "no"),
            "DescribeClusters",
            "arn:aws:redshift:eu-west-1:123456789012:cluster:dw1",
        ),
        (
            denied(Operation::DescribeClusters, "dw1", "ClusterNotFound", "no"),
            "ClusterNotFound",
            "no cluster dw1 in \
             eu-west-1",
        ),
        (
            denied(Operation::GetParameter, "/x/id", "ParameterNotFound", "no message"),
            "(ParameterNotFound)",
            "put-parameter --region us-east-1 --type SecureString --name /x/id",
        ),
        (denied(Operation::GetParameter, "/x/id", "InvalidKeyId", "no"), "InvalidKeyId", "the KMS key of /x/id"),
        (
            denied(Operation::GetSecretValue, "prod/x", "ResourceNotFoundException", "no"),
            "NotFound",
            "create the secret prod/x in us-east-1",
        ),
        (
            denied(Operation::GetSecretValue, "prod/x", "InvalidRequestException", "marked for deletion"),
            "deletion",
            "restore-secret",
        ),
        (
            denied(
                Operation::GetCallerIdentity,
                "",
                "SignatureDoesNotMatch",
                "Signature expired: x is now earlier than y",
            ),
            "expired",
            "NTP",
        ),
        (
            denied(
                Operation::GetCallerIdentity,
                "",
                "SignatureDoesNotMatch",
                "does not match the signature you provided",
            ),
            "does not match",
            "does not fit its key id",
        ),
        (
            denied(
                Operation::GetCredentials,
                "wg1",
                "InvalidSignatureException",
                "Credential should be scoped to a valid region, not 'eu-west-1'. ",
            ),
            "valid region",
            "takes no signatures for eu-west-1",
        ),
        (
            denied(Operation::GetCallerIdentity, "", "InvalidClientTokenId", "no"),
            "InvalidClientTokenId",
            "the base access key is unknown",
        ),
        (
            denied(Operation::GetParameter, "/x/id", Code::Unbuilt, "A region must be set when sending requests"),
            "request",
            "set aws.region",
        ),
        (
            denied(Operation::GetCallerIdentity, "", "ExpiredToken", "expired"),
            "ExpiredToken",
            "the base credentials have \
             expired",
        ),
        (
            denied(
                Operation::GetCallerIdentity,
                "",
                Code::NoCredentials,
                "dispatch failure: other: the credential provider was not enabled: no providers in chain provided \
                     credentials",
            ),
            "found no credentials",
            "give this machine an identity",
        ),
        (
            away(
                Operation::GetCallerIdentity,
                "",
                Code::NoConnection,
                "dispatch failure: other: an error occurred while loading credentials: 503",
            ),
            "cannot be fetched: 503",
            "see whoever hands them out",
        ),
        (
            away(
                Operation::GetCredentials,
                "wg1",
                Code::NoConnection,
                "dispatch failure: io error: client error (Connect): dns error: failed to lookup",
            ),
            "redshift-serverless cannot be reached in eu-west-1: failed to lookup",
            "com.amazonaws.eu-west-1.redshift-serverless",
        ),
        (
            away(Operation::GetParameter, "/x/id", Code::Timeout, "error trying to connect: HTTP connect timeout"),
            "no answer in time",
            "com.amazonaws.us-east-1.ssm",
        ),
        (
            away(Operation::GetParameter, "/x/id", Code::Unreadable, "unhandled"),
            "what answered is not ssm",
            "AWS_ENDPOINT_URL_*",
        ),
        (
            away(Operation::GetCredentials, "wg1", "InternalServerException", "no"),
            "InternalServer",
            "health.aws.amazon.com",
        ),
        (
            AwsError::Throttled {
                call: Call::new(Operation::GetCredentials, "wg1"),
                code: "ThrottlingException".into(),
                source: "Rate exceeded".into(),
            },
            "Rate exceeded",
            "wait a minute",
        ),
        (
            unusable(
                Operation::GetParameter,
                "/x/pw",
                "the parameter is a plain String: a password has to be a SecureString",
            ),
            "plain String",
            "delete-parameter",
        ),
        (
            unusable(Operation::GetParameter, "/x/id", "the parameter's value is no external id (2-1224)"),
            "no external id",
            "without quotes or a newline",
        ),
        (
            unusable(Operation::GetParameter, "/x/pw", "the parameter holds no password"),
            "no password",
            "store the password",
        ),
        (unusable(Operation::GetSecretValue, "prod/x", "the secret is binary, not text"), "binary", "--secret-string"),
        (unusable(Operation::GetSecretValue, "prod/x", "the secret is not JSON"), "not JSON", "store a JSON object"),
        (
            unusable(Operation::GetSecretValue, "prod/x", "the secret's port is no port"),
            "no port",
            "correct that field",
        ),
        (
            unusable(Operation::GetWorkgroup, "wg1", "the workgroup has no endpoint (yet)"),
            "no endpoint",
            "wait until wg1 is available",
        ),
        (unusable(Operation::AssumeRole, ROLE, "the answer has no credentials"), "no credentials", "is not AWS"),
        (read("/t/a", ErrorKind::NotFound), "web_identity_token_file /t/a", "mount the token at /t/a"),
        (read("/t/b", ErrorKind::PermissionDenied), "permission denied", "let the user of the proxy read /t/b"),
        (read("/t/c", ErrorKind::InvalidData), "/t/c", "and nothing else"),
        (AwsError::Spec("there is no database".into()), "there is no database", "complete connections.\"sales\""),
        (
            AwsError::Deadline { name: String::new(), after: Duration::from_secs(20) },
            "no answer within 20s",
            "credentials.timeout",
        ),
        (AwsError::Lost, "lost", "a fault of the proxy"),
    ];
    let context = context();
    let mut fixes = BTreeSet::new();
    for (error, what, fix) in &rows {
        let told = explained(&CheckError::Aws(error), &context);
        assert!(told.what.contains(what), "{what}\n{told:?}");
        assert!(told.fix.contains(fix), "{fix}\n{told:?}");
        assert!(fixes.insert(told.fix.clone()), "said of another too: {told:?}");
        assert!(!format!("{told:?}").contains("dispatch failure"), "{told:?}");
    }
}

/// Before the item `bi-x` of lava's table is read.
fn of_table() -> Context {
    let bounds = Bounds {
        conn_ids: vec!["bi-*".into(), "sales".into()],
        roles: vec!["arn:aws:iam::123456789012:role/rs-*".into()],
        parameter_prefix: "/lava/prod/".into(),
        hosts: vec!["*.redshift.amazonaws.com".into()],
        base_identity: false,
    };
    let table = SpecsTable {
        dynamodb_table: "lava.prod.connections".into(),
        refresh: Duration::from_secs(60),
        password_duration: Duration::from_secs(900),
        bounds: Arc::new(bounds),
    };
    let base = Some("arn:aws:sts::111111111111:assumed-role/task/i-1".into());
    let conn_id = ConnId::new("bi-x").unwrap();
    Context { conn_id, spec: None, table: Some(table), base, ..context() }
}

/// Of an item that has little more than this attribute.
fn flaw(name: &str, value: ItemValue, table: &SpecsTable) -> Flaw {
    let kind = ItemValue::Text("redshift-serverless".into());
    let item = [("type", kind), (name, value)]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
    match Found::read(table, &ConnId::new("bi-x").unwrap(), &item) {
        Found::Unusable(flaw) => flaw,
        found => panic!("{found:?}"),
    }
}

#[test]
fn every_cause_of_the_tables_has_a_fix_of_its_own() {
    let context = of_table();
    let table = context.table.as_ref().unwrap();
    let on = "lava.prod.connections: bi-x";
    let code = "ProvisionedThroughputExceededException";
    let of_aws = [
        (
            denied(Operation::GetItem, on, "AccessDeniedException", "no"),
            "was refused",
            "add to the policy of arn:aws:iam::111111111111:role/task: {\"Action\":\"dynamodb:GetItem\",\"Condition\":{\
             \"ForAllValues:StringLike\":{\"dynamodb:LeadingKeys\":[\"bi-*\",\"sales\"]},\"Null\":{\"dynamodb:LeadingKeys\
             \":\"false\"}},\"Effect\":\"Allow\",\"Resource\":\"arn:aws:dynamodb:us-east-1:111111111111:table/lava.prod.\
             connections\"}",
        ),
        (
            denied(
                Operation::GetItem,
                on,
                "AccessDeniedException",
                "is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:us-east-1:111111111111:key/k",
            ),
            "kms:Decrypt",
            "\"Action\":\"kms:Decrypt\",\"Effect\":\"Allow\",\"Resource\":\"arn:aws:kms:us-east-1:111111111111:key/k\"",
        ),
        (
            denied(Operation::GetItem, on, "ResourceNotFoundException", "no"),
            "NotFound",
            "there is no table lava.prod.connections in us-east-1: correct specs.dynamodb_table, aws.region",
        ),
        (
            denied(Operation::GetItem, on, "ValidationException", "key element"),
            "Validation",
            "has to be conn_id, a string",
        ),
        (
            AwsError::Throttled { call: Call::new(Operation::GetItem, on), code: code.into(), source: "no".into() },
            code,
            "give lava.prod.connections more read capacity",
        ),
        (
            away(Operation::GetItem, on, Code::Timeout, "HTTP connect timeout"),
            "dynamodb cannot be reached in us-east-1",
            "com.amazonaws.us-east-1.dynamodb",
        ),
        (
            AwsError::Deadline { name: "the item of x".into(), after: Duration::from_secs(5) },
            "no answer within 5s",
            "a third of limits.startup_timeout",
        ),
        (AwsError::Spec("there is no database".into()), "no database", "the item \"bi-x\" of lava.prod.connections"),
        (
            BoundsError::Role(PLANTED.into()).into(),
            "role_arn is not covered",
            "a role of arn:aws:iam::123456789012:role/rs-*",
        ),
        (BoundsError::Host(PLANTED.into()).into(), "host", "one of *.redshift.amazonaws.com; or add it to specs.hosts"),
        (BoundsError::Parameter { key: "password" }.into(), "item's password", "have password name that"),
        (BoundsError::Parameter { key: "external_id" }.into(), "item's external_id", "below /lava/prod/"),
        (BoundsError::Secret.into(), "secret_id", "a name that begins with /lava/prod/"),
        (BoundsError::BaseIdentity.into(), "the proxy's own identity", "or set specs.base_identity = true"),
    ];
    let attribute = flaw("database", ItemValue::Bool(true), table);
    let stranger = flaw("identity", ItemValue::Text(PLANTED.into()), table);
    let of_items = [
        (CheckError::NoItem(table), "there is no item \"bi-x\" in", "since a missing enabled is false"),
        (CheckError::BadItem(table, &attribute), "database: must be a string, not boolean", "correct these attributes"),
        (CheckError::Disabled, "is disabled", "set enabled = true in the item \"bi-x\" of lava.prod.connections"),
    ];
    let mut fixes = BTreeSet::new();
    let of_aws = of_aws
        .iter()
        .map(|(error, what, fix)| (CheckError::Aws(error), *what, *fix));
    for (error, what, fix) in of_aws.chain(of_items) {
        let told = explained(&error, &context);
        assert!(told.what.contains(what), "{what}\n{told:?}");
        assert!(told.fix.contains(fix), "{fix}\n{told:?}");
        assert!(fixes.insert(told.fix.clone()), "said of another too: {told:?}");
        assert!(!format!("{told:?}").contains(PLANTED), "{told:?}");
    }
    let told = explained(&CheckError::BadItem(table, &stranger), &context);
    assert!(told.what.contains("identity: is no field of lava's") && !told.what.contains(PLANTED), "{told:?}");
    let bounds = Flaw::Bounds(BoundsError::Secret);
    let secret = explained(&CheckError::BadItem(table, &bounds), &context);
    assert_eq!(secret, explained(&CheckError::Aws(&BoundsError::Secret.into()), &context));
}

#[test]
fn another_flights_failure_is_explained_as_its_own() {
    let spec = || AwsError::Spec("there is no database".into());
    let needed = AwsError::Needed(Arc::new(AwsError::Needed(Arc::new(spec()))));
    let context = context();
    assert_eq!(explained(&CheckError::Aws(&needed), &context), explained(&CheckError::Aws(&spec()), &context));
}

#[test]
fn a_hop_is_taken_by_the_role_before() {
    let hops = || {
        vec![RoleHop { role_arn: HUB.into(), external_id: None }, RoleHop { role_arn: ROLE.into(), external_id: None }]
    };
    let context = with(|spec| spec.roles.hops = hops());
    let first = explained(&CheckError::Aws(&denied(Operation::AssumeRole, HUB, "AccessDenied", "no")), &context);
    assert!(
        first
            .fix
            .contains("\"AWS\":\"arn:aws:iam::111111111111:role/task\""),
        "{first:?}"
    );
    assert!(
        first
            .fix
            .contains("a missing external id gives the same answer"),
        "{first:?}"
    );
    let second = explained(&CheckError::Aws(&denied(Operation::AssumeRole, ROLE, "AccessDenied", "no")), &context);
    assert!(second.fix.contains(&format!("\"AWS\":\"{HUB}\"")), "{second:?}");
}

#[test]
fn stored_values_are_in_the_own_account_or_that_of_their_arn() {
    let context = with(|spec| {
        spec.login = LoginFrom::Parameter { name: "/x/pw".into(), user: None, secret_id: Some("prod/x".into()) };
    });
    for (operation, on, region) in [
        (Operation::GetParameter, "/x/pw", "us-east-1"),
        (Operation::GetParameter, "/x/id", "us-east-1"),
        (Operation::GetSecretValue, "prod/x", "us-east-1"),
        (Operation::GetParameter, "arn:aws:ssm:eu-north-1:123456789012:parameter/x", "eu-north-1"),
        (Operation::GetSecretValue, "arn:aws:secretsmanager:eu-north-1:123456789012:secret:x-AbCdEf", "eu-north-1"),
        (Operation::GetWorkgroup, "wg1", "eu-west-1"),
    ] {
        assert_eq!(context.region_of(&Call::new(operation, on)), region, "{operation} {on}");
    }
}

#[test]
fn statements_are_of_the_partition_that_they_are_for() {
    let mut context = context();
    (context.region, context.home) = (Some("cn-north-1".into()), Some("cn-north-1".into()));
    let error =
        denied(Operation::GetParameter, "arn:aws-cn:ssm:cn-north-1:1:parameter/x", "AccessDeniedException", "no");
    let said = explained(&CheckError::Aws(&error), &context);
    assert!(
        said.fix
            .contains("\"arn:aws-cn:ssm:cn-north-1:1:parameter/x\""),
        "{said:?}"
    );
    let error = denied(Operation::GetParameter, "x", "AccessDeniedException", "no");
    let said = explained(&CheckError::Aws(&error), &context);
    assert!(
        said.fix
            .contains("\"arn:aws-cn:ssm:cn-north-1:111111111111:parameter/x\""),
        "{said:?}"
    );
}

#[test]
fn every_cause_on_the_way_to_the_warehouse_has_a_fix_of_its_own() {
    let address: SocketAddr = "10.0.0.1:5439".parse().unwrap();
    let connect = |kind: ErrorKind| UpstreamError::Connect { address, source: kind.into() };
    let resolve = |kind: ErrorKind| UpstreamError::Resolve { host: "wg.example.com".into(), source: kind.into() };
    let certificate = |why: CertificateError| UpstreamError::Certificate {
        address,
        name: "wg.example.com".into(),
        source: io::Error::new(ErrorKind::InvalidData, rustls::Error::InvalidCertificate(why)),
    };
    let tls = |kind: ErrorKind| UpstreamError::Tls { address, source: kind.into() };
    let refused = |state: &str, text: &str| UpstreamError::Refused(ServerError::of(state, text));
    let no_name = rustls::pki_types::DnsName::try_from("a b").unwrap_err();
    let login = |text: &str| UpstreamError::LoginRefused(ServerError::of("28000", text));
    let rows = [
        (resolve(ErrorKind::TimedOut), "/etc/resolv.conf"),
        (resolve(ErrorKind::Other), "correct host; or"),
        (UpstreamError::Forbidden { host: "wg.example.com".into() }, "no warehouse has"),
        (UpstreamError::ServerName { host: "a b".into(), source: no_name }, "give tls_server_name"),
        (UpstreamError::Roots, "a fault of the proxy"),
        (connect(ErrorKind::TimedOut), "time-out = security group: let this machine in to TCP 5439"),
        (connect(ErrorKind::ConnectionRefused), "refused = port: nothing listens on 5439"),
        (connect(ErrorKind::NetworkUnreachable), "no route to wg.example.com"),
        (connect(ErrorKind::Other), "why this machine cannot connect"),
        (UpstreamError::TlsRefused { address, answer: 'N' }, "no Redshift endpoint, which always does TLS"),
        (certificate(CertificateError::NotValidForName), "set tls_server_name"),
        (certificate(CertificateError::UnknownIssuer), "set upstream.ca"),
        (certificate(CertificateError::Expired), "set the clock"),
        (certificate(CertificateError::BadSignature), "send another certificate"),
        (tls(ErrorKind::TimedOut), "upstream.tls_timeout"),
        (tls(ErrorKind::InvalidData), "openssl s_client"),
        (UpstreamError::Closed(WireError::Closed), "a workgroup that wakes up"),
        (login("user \"IAMR:rs01\" does not exist"), "create the user: CREATE USER \"IAMR:rs01\" PASSWORD DISABLE"),
        (login("password authentication failed"), "GRANT USAGE ON DATABASE \"dev\" TO \"IAMR:rs01\""),
        (refused("3D000", "no"), "correct database"),
        (refused("42501", "no"), "GRANT USAGE ON DATABASE \"dev\""),
        (refused("53300", "no"), "too many sessions"),
        (refused("57P03", "no"), "starting or in maintenance"),
        (refused("42704", "no"), "sends two parameters only"),
        (refused("XX000", "no"), "the warehouse's own words"),
        (UpstreamError::Authentication("12".into()), "not through an identity provider"),
        (UpstreamError::Protocol("no"), "it is no Redshift endpoint"),
    ];
    let context = context();
    let mut fixes = BTreeSet::new();
    for (error, fix) in &rows {
        let told = explained(&CheckError::Warehouse(error), &context);
        assert!(told.fix.contains(fix), "{fix}\n{told:?}");
        assert!(fixes.insert(told.fix.clone()), "said of another too: {told:?}");
    }
    let late = explained(&CheckError::LoginTimeout(Duration::from_secs(120)), &context);
    assert!(late.what.contains("within 120 s") && late.fix.contains("upstream.login_timeout"), "{late:?}");
}

#[test]
fn a_refused_login_is_fixed_where_its_user_comes_from() {
    let refused = UpstreamError::LoginRefused(ServerError::of("28000", "password authentication failed"));
    let mut stored = context();
    stored.db_user = Some("adam".into());
    let said = explained(&CheckError::Warehouse(&refused), &stored);
    assert!(said.fix.contains("the stored password is that of \"adam\""), "{said:?}");
    let mut own = with(|spec| {
        let cluster = Cluster { id: None, auto_create: false, db_groups: Vec::new(), deny_db_users: Vec::new() };
        (spec.target, spec.login) = (Target::Cluster(cluster), LoginFrom::Iam(LoginAs::PerUser));
    });
    own.db_user = Some("IAM:adam".into());
    let said = explained(&CheckError::Warehouse(&refused), &own);
    assert!(
        said.fix
            .contains("CREATE USER \"adam\" PASSWORD DISABLE, or set auto_create"),
        "{said:?}"
    );
}

#[test]
fn every_cause_in_the_configuration_has_a_fix_of_its_own() {
    let context = context();
    let mut fixes = BTreeSet::new();
    for (error, fix) in [
        (CheckError::UnknownUser("ann"), "add [users.\"ann\"]"),
        (CheckError::UnknownUser("ann~sales"), "give the user alone, \"ann\""),
        (CheckError::DisabledUser("ann"), "set users.\"ann\".enabled = true"),
        (CheckError::NoRight("ann"), "add \"sales\" to users.\"ann\".connections"),
        (CheckError::Disabled, "set connections.\"sales\".enabled = true"),
        (CheckError::NeedsUser, "give --user"),
    ] {
        let told = explained(&error, &context);
        assert!(told.fix.contains(fix), "{told:?}");
        assert!(fixes.insert(told.fix.clone()), "said of another too: {told:?}");
    }
}
