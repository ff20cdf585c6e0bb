//! The user asked about: whether it may open a connection, by which rule, and who logs in.

use super::context::Context;
use super::explain::CheckError;
use super::request::{AskedUser, CheckRequest};
use super::step::{CheckStep, OnStep, StepFailed};
use crate::config::{ConnSpec, Right};
use crate::credentials::Owner;

/// Names come first, as they do for sessions: of a connection that is in the table nothing else is
/// known.
pub(super) fn may_open<'a>(
    request: &'a CheckRequest<'_>,
    context: &Context,
    on_step: OnStep<'_>,
) -> Result<Owner<'a>, StepFailed> {
    let step = |name: &str| CheckStep::new("user", name);
    let mut fail = |step: CheckStep, error: CheckError<'_>| {
        on_step(step.failed(&error, context));
        Err(StepFailed)
    };
    let spec = request.connection.spec();
    let Some(AskedUser { name, holder, .. }) = &request.user else {
        if spec.is_some_and(|spec| spec.is_per_user()) {
            return fail(step(""), CheckError::NeedsUser);
        }
        return Ok(Owner::default());
    };
    let Some(holder) = holder else { return fail(step(name), CheckError::UnknownUser(name)) };
    if !holder.rights.enabled {
        return fail(step(name), CheckError::DisabledUser(name));
    }
    let Some(right) = request.connection.right_of(holder) else {
        return fail(step(name), CheckError::NoRight(name));
    };
    if spec.is_some_and(|spec| !spec.enabled) {
        return fail(step(name), CheckError::Disabled);
    }
    on_step(step(name).found(rule(right)));
    Ok(Owner::new(name, &holder.rights))
}

/// Once the item is read: a user who may open the connection is refused while it is disabled.
pub(super) fn is_let_in(
    request: &CheckRequest<'_>,
    spec: &ConnSpec,
    context: &Context,
    on_step: OnStep<'_>,
) -> Result<(), StepFailed> {
    match &request.user {
        Some(user) if !spec.enabled => {
            on_step(CheckStep::new("user", user.name).failed(&CheckError::Disabled, context));
            Err(StepFailed)
        }
        _ => Ok(()),
    }
}

fn rule(right: Right<'_>) -> String {
    match right.group {
        Some(group) => format!("may open it, by {:?} of the group {group:?}", right.pattern),
        None => format!("may open it, by its own {:?}", right.pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_told_with_its_group() {
        assert_eq!(rule(Right { pattern: "fin-*", group: None }), "may open it, by its own \"fin-*\"");
        let by_group = Right { pattern: "fin-*", group: Some("analysts") };
        assert_eq!(rule(by_group), "may open it, by \"fin-*\" of the group \"analysts\"");
    }
}
