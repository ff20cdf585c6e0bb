//! AssumeRoleWithWebIdentity: unsigned, the token is the proof.
//!
//! A token is any text that the test has put, and stands for a subject; it is not taken apart. Its
//! claims give no tags.

use super::super::call::Call;
use super::super::constraint::Constraints;
use super::super::encoding::xml_escape;
use super::super::identity::{Caller, SessionTags};
use super::super::options::WebIdentity;
use super::super::refusal::Refusal;
use super::super::service::Protocol;
use super::super::timestamp::extended;
use super::super::world::World;
use super::{Asked, granted};

const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

/// Answers AssumeRoleWithWebIdentity with fresh keys. XML, without the envelope.
///
/// # Errors
/// ValidationError, MalformedInput, InvalidIdentityToken, ExpiredTokenException; AccessDenied for
/// an unknown role and for a subject that it does not trust.
pub(in super::super) fn assume_role_with_web_identity(world: &World, call: &Call) -> Result<String, Refusal> {
    let mut constraints = Constraints::default();
    let asked = Asked::read(call, &mut constraints)?;
    let token = constraints
        .present("webIdentityToken", call.field("WebIdentityToken"))
        .unwrap_or_default();
    if call
        .field("WebIdentityToken")
        .is_some_and(|token| !(4..=20_000).contains(&token.chars().count()))
    {
        // The token itself is not told.
        constraints.count("webIdentityToken", token.chars().count(), 4..=20_000);
    }
    constraints.met(Protocol::Query)?;
    let role = asked.role()?;

    let Some(WebIdentity { subject, expires_at }) = world.web_identity(token) else {
        let message = "The web identity token could not be validated";
        return Err(Refusal::bad_request("InvalidIdentityToken", message));
    };
    let now = world.now();
    if expires_at <= now {
        let (now, end) = (extended(now), extended(expires_at));
        let message = format!("Token expired: current date/time {now} must be before the expiration date/time {end}");
        return Err(Refusal::bad_request("ExpiredTokenException", message));
    }
    if !world
        .role(&role.arn)
        .is_some_and(|rule| rule.web_subjects.contains(&subject))
    {
        return Err(Refusal::denied(Protocol::Query, ACTION, "", &role.arn));
    }
    let owner = Caller::RoleSession { role, session: asked.session.to_owned(), tags: SessionTags::default() };
    let subject = xml_escape(&subject);
    Ok(format!(
        "{}<SubjectFromWebIdentityToken>{subject}</SubjectFromWebIdentityToken><Audience>sts.amazonaws.com</Audience>\
         <Provider>sandbox.example.com</Provider>",
        granted(world, owner, asked.life, 0)
    ))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use hyper::HeaderMap;

    use super::*;
    use crate::aws::options::RoleRule;

    const ROLE: &str = "arn:aws:iam::123456789012:role/web";

    fn assume(world: &World, form: &str) -> Result<String, (&'static str, String)> {
        let form = format!("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&{form}");
        let call = Call::read(&HeaderMap::new(), "", form.as_bytes());
        let answer = assume_role_with_web_identity(world, &call);
        answer.map_err(|refusal| (refusal.told().0, refusal.told().1.to_owned()))
    }

    fn world() -> World {
        let world = World::demo();
        world.put_role(ROLE, RoleRule { web_subjects: vec!["trusted".to_owned()], ..RoleRule::default() });
        let later = SystemTime::now() + Duration::from_secs(60);
        for (token, subject, expires_at) in
            [("good", "trusted", later), ("late", "trusted", SystemTime::UNIX_EPOCH), ("else", "somebody", later)]
        {
            world.put_web_identity(token, WebIdentity { subject: subject.to_owned(), expires_at });
        }
        world
    }

    #[test]
    fn a_trusted_subject_gets_keys_of_the_role() {
        let form = format!("RoleArn={ROLE}&RoleSessionName=s1&WebIdentityToken=good&DurationSeconds=43200");
        let answer = assume(&world(), &form).unwrap();
        assert!(answer.contains("<Arn>arn:aws:sts::123456789012:assumed-role/web/s1</Arn>"), "{answer}");
        assert!(answer.contains("<AccessKeyId>ASIA") && answer.contains("IdentityToken>trusted<"), "{answer}");
    }

    #[test]
    fn untrusted_tokens_are_refused_by_cause() {
        let world = world();
        let refused = |token: &str, role: &str| {
            assume(&world, &format!("RoleArn={role}&RoleSessionName=s1&WebIdentityToken={token}")).unwrap_err()
        };
        assert_eq!(refused("nobody", ROLE).0, "InvalidIdentityToken");
        assert_eq!(refused("late", ROLE).0, "ExpiredTokenException");
        let denied = ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity".to_owned());
        assert_eq!(refused("else", ROLE), denied);
        assert_eq!(refused("good", "arn:aws:iam::123456789012:role/rs01"), denied);
        assert_eq!(refused("good", "arn:aws:iam::123456789012:user/web").0, "ValidationError");
    }

    #[test]
    fn parameters_out_of_bounds_are_refused_without_the_token() {
        let world = world();
        for (more, part) in [
            ("RoleSessionName=s1", "Value null at 'webIdentityToken'"),
            ("RoleSessionName=s1&WebIdentityToken=abc", "greater than or equal to 4"),
            ("WebIdentityToken=good", "Value null at 'roleSessionName'"),
            ("RoleSessionName=s1&WebIdentityToken=good&DurationSeconds=899", "'durationSeconds'"),
        ] {
            let (code, message) = assume(&world, &format!("RoleArn={ROLE}&{more}")).unwrap_err();
            assert_eq!(code, "ValidationError", "{more}");
            assert!(message.contains(part) && !message.contains("abc"), "{message}");
        }
    }
}
