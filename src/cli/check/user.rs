//! Whether the user asked about may open a connection, by which rule, and who logs in.

use super::explain::{CheckError, Context};
use super::steps::{Failed, Step, Tell, Wanted};
use crate::config::{ConnSpec, LoginIdentity, Right};
use crate::credentials::Owner;

/// Names come first, as they do for sessions: of a connection that is in the table nothing else is known.
pub(super) fn may_open<'a>(wanted: &Wanted<'a>, context: &Context, tell: Tell<'_>) -> Result<Owner<'a>, Failed> {
    let step = |name: &str| Step::new("user", name);
    let mut fail = |step: Step, error: CheckError<'_>| {
        tell(step.failed(&error, context));
        Err(Failed)
    };
    let spec = wanted.connection.spec();
    let Some((name, user)) = wanted.user else {
        if spec.is_some_and(|spec| spec.identity == LoginIdentity::PerUser) {
            return fail(step(""), CheckError::NeedsUser);
        }
        return Ok(Owner::default());
    };
    let Some(user) = user else { return fail(step(name), CheckError::UnknownUser(name)) };
    if !user.enabled {
        return fail(step(name), CheckError::DisabledUser(name));
    }
    let needs_entry = spec.is_some_and(|spec| spec.identity == LoginIdentity::PerUser) && wanted.any.is_some();
    let Some(right) = user.right_to(wanted.connection.conn_id()).filter(|_| !needs_entry) else {
        return fail(step(name), CheckError::NoRight(name));
    };
    if spec.is_some_and(|spec| !spec.enabled) {
        return fail(step(name), CheckError::Disabled);
    }
    tell(step(name).found(rule(right)));
    Ok(Owner::new(name, user))
}

/// Once the item is read: a user who may open the connection is refused while it is disabled.
pub(super) fn is_let_in(wanted: &Wanted<'_>, spec: &ConnSpec, context: &Context, tell: Tell<'_>) -> Result<(), Failed> {
    match wanted.user {
        Some((name, _)) if !spec.enabled => {
            tell(Step::new("user", name).failed(&CheckError::Disabled, context));
            Err(Failed)
        }
        _ => Ok(()),
    }
}

fn rule(right: &Right) -> String {
    match &right.group {
        Some(group) => format!("may open it, by {:?} of the group {group:?}", right.pattern),
        None => format!("may open it, by its own {:?}", right.pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_told_with_its_group() {
        let right = |group: Option<&str>| Right { pattern: "fin-*".into(), group: group.map(str::to_owned) };
        assert_eq!(rule(&right(None)), "may open it, by its own \"fin-*\"");
        assert_eq!(rule(&right(Some("analysts"))), "may open it, by \"fin-*\" of the group \"analysts\"");
    }
}
