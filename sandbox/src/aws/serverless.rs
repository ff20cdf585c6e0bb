//! Redshift Serverless GetCredentials and GetWorkgroup (Amazon Redshift Serverless API reference).
//!
//! Custom domain names are not modelled: none is registered. Nor is it checked that a `dbName` is
//! no reserved word.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::call::Call;
use super::constraint::{Constraints, Pattern};
use super::identity::Caller;
use super::operation::Operation;
use super::options::Workgroup;
use super::refusal::Refusal;
use super::reply::uuid;
use super::service::Protocol;
use super::timestamp::epoch_seconds;
use super::world::World;

const WORKGROUP_NAME: Pattern = Pattern {
    text: "^[a-z0-9-]+$",
    matches: |text| {
        text.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    },
};

const DB_NAME: Pattern = Pattern {
    text: "^[a-zA-Z][a-zA-Z0-9_+.@-]*$",
    matches: |text| {
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_+.@-".contains(&byte))
    },
};

const DEFAULT_DURATION_SECS: i64 = 900;

/// How long before its expiry a password gives way to a new one; see
/// [`Logins::mint`](crate::logins::Logins::mint).
const REFRESHED_BEFORE: Duration = Duration::from_secs(60);

/// Answers GetCredentials with a login that the warehouse honours.
///
/// # Errors
/// ValidationException, ResourceNotFoundException, AccessDeniedException, SerializationException.
pub(super) async fn get_credentials(
    world: &World,
    caller: &Caller,
    region: &str,
    call: &Call,
) -> Result<Value, Refusal> {
    let name = call.text("workgroupName")?;
    let domain = call.text("customDomainName")?;
    let mut constraints = Constraints::default();
    if let Some(name) = name {
        check_name(&mut constraints, name);
    }
    if let Some(database) = call.text("dbName")? {
        constraints.length("dbName", database, 1..=64);
        constraints.pattern("dbName", database, &DB_NAME);
    }
    let secs = call
        .whole("durationSeconds")?
        .unwrap_or(DEFAULT_DURATION_SECS);
    constraints.number("durationSeconds", secs, 900..=3600);
    constraints.met(Protocol::Json)?;
    let name = match (name, domain) {
        (Some(name), _) => name,
        (None, Some(domain)) => {
            return Err(Refusal::not_found(format!("Custom domain name {domain} not found."), domain));
        }
        (None, None) => {
            return Err(Refusal::invalid(Protocol::Json, "Either workgroupName or customDomainName must be provided."));
        }
    };
    workgroup(world, Operation::GetCredentials, caller, region, name)?;

    let life = Duration::from_secs(secs.unsigned_abs());
    let login = world.logins.mint(&caller.database_user(), life).await;
    let end = world.by_its_clock(login.expires_at);
    Ok(json!({
        "dbUser": login.user,
        "dbPassword": login.password,
        "expiration": epoch_seconds(end),
        "nextRefreshTime": epoch_seconds(end - REFRESHED_BEFORE),
    }))
}

/// Answers GetWorkgroup. Those who may call GetCredentials may call it.
///
/// # Errors
/// As [`get_credentials`].
pub(super) fn get_workgroup(world: &World, caller: &Caller, region: &str, call: &Call) -> Result<Value, Refusal> {
    let mut constraints = Constraints::default();
    let name = constraints.present("workgroupName", call.text("workgroupName")?);
    if let Some(name) = name {
        check_name(&mut constraints, name);
    }
    constraints.met(Protocol::Json)?;
    let name = name.unwrap_or_default();
    let Workgroup { host, port, .. } = workgroup(world, Operation::GetWorkgroup, caller, region, name)?;
    Ok(json!({
        "workgroup": {
            "workgroupName": name,
            "workgroupId": id(name),
            "workgroupArn": arn(world, region, name),
            "namespaceName": "default",
            "status": "AVAILABLE",
            "endpoint": { "address": host, "port": port, "vpcEndpoints": [] },
            "port": port,
            "publiclyAccessible": false,
        }
    }))
}

fn check_name(constraints: &mut Constraints, name: &str) {
    constraints.length("workgroupName", name, 3..=64);
    constraints.pattern("workgroupName", name, &WORKGROUP_NAME);
}

/// The workgroup, if it exists and the caller may use it.
fn workgroup(
    world: &World,
    operation: Operation,
    caller: &Caller,
    region: &str,
    name: &str,
) -> Result<Workgroup, Refusal> {
    let workgroup = world
        .workgroup(name)
        .ok_or_else(|| Refusal::not_found(format!("Workgroup {name} not found."), name))?;
    if !workgroup.callers.contains(&caller.policy_arn()) {
        return Err(Refusal::denied(Protocol::Json, &operation.action(), &caller.arn(), &arn(world, region, name)));
    }
    Ok(workgroup)
}

/// A workgroup's ARN, by which policies name it: it has the id, not the name.
pub(super) fn arn(world: &World, region: &str, name: &str) -> String {
    format!("arn:aws:redshift-serverless:{region}:{}:workgroup/{}", world.account, id(name))
}

/// Always the same for the same name.
fn id(name: &str) -> String {
    uuid(digest(&SHA256, name.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests;
