//! The IAM statements that `check` tells people to add: one line of JSON each, with the exact
//! action and resource.

use serde_json::{Value, json};

use crate::aws::{Arn, Call, Operation};
use crate::cli::check::context::Context;
use crate::cli::iam_policy::IamPrincipal;
use crate::config::SpecsTable;

/// The action and resource of a refusal, read from AWS's message: `… is not authorized to perform:
/// ACTION on resource: RESOURCE …`.
pub(super) struct Denial<'t> {
    /// The action that was refused, `SERVICE:NAME`.
    pub(super) action: Option<&'t str>,
    /// The ARN of the resource that it was refused on.
    pub(super) resource: Option<&'t str>,
}

impl<'t> Denial<'t> {
    /// Reads AWS's message about a call that no policy allows.
    pub(super) fn read(text: &'t str) -> Self {
        let behind = |mark: &str| -> Option<&'t str> {
            let word = text.split_once(mark)?.1.split_whitespace().next()?;
            Some(word.trim_end_matches(['.', ',', ';']))
        };
        let action = behind("not authorized to perform: ").or_else(|| behind("ot authorized to perform "));
        Self {
            action: action.filter(|action| action.contains(':')),
            resource: behind("on resource: ").filter(|resource| resource.starts_with("arn:")),
        }
    }
}

/// The statement that `call` lacks, for the policy of who makes it.
pub(super) fn missing(call: &Call, text: &str, context: &Context) -> String {
    let denial = Denial::read(text);
    let (action, resources) = (call.operation.action(), resources(call, context));
    // AWS knows better what cannot be seen from here: a workgroup's UUID, a key, a second action.
    let resources = match denial {
        Denial { resource: Some(named), action: told }
            if !is_exact(call) || told.is_some_and(|told| told != action) =>
        {
            vec![named.to_owned()]
        }
        _ => resources,
    };
    let action = denial.action.unwrap_or(action);
    let rows = context
        .table
        .as_ref()
        .filter(|_| action == Operation::GetItem.action())
        .map(rows);
    allow_where(action, &resources, rows)
}

/// The statement that lets a stored value be decrypted.
pub(super) fn decrypt(text: &str) -> String {
    let key = Denial::read(text)
        .resource
        .filter(|arn| arn.contains(":kms:"))
        .unwrap_or("<the ARN of that key>");
    allow("kms:Decrypt", &[key.to_owned()])
}

/// The statement that a role's trust policy lacks. `caller`: who takes the role.
pub(super) fn trust(action: &str, caller: &str, external_id: Option<&str>) -> String {
    let known = IamPrincipal::parse(caller).ok();
    let trusted = known
        .as_ref()
        .map_or_else(|| caller.to_owned(), IamPrincipal::trusted);
    let mut statement = json!({ "Effect": "Allow", "Action": action, "Principal": { "AWS": trusted } });
    let mut condition = serde_json::Map::new();
    if let Some(name) = external_id {
        let value = format!("<the value of {name}>");
        condition.insert("StringEquals".to_owned(), json!({ "sts:ExternalId": value }));
    }
    if let Some(pattern) = known.as_ref().and_then(IamPrincipal::pattern) {
        condition.insert("ArnLike".to_owned(), json!({ "aws:PrincipalArn": pattern }));
    }
    if let Some(members) = statement.as_object_mut().filter(|_| !condition.is_empty()) {
        members.insert("Condition".to_owned(), condition.into());
    }
    statement.to_string()
}

/// The statement of a role's trust policy that lets a web identity assume it, as JSON. Who its
/// provider is stands in it as a placeholder.
pub(super) fn trust_web_identity(role_arn: &str) -> String {
    let (partition, account) = Arn::parse(role_arn).map_or(("*", "*"), |arn| (arn.partition, arn.account));
    json!({
        "Effect": "Allow",
        "Action": Operation::AssumeRoleWithWebIdentity.action(),
        "Principal": { "Federated": format!("arn:{partition}:iam::{account}:oidc-provider/<issuer>") },
        "Condition": { "StringEquals": { "<issuer>:sub": "<the token's sub>", "<issuer>:aud": "sts.amazonaws.com" } },
    })
    .to_string()
}

fn allow(action: &str, resources: &[String]) -> String {
    allow_where(action, resources, None)
}

fn allow_where(action: &str, resources: &[String], condition: Option<Value>) -> String {
    let mut statement = json!({ "Effect": "Allow", "Action": action, "Resource": one_or_list(resources) });
    if let (Some(condition), Some(members)) = (condition, statement.as_object_mut()) {
        members.insert("Condition".to_owned(), condition);
    }
    statement.to_string()
}

/// The rows that the table may be asked for, as `iam-policy` has it.
fn rows(table: &SpecsTable) -> Value {
    json!({
        "ForAllValues:StringLike": { "dynamodb:LeadingKeys": one_or_list(&table.bounds.conn_ids) },
        // Without any key the condition would hold of every row.
        "Null": { "dynamodb:LeadingKeys": "false" },
    })
}

fn one_or_list(texts: &[String]) -> Value {
    match texts {
        [one] => one.as_str().into(),
        several => several.into(),
    }
}

/// Whether [`resources`] knows the whole of them.
fn is_exact(call: &Call) -> bool {
    !matches!(call.operation, Operation::GetCredentials | Operation::GetWorkgroup)
}

/// The resources that a call's action is needed on.
fn resources(call: &Call, context: &Context) -> Vec<String> {
    let (partition, on) = (context.partition(), call.on.as_str());
    let (region, account) = (context.region_of(call), context.account_of(call));
    let service = call.operation.service();
    let arn = |rest: String| format!("arn:{partition}:{service}:{region}:{account}:{rest}");
    let stored = |rest: String| if on.starts_with("arn:") { on.to_owned() } else { arn(rest) };
    let spec = context.spec.as_deref();
    let database = spec
        .and_then(|spec| spec.database.as_deref())
        .unwrap_or("*");
    let user = context
        .db_user
        .as_deref()
        .or(spec.and_then(|spec| spec.login.user()))
        .unwrap_or("*");
    let dbname = || arn(format!("dbname:{on}/{database}"));
    match call.operation {
        Operation::GetItem | Operation::Scan => {
            let name = context
                .table
                .as_ref()
                .map_or("*", |table| &table.dynamodb_table);
            vec![arn(format!("table/{name}"))]
        }
        Operation::GetParameter => {
            let slash = if on.starts_with('/') { "" } else { "/" };
            vec![stored(format!("parameter{slash}{on}"))]
        }
        Operation::GetParametersByPath => vec![arn(format!("parameter{on}"))],
        Operation::GetSecretValue => vec![stored(format!("secret:{on}-??????"))],
        Operation::AssumeRole | Operation::AssumeRoleWithWebIdentity => vec![on.to_owned()],
        Operation::GetCredentials | Operation::GetWorkgroup => vec![arn("workgroup/*".to_owned())],
        Operation::GetClusterCredentials => vec![arn(format!("dbuser:{on}/{user}")), dbname()],
        Operation::GetClusterCredentialsWithIam => vec![dbname()],
        Operation::DescribeClusters => vec![arn(format!("cluster:{on}"))],
        Operation::GetCallerIdentity => vec!["*".to_owned()],
    }
}

/// The principal whose policy has to allow a call, given the ARN of the caller. For a session of a
/// role that is the role, without its path, which the session's ARN does not have.
pub(super) fn principal(caller: &str) -> String {
    let Ok(principal) = IamPrincipal::parse(caller) else { return caller.to_owned() };
    match principal.permission_set() {
        Some(set) => format!("the permission set {set} (IAM Identity Center, which alone can change its role)"),
        None => principal.arn().to_owned(),
    }
}
