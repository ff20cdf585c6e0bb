//! What goes wrong on AWS's side.

use std::error::Error;
use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::iam::{self, Denial};
use super::{profile, table};
use crate::aws::{AwsError, Call, Code, Operation, partition};
use crate::cli::check::context::{Context, Explanation};
use crate::cli::iam_policy::permission_set;
use crate::config::SpecsTable;
use crate::fault;

/// Codes of "no policy allows it".
const DENIED: &[&str] = &["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"];

/// Codes of a signature that is not of this time, or wrong.
const SIGNATURE: &[&str] =
    &["SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed", "RequestExpired"];

/// Explains an error that is its own root.
pub(super) fn explain(error: &AwsError, context: &Context) -> Explanation {
    let what = || plain(&fault::chain(error));
    match error {
        AwsError::Denied { call, code: Code::NoCredentials, source } => {
            let text = source.to_string();
            let why = format_args!("{call}: the SDK's chain found no credentials: {}", last_cause(&text));
            profile::explain(call, &text).unwrap_or_else(|| Explanation::new(why, no_credentials()))
        }
        AwsError::Denied { call, code, source } => {
            let text = plain(&source.to_string());
            let fix = match code {
                Code::Aws(code) => refused(call, code, &text, context),
                _ if has_no_region(&text) => no_region(),
                _ if is_of_provider(&text) => no_credentials(),
                _ => incorrect(call, code),
            };
            Explanation::new(what(), fix)
        }
        AwsError::Throttled { call, .. } if let Some(table) = table_of(call, context) => {
            Explanation::new(what(), table::throttled(table))
        }
        AwsError::Throttled { call, .. } => Explanation::new(
            what(),
            format_args!(
                "wait a minute and try again; if it stays so, find who else calls {}, or have AWS raise its quota in \
                 {}",
                call.operation,
                context.region_of(call)
            ),
        ),
        AwsError::Unavailable { call, code, source } => unavailable(call, code, &source.to_string(), context)
            .unwrap_or_else(|| Explanation::new(what(), away(call, code, context))),
        AwsError::Unusable { call, what: why } => Explanation::new(what(), unusable(call, why, context)),
        AwsError::TokenFile { path, source } => Explanation::new(what(), token_file(path, source.kind())),
        // Nothing else is waited for that long before the item is read.
        AwsError::Deadline { .. } if context.table.is_some() && context.spec.is_none() => {
            Explanation::new(what(), table::late(context.region_of(&Call::new(Operation::GetItem, ""))))
        }
        AwsError::Spec(_) => {
            let id = context.conn_id.as_str();
            let whose = match &context.table {
                Some(table) => format!("the item {id:?} of {}", table.dynamodb_table),
                None => format!("connections.{id:?}"),
            };
            Explanation::new(what(), format_args!("complete {whose}, or the secret that it names"))
        }
        AwsError::Bounds(error) => match &context.table {
            Some(table) => table::overstepped(error, table),
            None => Explanation::new(what(), "this is a fault of the proxy: only the table's items have bounds"),
        },
        AwsError::Deadline { .. } => {
            Explanation::new(what(), "try again; if it is always so, raise credentials.timeout")
        }
        AwsError::Lost | AwsError::Needed(_) | AwsError::Of { .. } => {
            Explanation::new(what(), "this is a fault of the proxy: report it, with its log at level debug")
        }
    }
}

/// What to do about a final refusal by AWS.
fn refused(call: &Call, code: &str, text: &str, context: &Context) -> String {
    let (on, region) = (&call.on, context.region_of(call));
    if DENIED.contains(&code) {
        return denied(call, text, context);
    }
    if SIGNATURE.contains(&code) {
        let is_of_time = code.starts_with("Request")
            || ["xpired", "not yet current", "too skewed"]
                .iter()
                .any(|mark| text.contains(mark));
        if text.contains("scoped to a valid region") {
            return format!("{} takes no signatures for {region}: correct region", call.operation.service());
        }
        return if is_of_time {
            "set the clock of this machine: NTP (AWS bears with five minutes)".to_owned()
        } else {
            "the secret access key does not fit its key id: renew the base credentials".to_owned()
        };
    }
    if let Some(fix) = table_of(call, context).and_then(|table| table::refused(code, table, region)) {
        return fix;
    }
    match (code, call.operation) {
        ("ParameterNotFound" | "ParameterVersionNotFound", _) => format!(
            "create it, with {} as its value: aws ssm put-parameter --region {region} --type SecureString --name {on} \
             --value …; or correct the name",
            if context.is_external_id(on) { "the external id" } else { "the password" }
        ),
        ("ResourceNotFoundException", Operation::GetSecretValue) => {
            let is_specs = context.spec.as_ref().is_some_and(|spec| spec.login.secret_id() == Some(on));
            let key = if is_specs { "secret_id" } else { "the user's password" };
            format!("create the secret {on} in {region}, or correct {key}")
        }
        ("InvalidRequestException", Operation::GetSecretValue) => {
            format!(
                "a secret marked for deletion: aws secretsmanager restore-secret --region {region} --secret-id {on}"
            )
        }
        ("ResourceNotFoundException", _) => {
            format!("there is no workgroup {on} in {region}: correct workgroup, region or the account of role_arn")
        }
        ("ClusterNotFound" | "ClusterNotFoundFault", _) => {
            format!("there is no cluster {on} in {region}: correct cluster_id, region or the account of role_arn")
        }
        ("InvalidKeyId" | "DecryptionFailure", _) => {
            format!(
                "the KMS key of {on} is disabled, deleted or of another account: enable it, or store the value anew"
            )
        }
        ("InvalidIdentityToken" | "InvalidIdentityTokenException", _) => {
            "STS does not accept the token: its issuer has to be an IAM OIDC provider of the role's account, its aud \
             (sts.amazonaws.com) one of that provider's"
                .to_owned()
        }
        ("IDPRejectedClaim" | "IDPRejectedClaimException", _) => {
            "the issuer does not vouch for this token any more: have a new one issued".to_owned()
        }
        ("InvalidClientTokenId" | "UnrecognizedClientException" | "InvalidAccessKeyId", _) => {
            "the base access key is unknown, inactive or of another partition: renew the base credentials; a key that was \
             just made is known everywhere after a minute or two"
                .to_owned()
        }
        (
            "IncompleteSignature" | "IncompleteSignatureException" | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException",
            _,
        ) => "the request came without its signature: the base credentials are empty or hold blanks, or something between \
              here and AWS takes headers away"
            .to_owned(),
        ("OptInRequired" | "SubscriptionRequiredException", _) => {
            format!("the account of the base credentials may not use {}: activate it, or its Region", call.operation.service())
        }
        ("ExpiredToken" | "ExpiredTokenException", Operation::AssumeRoleWithWebIdentity) => {
            "the token in web_identity_token_file has expired: see to it that who writes it renews it".to_owned()
        }
        ("ExpiredToken" | "ExpiredTokenException", _) => {
            "the base credentials have expired: renew them (a session of the CLI, or whoever hands them out)".to_owned()
        }
        ("RegionDisabledException", _) => format!("activate STS for {region} in the account of {on}"),
        ("PackedPolicyTooLarge" | "PackedPolicyTooLargeException", _) => {
            packed(context)
        }
        _ => incorrect(call, code),
    }
}

/// What to do where nothing is known of a code.
fn incorrect(call: &Call, code: impl Display) -> String {
    format!("correct what {} was asked for: {code} in its API reference", call.operation)
}

/// All session tags together are too long: those asked for here, and those that the caller's own
/// session passes on.
fn packed(context: &Context) -> String {
    let has_tags = context
        .spec
        .as_ref()
        .is_some_and(|spec| !spec.roles.tags.is_empty() || spec.is_per_user());
    // Session names of EKS Pod Identity: eks-CLUSTER-POD-UUID.
    let base = context.base.as_deref().unwrap_or_default();
    let is_pod = base.contains(":assumed-role/")
        && base
            .rsplit('/')
            .next()
            .is_some_and(|name| name.starts_with("eks-"));
    let own = "fewer or shorter tags and db_roles";
    let pods = "EKS Pod Identity puts six transitive tags of its own (cluster, namespace, pod, service account) into each \
                session, which count as well: shorten those names, or set disableSessionTags in the pod identity association";
    match (has_tags, is_pod) {
        (true, true) => format!("{own}: all session tags together are too long; {pods}"),
        (false, _) => {
            format!("all session tags together are too long, and none of them are of this connection: {pods}")
        }
        (true, false) => {
            format!("{own}: all session tags together are too long; under EKS Pod Identity its six count too")
        }
    }
}

/// No policy allows it.
fn denied(call: &Call, text: &str, context: &Context) -> String {
    let caller = context.caller_of(call);
    if text.contains("explicit deny") {
        return format!(
            "a policy denies this expressly to {caller}, which wins over every Allow: change it (identity, resource, \
             VPC endpoint, permissions boundary or service control policy)"
        );
    }
    if is_of_kms(call, text) {
        return format!(
            "let {} decrypt with the KMS key of {}, in its policy and the key's: {}",
            iam::principal(&caller),
            call.on,
            iam::decrypt(text)
        );
    }
    let statement = iam::missing(call, text, context);
    if let Some(policy) = outer_policy(text) {
        return format!("add to the {policy} that bounds {}: {statement}", iam::principal(&caller));
    }
    match call.operation {
        Operation::AssumeRoleWithWebIdentity => format!(
            "add to the trust policy of {}: {}; sub and aud have to be the token's",
            call.on,
            iam::trust_web_identity(&call.on)
        ),
        Operation::AssumeRole if permission_set(call.on.rsplit('/').next().unwrap_or_default()).is_some() => {
            format!(
                "name another role: {} is IAM Identity Center's, whose sessions it alone hands out; or, where the base \
             identity is to be a session of it, leave role_arn (and tags) out",
                call.on
            )
        }
        Operation::AssumeRole => {
            let action = Denial::read(text)
                .action
                .filter(|action| action.starts_with("sts:"))
                .unwrap_or(Operation::AssumeRole.action());
            let external_id = context.external_id_of(&call.on);
            let otherwise = match external_id {
                Some(name) => format!(
                    "a wrong external id gives the same answer: the value of {name} has to be the sts:ExternalId of \
                     the trust policy"
                ),
                None => "a missing external id gives the same answer: where the trust policy asks for sts:ExternalId, \
                         set external_id"
                    .to_owned(),
            };
            format!(
                "add to the policy of {}: {statement}; and to the trust policy of {}: {}; {otherwise}",
                iam::principal(&caller),
                call.on,
                iam::trust(action, &caller, external_id)
            )
        }
        _ => format!("add to the policy of {}: {statement}", iam::principal(&caller)),
    }
}

/// The table that a call reads.
fn table_of<'c>(call: &Call, context: &'c Context) -> Option<&'c SpecsTable> {
    context
        .table
        .as_ref()
        .filter(|_| call.operation == Operation::GetItem)
}

/// The value may be read, but not with its key: SSM and Secrets Manager each have words of their
/// own for it.
fn is_of_kms(call: &Call, text: &str) -> bool {
    let is_stored = match call.operation {
        Operation::GetItem
        | Operation::Scan
        | Operation::GetParameter
        | Operation::GetParametersByPath
        | Operation::GetSecretValue => true,
        Operation::AssumeRole
        | Operation::AssumeRoleWithWebIdentity
        | Operation::DescribeClusters
        | Operation::GetCallerIdentity
        | Operation::GetClusterCredentials
        | Operation::GetClusterCredentialsWithIam
        | Operation::GetCredentials
        | Operation::GetWorkgroup => false,
    };
    is_stored
        && ["kms:Decrypt", "KMS", "ciphertext refers to"]
            .iter()
            .any(|mark| text.contains(mark))
}

/// AWS says which kind of policy lacks the statement; these bound what the caller's own policy
/// grants.
fn outer_policy(text: &str) -> Option<&'static str> {
    const OUTER: [(&str, &str); 5] = [
        ("no VPC endpoint policy allows", "VPC endpoint policy"),
        ("no permissions boundary allows", "permissions boundary"),
        ("no session policy allows", "session policy"),
        ("no service control policy allows", "service control policy"),
        ("no resource control policy allows", "resource control policy"),
    ];
    OUTER
        .iter()
        .find(|(mark, _)| text.contains(mark))
        .map(|(_, policy)| *policy)
}

/// What does not come from AWS itself. `None`: AWS is away.
fn unavailable(call: &Call, code: &Code, text: &str, context: &Context) -> Option<Explanation> {
    let (service, region) = (call.operation.service(), context.region_of(call));
    Some(match code {
        Code::NoConnection if has_no_region(text) => {
            Explanation::new(format_args!("{call}: no region is known"), no_region())
        }
        Code::NoConnection if is_of_provider(text) && profile::explain(call, text).is_some() => {
            return profile::explain(call, text);
        }
        Code::NoConnection if is_of_provider(text) => Explanation::new(
            format_args!("{call}: the base credentials cannot be fetched: {}", last_cause(text)),
            "see whoever hands them out: the metadata service of the container or the instance, the EKS Pod Identity \
             Agent, or STS",
        ),
        Code::NoConnection | Code::Timeout if let Some((proxy, variable)) = &context.forward_proxy => {
            through_proxy(call, code, text, (proxy, variable), region)
        }
        Code::NoConnection | Code::Timeout => {
            let domain = partition::dns_suffix(region);
            let cause = last_cause(text);
            let cause = if *code == Code::Timeout { "no answer in time" } else { cause };
            Explanation::new(
                format_args!("{call}: {service} cannot be reached in {region}: {cause}"),
                format_args!(
                    "give this machine a way to {service}.{region}.{domain}:443: a VPC endpoint \
                     (com.amazonaws.{region}.{service}, its security group open to this machine) or a NAT gateway; \
                     check aws.endpoint_url and the region"
                ),
            )
        }
        Code::Unreadable => Explanation::new(
            format_args!("{call}: what answered is not {service}"),
            "see who answers in its place: aws.endpoint_url, AWS_ENDPOINT_URL_* or an HTTP proxy",
        ),
        Code::Aws(_) | Code::NoCredentials | Code::Unbuilt => return None,
    })
}

/// Explains a web identity token that was not read.
pub(crate) fn token_unread(path: &Path, error: &io::Error) -> Explanation {
    let what = format!("web_identity_token_file {}: {}", path.display(), fault::chain(error));
    Explanation::new(plain(&what), token_file(path, error.kind()))
}

/// What to do about a web identity token that cannot be read from its file.
fn token_file(path: &Path, kind: ErrorKind) -> String {
    let path = path.display();
    match kind {
        ErrorKind::NotFound => format!("mount the token at {path}, or correct web_identity_token_file"),
        ErrorKind::PermissionDenied => format!("let the user of the proxy read {path}"),
        _ => format!("have a web identity token (a JWT, and nothing else) written to {path}"),
    }
}

/// A call that went through a forward proxy, or would have but for NO_PROXY.
fn through_proxy(call: &Call, code: &Code, text: &str, (proxy, variable): (&str, &str), region: &str) -> Explanation {
    let service = call.operation.service();
    if text.contains("proxy authorization required") {
        return Explanation::new(
            format_args!("{call}: the forward proxy {proxy} wants a user and a password (407)"),
            format_args!(
                "give it in {variable}: http://USER:PASSWORD@{proxy} (percent-encoded); or have calls of {service} in \
                 {region} pass it by, with NO_PROXY and a VPC endpoint"
            ),
        );
    }
    let cause = if *code == Code::Timeout { "no answer in time" } else { last_cause(text) };
    Explanation::new(
        format_args!("{call}: {service} cannot be reached in {region} through the forward proxy {proxy}: {cause}"),
        format_args!(
            "see that {variable} names a proxy that is up and lets CONNECT to {service} in {region} through; or, where a \
             VPC endpoint or a NAT gateway is the way, list it in NO_PROXY"
        ),
    )
}

/// Whether nobody answered, which says nothing of the caller's keys.
pub(crate) fn is_unreachable(error: &AwsError) -> bool {
    match error.root() {
        AwsError::Unavailable { code, .. } => matches!(code, Code::Timeout | Code::NoConnection),
        AwsError::Deadline { .. } => true,
        _ => false,
    }
}

fn away(call: &Call, code: &Code, context: &Context) -> String {
    let (service, region) = (call.operation.service(), context.region_of(call));
    format!("AWS fails ({code}): try again, and see {service} in {region} at health.aws.amazon.com")
}

/// What was fetched, but will not do.
fn unusable(call: &Call, why: &str, context: &Context) -> String {
    let (on, region) = (&call.on, context.region_of(call));
    let has = |mark: &str| why.contains(mark);
    match call.operation {
        Operation::GetParameter if has("plain String") => format!(
            "store it anew: aws ssm delete-parameter --region {region} --name {on}, then put-parameter --type \
             SecureString with the same name"
        ),
        Operation::GetParameter if has("external id") => format!(
            "store the external id that the trust policy names, without quotes or a newline: aws ssm put-parameter \
             --region {region} --overwrite --type SecureString --name {on} --value …"
        ),
        Operation::GetParameter => format!(
            "store the password: aws ssm put-parameter --region {region} --overwrite --type SecureString --name {on} \
             --value …"
        ),
        Operation::GetSecretValue if has("binary") => {
            format!(
                "store it as text: aws secretsmanager put-secret-value --region {region} --secret-id {on} \
                 --secret-string …"
            )
        }
        Operation::GetSecretValue if has("not JSON") || has("not a JSON object") => format!(
            "store a JSON object in {on}, as Secrets Manager's own rotation does: {{\"username\":…,\"password\":…}}"
        ),
        Operation::GetSecretValue => format!("correct that field of the secret {on}"),
        Operation::GetWorkgroup | Operation::DescribeClusters => {
            format!("wait until {on} is available (or resume it), or give host and port")
        }
        _ => format!("what answers {} is not AWS, or a newer one than this version knows", call.operation),
    }
}

fn no_region() -> String {
    "set aws.region, or the connection's region".to_owned()
}

fn no_credentials() -> String {
    "give this machine an identity: a task role, an instance profile, EKS Pod Identity, or AWS_PROFILE or \
     AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
        .to_owned()
}

/// Words of the SDK's: its types do not come this far.
fn is_of_provider(text: &str) -> bool {
    ["credential provider", "in chain provided credentials", "credentials provider", "loading credentials"]
        .iter()
        .any(|mark| text.contains(mark))
}

fn has_no_region(text: &str) -> bool {
    text.to_lowercase().contains("region must be set") || text.contains("Missing Region")
}

/// The innermost cause of the SDK's chain.
fn last_cause(chain: &str) -> &str {
    chain.rsplit(": ").next().unwrap_or(chain)
}

/// Without the layers of the SDK and its HTTP client.
fn plain(chain: &str) -> String {
    const LAYERS: [&str; 6] = [
        "dispatch failure: ",
        "io error: ",
        "client error (Connect): ",
        "client error (SendRequest): ",
        "service error: ",
        "other: ",
    ];
    let text = LAYERS
        .iter()
        .fold(chain.to_owned(), |text, layer| text.replace(layer, ""));
    text.trim_end_matches(": no message").to_owned()
}

/// The cause of a whole chain, for texts of our own.
pub(crate) fn causes(error: &dyn Error) -> String {
    plain(&fault::chain(error))
}
