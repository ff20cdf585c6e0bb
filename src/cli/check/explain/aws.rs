//! Explains errors of calls to AWS.

use std::fmt;

use super::unreachable::NO_REGION;
use super::words::{is_about_credentials, is_about_region, last_cause, plain};
use super::{denied, known, profile, table, token, unreachable};
use crate::aws::{AwsError, Call, Code, Operation};
use crate::cli::check::context::{Context, Explanation};
use crate::config::SpecsTable;
use crate::fault;

/// The fix where the SDK's chain finds no credentials.
const NO_CREDENTIALS: &str = "give this machine an identity: a task role, an instance profile, EKS Pod Identity, or AWS_PROFILE or \
     AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment";

/// Explains an error that is its own root.
pub(super) fn explain(error: &AwsError, context: &Context) -> Explanation {
    let what = || plain(&fault::chain(error));
    match error {
        AwsError::Denied { call, code: Code::NoCredentials, source } => {
            let text = source.to_string();
            let why = format_args!("{call}: the SDK's chain found no credentials: {}", last_cause(&text));
            profile::explain(call, &text).unwrap_or_else(|| Explanation::new(why, NO_CREDENTIALS))
        }
        AwsError::Denied { call, code, source } => {
            let text = plain(&source.to_string());
            let fix = match code {
                Code::Aws(code) => refused(call, code, &text, context),
                _ if is_about_region(&text) => NO_REGION.to_owned(),
                _ if is_about_credentials(&text) => NO_CREDENTIALS.to_owned(),
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
        AwsError::Unavailable { call, code, source } => unreachable::explain(call, code, &source.to_string(), context)
            .unwrap_or_else(|| Explanation::new(what(), away(call, code, context))),
        AwsError::Unusable { call, what: why } => Explanation::new(what(), known::unusable(call, why, context)),
        AwsError::TokenFile { path, source } => Explanation::new(what(), token::fix(path, source.kind())),
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

/// The fix for a final refusal by AWS.
fn refused(call: &Call, code: &str, text: &str, context: &Context) -> String {
    match code {
        _ if denied::is_denial(code) => denied::fix(call, text, context),
        "PackedPolicyTooLarge" | "PackedPolicyTooLargeException" => packed(context),
        _ => known::refused(call, code, text, context).unwrap_or_else(|| incorrect(call, code)),
    }
}

/// The fix where nothing is known of AWS's code.
fn incorrect(call: &Call, code: impl fmt::Display) -> String {
    format!("correct what {} was asked for: {code} in its API reference", call.operation)
}

/// The fix where all session tags together are too long: those asked for here, and those that the
/// caller's own session passes on.
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

/// Lava's table, if the call reads it.
fn table_of<'c>(call: &Call, context: &'c Context) -> Option<&'c SpecsTable> {
    context
        .table
        .as_ref()
        .filter(|_| call.operation == Operation::GetItem)
}

/// Whether AWS could not be reached, which says nothing of the caller's keys.
pub(crate) fn is_unreachable(error: &AwsError) -> bool {
    match error.root() {
        AwsError::Unavailable { code, .. } => matches!(code, Code::Timeout | Code::NoConnection),
        AwsError::Deadline { .. } => true,
        _ => false,
    }
}

/// The fix where AWS itself fails.
fn away(call: &Call, code: &Code, context: &Context) -> String {
    let (service, region) = (call.operation.service(), context.region_of(call));
    format!("AWS fails ({code}): try again, and see {service} in {region} at health.aws.amazon.com")
}
