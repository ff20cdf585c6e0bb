//! Final answers of AWS that are known, each with its fix: a table, read top down.

use super::fill::fill;
use crate::aws::{Call, EXPIRED, Operation, UNKNOWN_KEY};
use crate::cli::check::context::Context;

/// An answer that is known, and what to do about it.
struct Known {
    /// The operations whose answer it is; empty where it may be any one's.
    operations: &'static [Operation],
    /// AWS's codes, one of which it has; empty for an answer that has none.
    codes: &'static [&'static str],
    /// Words, one of which are in its text; empty where the text does not matter.
    marks: &'static [&'static str],
    /// The fix. [`value`] says what stands for the names in braces.
    fix: &'static str,
}

/// The codes of a signature that is wrong, or not of this time: which, its text says.
const SIGNATURE: &[&str] = &["SignatureDoesNotMatch", "InvalidSignatureException"];

const UNKNOWN: &str = "the base access key is unknown, inactive or of another partition: renew the base \
                       credentials; a key that was just made is known everywhere after a minute or two";

const CLOCK: &str = "set the clock of this machine: NTP (AWS bears with five minutes)";

/// Refusals, but for a lack of rights.
const REFUSED: &[Known] = &[
    Known {
        operations: &[],
        codes: &["SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed", "RequestExpired"],
        marks: &["scoped to a valid region"],
        fix: "{service} takes no signatures for {region}: correct region",
    },
    Known { operations: &[], codes: &["RequestTimeTooSkewed", "RequestExpired"], marks: &[], fix: CLOCK },
    Known { operations: &[], codes: SIGNATURE, marks: &["xpired", "not yet current", "too skewed"], fix: CLOCK },
    Known {
        operations: &[],
        codes: SIGNATURE,
        marks: &[],
        fix: "the secret access key does not fit its key id: renew the base credentials",
    },
    Known {
        operations: &[Operation::GetItem],
        codes: &["ResourceNotFoundException"],
        marks: &[],
        fix: "there is no table {table} in {region}: correct specs.dynamodb_table, aws.region or the account of the \
              base identity",
    },
    Known {
        operations: &[Operation::GetItem],
        codes: &["ValidationException"],
        marks: &[],
        fix: "the key of {table} has to be conn_id, a string, and nothing more: correct specs.dynamodb_table",
    },
    Known {
        operations: &[],
        codes: &["ParameterNotFound", "ParameterVersionNotFound"],
        marks: &[],
        fix: "create it, with {content} as its value: aws ssm put-parameter --region {region} --type SecureString \
              --name {on} --value …; or correct the name",
    },
    Known {
        operations: &[Operation::GetSecretValue],
        codes: &["ResourceNotFoundException"],
        marks: &[],
        fix: "create the secret {on} in {region}, or correct {key}",
    },
    Known {
        operations: &[Operation::GetSecretValue],
        codes: &["InvalidRequestException"],
        marks: &[],
        fix: "a secret marked for deletion: aws secretsmanager restore-secret --region {region} --secret-id {on}",
    },
    Known {
        operations: &[],
        codes: &["ResourceNotFoundException"],
        marks: &[],
        fix: "there is no workgroup {on} in {region}: correct workgroup, region or the account of role_arn",
    },
    Known {
        operations: &[],
        codes: &["ClusterNotFound", "ClusterNotFoundFault"],
        marks: &[],
        fix: "there is no cluster {on} in {region}: correct cluster_id, region or the account of role_arn",
    },
    Known {
        operations: &[],
        codes: &["InvalidKeyId", "DecryptionFailure"],
        marks: &[],
        fix: "the KMS key of {on} is disabled, deleted or of another account: enable it, or store the value anew",
    },
    Known {
        operations: &[],
        codes: &["InvalidIdentityToken", "InvalidIdentityTokenException"],
        marks: &[],
        fix: "STS does not accept the token: its issuer has to be an IAM OIDC provider of the role's account, its aud \
              (sts.amazonaws.com) one of that provider's",
    },
    Known {
        operations: &[],
        codes: &["IDPRejectedClaim", "IDPRejectedClaimException"],
        marks: &[],
        fix: "the issuer does not vouch for this token any more: have a new one issued",
    },
    Known { operations: &[], codes: &UNKNOWN_KEY, marks: &[], fix: UNKNOWN },
    // A spelling of other services, which something in place of AWS may use.
    Known { operations: &[], codes: &["InvalidAccessKeyId"], marks: &[], fix: UNKNOWN },
    Known {
        operations: &[],
        codes: &[
            "IncompleteSignature",
            "IncompleteSignatureException",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
        ],
        marks: &[],
        fix: "the request came without its signature: the base credentials are empty or hold blanks, or something \
              between here and AWS takes headers away",
    },
    Known {
        operations: &[],
        codes: &["OptInRequired", "SubscriptionRequiredException"],
        marks: &[],
        fix: "the account of the base credentials may not use {service}: activate it, or its Region",
    },
    Known {
        operations: &[Operation::AssumeRoleWithWebIdentity],
        codes: &EXPIRED,
        marks: &[],
        fix: "the token in web_identity_token_file has expired: see to it that who writes it renews it",
    },
    Known {
        operations: &[],
        codes: &EXPIRED,
        marks: &[],
        fix: "the base credentials have expired: renew them (a session of the CLI, or whoever hands them out)",
    },
    Known {
        operations: &[],
        codes: &["RegionDisabledException"],
        marks: &[],
        fix: "activate STS for {region} in the account of {on}",
    },
];

/// Values that were fetched, but will not do. The words are the proxy's own.
const UNUSABLE: &[Known] = &[
    Known {
        operations: &[Operation::GetParameter],
        codes: &[],
        marks: &["plain String"],
        fix: "store it anew: aws ssm delete-parameter --region {region} --name {on}, then put-parameter --type \
              SecureString with the same name",
    },
    Known {
        operations: &[Operation::GetParameter],
        codes: &[],
        marks: &["external id"],
        fix: "store the external id that the trust policy names, without quotes or a newline: aws ssm put-parameter \
              --region {region} --overwrite --type SecureString --name {on} --value …",
    },
    Known {
        operations: &[Operation::GetParameter],
        codes: &[],
        marks: &[],
        fix: "store the password: aws ssm put-parameter --region {region} --overwrite --type SecureString --name {on} \
              --value …",
    },
    Known {
        operations: &[Operation::GetSecretValue],
        codes: &[],
        marks: &["binary"],
        fix: "store it as text: aws secretsmanager put-secret-value --region {region} --secret-id {on} \
              --secret-string …",
    },
    Known {
        operations: &[Operation::GetSecretValue],
        codes: &[],
        marks: &["not JSON", "not a JSON object"],
        fix: "store a JSON object in {on}, as Secrets Manager's own rotation does: {\"username\":…,\"password\":…}",
    },
    Known {
        operations: &[Operation::GetSecretValue],
        codes: &[],
        marks: &[],
        fix: "correct that field of the secret {on}",
    },
    Known {
        operations: &[Operation::GetWorkgroup, Operation::DescribeClusters],
        codes: &[],
        marks: &[],
        fix: "wait until {on} is available (or resume it), or give host and port",
    },
    Known {
        operations: &[],
        codes: &[],
        marks: &[],
        fix: "what answers {operation} is not AWS, or a newer one than this version knows",
    },
];

/// The fix for a refusal. `None`: nothing is known of its code.
pub(super) fn refused(call: &Call, code: &str, text: &str, context: &Context) -> Option<String> {
    let known = find(REFUSED, call.operation, Some(code), text)?;
    Some(fill(known.fix, |name| value(name, call, context)))
}

/// The fix for an answer, or a stored value, that cannot be used.
pub(super) fn unusable(call: &Call, why: &str, context: &Context) -> String {
    // The last row is of whatever is left.
    let fix = find(UNUSABLE, call.operation, None, why).map_or("", |known| known.fix);
    fill(fix, |name| value(name, call, context))
}

/// The first row that an answer fits.
fn find(table: &'static [Known], operation: Operation, code: Option<&str>, text: &str) -> Option<&'static Known> {
    table.iter().find(|known| {
        (known.operations.is_empty() || known.operations.contains(&operation))
            && code.is_none_or(|code| known.codes.contains(&code))
            && (known.marks.is_empty() || known.marks.iter().any(|mark| text.contains(mark)))
    })
}

/// The text that stands for a name in a fix. `None`: the word is no name, but part of the text.
fn value(name: &str, call: &Call, context: &Context) -> Option<String> {
    let secret_id = context
        .spec
        .as_ref()
        .and_then(|spec| spec.login.secret_id());
    Some(match name {
        "content" if context.is_external_id(&call.on) => "the external id".to_owned(),
        "content" => "the password".to_owned(),
        "key" if secret_id == Some(&call.on) => "secret_id".to_owned(),
        "key" => "the user's password".to_owned(),
        "on" => call.on.clone(),
        "operation" => call.operation.to_string(),
        "region" => context.region_of(call).to_owned(),
        "service" => call.operation.service().to_owned(),
        "table" => context
            .table
            .as_ref()
            .map_or_else(String::new, |table| table.dynamodb_table.clone()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::connection::Connection;
    use crate::config::{UnknownKeys, parse};

    #[test]
    fn every_row_of_the_tables_is_found_by_its_own_operations_codes_and_marks() {
        let text = "[connections.c]\ntype = \"redshift-serverless\"\nworkgroup = \"wg1\"\ndatabase = \"dev\"\n";
        let config = parse(text, "proxy.toml".as_ref(), &|_| None, UnknownKeys::Refuse).unwrap();
        let context = Context::new(&Connection::Configured(&config.connections["c"]));
        for (table, known) in [REFUSED, UNUSABLE]
            .into_iter()
            .flat_map(|table| table.iter().map(move |known| (table, known)))
        {
            let operations = if known.operations.is_empty() { &[Operation::AssumeRole] } else { known.operations };
            let codes: Vec<_> =
                if known.codes.is_empty() { vec![None] } else { known.codes.iter().map(Some).collect() };
            let marks = if known.marks.is_empty() { &["no"] } else { known.marks };
            for (operation, code) in operations
                .iter()
                .flat_map(|operation| codes.iter().map(move |code| (*operation, code.copied())))
            {
                for mark in marks {
                    let found = find(table, operation, code, &format!("it says: {mark}."));
                    assert_eq!(found.map(|found| found.fix), Some(known.fix), "{operation} {code:?} {mark}");
                }
                let call = Call::new(operation, "on");
                let fix = fill(known.fix, |name| value(name, &call, &context));
                assert!(!fix.replace("{\"username\":", "").contains('{'), "a name without a value: {fix}");
            }
        }
    }
}
