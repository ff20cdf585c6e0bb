//! The check of a user: whether it may open the connection, and by which rule.

use super::context::Context;
use super::explain::CheckError;
use super::request::{AskedUser, CheckRequest};
use super::step::{CheckStep, OnStep, StepFailed};
use crate::config::{ConnSpec, Right};
use crate::credentials::Owner;

/// Proves that the user may open the connection, and gives the owner of the login. It comes before
/// the item is read, as for sessions: of a connection in the table only the name counts here.
pub(super) fn prove_right<'a>(
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
    if !holder.rights().enabled {
        return fail(step(name), CheckError::DisabledUser(name));
    }
    let Some(right) = request.connection.right_of(holder) else {
        return fail(step(name), CheckError::NoRight(name));
    };
    if spec.is_some_and(|spec| !spec.enabled) {
        return fail(step(name), CheckError::Disabled);
    }
    on_step(step(name).found(rule(right)));
    Ok(Owner::new(name, holder))
}

/// Proves that the connection is enabled, once its item is read.
pub(super) fn prove_enabled(
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

/// The rule by which a user may open the connection.
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
    fn a_right_names_its_pattern_and_group() {
        assert_eq!(rule(Right { pattern: "fin-*", group: None }), "may open it, by its own \"fin-*\"");
        let by_group = Right { pattern: "fin-*", group: Some("analysts") };
        assert_eq!(rule(by_group), "may open it, by \"fin-*\" of the group \"analysts\"");
    }
}
