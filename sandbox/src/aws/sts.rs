//! STS AssumeRole and GetCallerIdentity (AWS STS API reference, Version 2011-06-15).
//!
//! A role's trust is its external id; beyond it every caller is trusted. Session policies, MFA and source identities
//! are not modelled and have no effect. Every role allows sessions of twelve hours.

use std::time::Duration;

use super::call::Call;
use super::constraint::{Constraints, Pattern};
use super::encoding::xml_escape;
use super::identity::{Caller, RoleArn};
use super::operation::{Operation, Protocol};
use super::refusal::Refusal;
use super::timestamp::extended;
use super::world::World;

const SESSION_NAME: Pattern = Pattern {
    text: "[\\w+=,.@-]*",
    matches: |text| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)),
};

const EXTERNAL_ID: Pattern = Pattern {
    text: "[\\w+=,.@:\\/-]*",
    matches: |text| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte)),
};

const DEFAULT_DURATION_SECS: u64 = 3600;

/// The longest session of a role that was assumed from a role.
const MAX_CHAINED_SECS: u64 = 3600;

const MAX_TAGS: usize = 50;

/// Answers GetCallerIdentity, which everyone may call. XML, without the envelope.
pub(super) fn get_caller_identity(caller: &Caller) -> String {
    let (arn, id, account) = (xml_escape(&caller.arn()), xml_escape(&caller.id()), caller.account());
    format!("<Arn>{arn}</Arn><UserId>{id}</UserId><Account>{account}</Account>")
}

/// Answers AssumeRole with fresh keys. XML, without the envelope.
///
/// # Errors
/// ValidationError, MalformedInput, InvalidParameterValue; AccessDenied for an unknown role and for an external id that
/// is wrong or missing, which AWS does not tell apart.
pub(super) fn assume_role(world: &World, caller: &Caller, call: &Call) -> Result<String, Refusal> {
    let mut constraints = Constraints::default();
    let arn = constraints.present("roleArn", call.field("RoleArn"));
    if let Some(arn) = arn {
        constraints.length("roleArn", arn, 20..=2048);
    }
    let session = constraints.present("roleSessionName", call.field("RoleSessionName"));
    if let Some(session) = session {
        constraints.length("roleSessionName", session, 2..=64);
        constraints.pattern("roleSessionName", session, &SESSION_NAME);
    }
    let external_id = call.field("ExternalId");
    if let Some(external_id) = external_id {
        constraints.length("externalId", external_id, 2..=1224);
        constraints.pattern("externalId", external_id, &EXTERNAL_ID);
    }
    let life = duration(call, &mut constraints)?;
    let tags = tags(call, &mut constraints)?;
    constraints.met(Protocol::Query)?;
    let (arn, session) = (arn.unwrap_or_default(), session.unwrap_or_default());
    let role = RoleArn::parse(arn).ok_or_else(|| Refusal::invalid(Protocol::Query, format!("{arn} is invalid")))?;
    if caller.is_role_session() && life.as_secs() > MAX_CHAINED_SECS {
        let message =
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
        return Err(Refusal::invalid(Protocol::Query, message));
    }

    let trusted =
        world.role(arn).is_some_and(|rule| rule.external_id.is_none_or(|id| Some(id.as_str()) == external_id));
    if !trusted {
        return Err(Refusal::denied(Operation::AssumeRole, &caller.arn(), arn));
    }
    let owner = Caller::RoleSession { role, session: session.to_owned() };
    Ok(granted(world, owner, life, tags))
}

/// Makes the keys and tells them.
fn granted(world: &World, owner: Caller, life: Duration, tags: usize) -> String {
    let (arn, owner_id) = (xml_escape(&owner.arn()), xml_escape(&owner.id()));
    let (id, key) = world.issue(owner, life);
    let secret = key.secret;
    let (token, expiration) =
        key.session.map(|session| (session.token, extended(session.expires_at))).unwrap_or_default();
    // In per cent of an unpublished limit; present only if something was packed.
    let packed = if tags > 0 { format!("<PackedPolicySize>{tags}</PackedPolicySize>") } else { String::new() };
    format!(
        "<AssumedRoleUser><AssumedRoleId>{owner_id}</AssumedRoleId><Arn>{arn}</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
         <SessionToken>{token}</SessionToken><Expiration>{expiration}</Expiration></Credentials>{packed}"
    )
}

fn duration(call: &Call, constraints: &mut Constraints) -> Result<Duration, Refusal> {
    let Some(text) = call.field("DurationSeconds") else {
        return Ok(Duration::from_secs(DEFAULT_DURATION_SECS));
    };
    let Ok(secs) = text.parse::<u32>() else {
        return Err(Refusal::bad_request("MalformedInput", "DurationSeconds is not a whole number"));
    };
    constraints.number("durationSeconds", secs.into(), 900..=43_200);
    Ok(Duration::from_secs(secs.into()))
}

/// Checks `Tags.member.N.Key` and `.Value`; answers how many there are.
fn tags(call: &Call, constraints: &mut Constraints) -> Result<usize, Refusal> {
    let mut keys: Vec<String> = Vec::new();
    // One more than is allowed is enough to know that there are too many.
    for at in 1..=MAX_TAGS + 1 {
        let field = |part: &str| call.field(&format!("Tags.member.{at}.{part}"));
        let (key, value) = (field("Key"), field("Value"));
        if key.is_none() && value.is_none() {
            break;
        }
        let name = |part: &str| format!("tags.{at}.member.{part}");
        if let Some(key) = constraints.present(&name("key"), key) {
            constraints.length(&name("key"), key, 1..=128);
            if keys.iter().any(|other| other.eq_ignore_ascii_case(key)) {
                let message = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
                return Err(Refusal::bad_request("InvalidParameterValue", message));
            }
            keys.push(key.to_owned());
        }
        if let Some(value) = constraints.present(&name("value"), value) {
            constraints.length(&name("value"), value, 0..=256);
        }
    }
    constraints.count("tags", keys.len(), 0..=MAX_TAGS);
    Ok(keys.len())
}

#[cfg(test)]
mod tests;
