//! Explains missing rights: which statement to add, and to which policy.

use super::iam::{self, Denial};
use crate::aws::{Call, Operation};
use crate::cli::check::context::Context;
use crate::cli::iam_policy::permission_set;

/// Codes of "no policy allows it".
const DENIED: &[&str] = &["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"];

/// Whether AWS says by this code that a right is missing.
pub(super) fn is_denial(code: &str) -> bool {
    DENIED.contains(&code)
}

/// The fix where no policy allows a call.
pub(super) fn fix(call: &Call, text: &str, context: &Context) -> String {
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

/// Whether the right to decrypt a stored value is missing: SSM and Secrets Manager each have words
/// of their own for it.
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

/// The kind of policy that lacks the statement, if it is one that bounds what the caller's own
/// policy grants.
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
