//! STS AssumeRole, AssumeRoleWithWebIdentity and GetCallerIdentity (AWS STS API reference, Version
//! 2011-06-15).
//!
//! A role's trust is its rule ([`RoleRule`]). Session policies have no effect; MFA and source
//! identities are not modelled, and refused. Every role allows sessions of twelve hours.

mod tags;
mod web_identity;

use std::time::Duration;

use super::call::Call;
use super::constraint::{Constraints, Pattern};
use super::encoding::xml_escape;
use super::identity::{Caller, RoleArn};
use super::options::RoleRule;
use super::refusal::Refusal;
use super::service::Protocol;
use super::timestamp::extended;
use super::world::World;
pub(super) use web_identity::assume_role_with_web_identity;

const SESSION_NAME: Pattern = Pattern {
    text: "[\\w+=,.@-]*",
    matches: |text| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
    },
};

const EXTERNAL_ID: Pattern = Pattern {
    text: "[\\w+=,.@:\\/-]*",
    matches: |text| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte))
    },
};

const DEFAULT_DURATION_SECS: u64 = 3600;

/// The longest session of a role that was assumed from a role.
const MAX_CHAINED_SECS: u64 = 3600;

/// Answers GetCallerIdentity, which everyone may call. XML, without the envelope.
pub(super) fn get_caller_identity(caller: &Caller) -> String {
    let (arn, id, account) = (xml_escape(&caller.arn()), xml_escape(&caller.id()), caller.account());
    format!("<Arn>{arn}</Arn><UserId>{id}</UserId><Account>{account}</Account>")
}

/// Answers AssumeRole with fresh keys. XML, without the envelope.
///
/// # Errors
/// ValidationError, MalformedInput, InvalidParameterValue; AccessDenied for an unknown role, for a
/// caller that it does not trust and for an external id that is wrong or missing, which AWS does
/// not tell apart, and for tags that the role does not allow.
pub(super) fn assume_role(world: &World, caller: &Caller, call: &Call) -> Result<String, Refusal> {
    let mut constraints = Constraints::default();
    let asked = Asked::read(call, &mut constraints)?;
    let external_id = call.field("ExternalId");
    if let Some(external_id) = external_id {
        constraints.length("externalId", external_id, 2..=1224);
        constraints.pattern("externalId", external_id, &EXTERNAL_ID);
    }
    let given = tags::read(call, &mut constraints)?;
    constraints.met(Protocol::Query)?;
    let role = asked.role()?;
    if caller.is_role_session() && asked.life.as_secs() > MAX_CHAINED_SECS {
        let message =
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
        return Err(Refusal::invalid(Protocol::Query, message));
    }

    let denied = |action: &str| Refusal::denied(Protocol::Query, action, &caller.arn(), &role.arn);
    let rule = world
        .role(&role.arn)
        .filter(|rule| trusts(rule, caller, &role.arn, external_id));
    let rule = rule.ok_or_else(|| denied("sts:AssumeRole"))?;
    let (packed, tags) = (given.all.len(), tags::joined(&caller.tags(), given)?);
    if !tags.all.is_empty() && !rule.tag_session {
        return Err(denied("sts:TagSession"));
    }
    let owner = Caller::RoleSession { role, session: asked.session.to_owned(), tags };
    Ok(granted(world, owner, asked.life, packed))
}

/// Whether the role's rule lets the caller in. The role itself is one caller among others, but
/// never meant by "all".
fn trusts(rule: &RoleRule, caller: &Caller, role_arn: &str, external_id: Option<&str>) -> bool {
    let arn = caller.policy_arn();
    rule.external_id
        .as_deref()
        .is_none_or(|wanted| Some(wanted) == external_id)
        && rule
            .callers
            .as_ref()
            .map_or(arn != role_arn, |callers| callers.contains(&arn))
}

/// The parameters that both ways to assume a role have.
struct Asked<'a> {
    arn: &'a str,
    session: &'a str,
    life: Duration,
}

impl<'a> Asked<'a> {
    /// The values are good only if the constraints are met.
    fn read(call: &'a Call, constraints: &mut Constraints) -> Result<Self, Refusal> {
        let arn = constraints.present("roleArn", call.field("RoleArn"));
        if let Some(arn) = arn {
            constraints.length("roleArn", arn, 20..=2048);
        }
        let session = constraints.present("roleSessionName", call.field("RoleSessionName"));
        if let Some(session) = session {
            constraints.length("roleSessionName", session, 2..=64);
            constraints.pattern("roleSessionName", session, &SESSION_NAME);
        }
        let life = duration(call, constraints)?;
        Ok(Self { arn: arn.unwrap_or_default(), session: session.unwrap_or_default(), life })
    }

    fn role(&self) -> Result<RoleArn, Refusal> {
        let arn = self.arn;
        RoleArn::parse(arn).ok_or_else(|| Refusal::invalid(Protocol::Query, format!("{arn} is invalid")))
    }
}

/// Makes the keys and tells them.
fn granted(world: &World, owner: Caller, life: Duration, packed: usize) -> String {
    let (arn, owner_id) = (xml_escape(&owner.arn()), xml_escape(&owner.id()));
    let (id, key) = world.issue(owner, life);
    let secret = key.secret;
    let (token, expiration) = key
        .session
        .map(|session| (session.token, extended(session.expires_at)))
        .unwrap_or_default();
    // In per cent of an unpublished limit; present only if something was packed.
    let packed = if packed > 0 { format!("<PackedPolicySize>{packed}</PackedPolicySize>") } else { String::new() };
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

#[cfg(test)]
mod tests;
