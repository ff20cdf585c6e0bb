//! Calls to AWS as steps, in the order in which they end.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::context::{Context, Explanation};
use super::explain::{CheckError, explain};
use super::step::{CheckStep, OnStep};
use crate::aws::{AwsError, Call, Operation};

/// An event of a call to AWS.
pub(super) enum CallEvent {
    /// A call to AWS begins.
    Calling(Call),
    /// An attempt of the call failed; another may follow.
    Failing(Explanation),
    /// A call to AWS is over. `took` is the time of all its attempts; `failure` is `None` where it
    /// was answered well.
    Called { call: Call, took: Duration, failure: Option<Explanation> },
    /// There is something to say about what the call brought, or why it was left out.
    Noted(Call, String),
    /// A web identity token was read, or could not be.
    TokenRead { file: PathBuf, took: Duration, failure: Option<Explanation> },
    /// This machine's clock differs from AWS's; the text says by how much.
    ClockIsOff(String),
}

/// The calls of one wait, made into steps. The last step is held back: what is found out about it
/// may come later.
#[derive(Default)]
pub(super) struct CallSteps {
    /// The step that is held back, and its call if it is one.
    held: Option<(Option<Call>, CheckStep)>,
    /// The call under way, when it began, and why its last attempt failed.
    pending: Option<(Call, Instant, Option<Explanation>)>,
}

impl CallSteps {
    /// Takes an event, and reports the step that it ends.
    pub(super) fn take(&mut self, event: CallEvent, on_step: OnStep<'_>) {
        match event {
            CallEvent::Calling(call) => {
                if !self.is_next_page(&call) {
                    self.end(on_step);
                }
                self.pending = Some((call, Instant::now(), None));
            }
            CallEvent::Failing(why) => {
                if let Some((_, _, last)) = &mut self.pending {
                    *last = Some(why);
                }
            }
            CallEvent::Called { call, took, failure } => {
                let before = if self.is_next_page(&call) { self.held.take() } else { None };
                self.end(on_step);
                self.pending = None;
                let took = took + before.map_or(Duration::ZERO, |(_, step)| step.took);
                let step = CheckStep { took, failure, ..step(&call) };
                self.held = Some((Some(call), step));
            }
            CallEvent::Noted(call, what) => match &mut self.held {
                Some((Some(held), step)) if *held == call => step.detail = what,
                _ => {
                    self.end(on_step);
                    let step = step(&call).found(what);
                    self.held = Some((Some(call), step));
                }
            },
            CallEvent::TokenRead { file, took, failure } => {
                self.end(on_step);
                self.pending = None;
                let step = CheckStep::new("token file", &*file.to_string_lossy());
                self.held = Some((None, CheckStep { took, failure, ..step }));
            }
            CallEvent::ClockIsOff(what) => {
                self.end(on_step);
                self.held = Some((None, CheckStep::new("clock", "").found(what)));
            }
        }
    }

    /// Whether the call is another page of the listing before it: a listing is one step.
    fn is_next_page(&self, call: &Call) -> bool {
        let is_held = || {
            self.held
                .as_ref()
                .is_some_and(|(held, _)| held.as_ref() == Some(call))
        };
        call.operation == Operation::GetParametersByPath && is_held()
    }

    /// Sets the detail of the last step.
    pub(super) fn found(&mut self, detail: String) {
        if let Some((_, step)) = &mut self.held {
            step.detail = detail;
        }
    }

    /// Sets the detail of the last step, if it is the call that made the database login.
    pub(super) fn minted(&mut self, detail: &str) {
        if self
            .held
            .as_ref()
            .and_then(|(call, _)| call.as_ref())
            .is_some_and(|call| call.operation.is_login())
        {
            self.found(detail.to_owned());
        }
    }

    /// Reports the step that is held back. A failed call that did not end its flight, since it was
    /// made again under a new session, is no step.
    pub(super) fn end(&mut self, on_step: OnStep<'_>) {
        if let Some((_, step)) = self.held.take().filter(|(_, step)| step.failure.is_none()) {
            on_step(step);
        }
    }

    /// Reports the last step as failed: what its call brought cannot be used.
    pub(super) fn unusable(self, why: Explanation, on_step: OnStep<'_>) {
        let step = self
            .held
            .map_or_else(|| CheckStep::new("spec", ""), |(_, step)| step);
        on_step(CheckStep { failure: Some(why), ..step });
    }

    /// Reports the steps before the one that failed, and gives that one.
    pub(super) fn failed(mut self, error: &AwsError, context: &Context, on_step: OnStep<'_>) -> CheckStep {
        let why = explain(&CheckError::Aws(error), context);
        if let Some((_, step)) = self.held.take_if(|(_, step)| step.failure.is_some()) {
            return step;
        }
        // The value that the call brought cannot be used.
        if let AwsError::Unusable { call, .. } = error
            && let Some((_, step)) = self.held.take_if(|(held, _)| held.as_ref() == Some(call))
        {
            return CheckStep { failure: Some(why), ..step };
        }
        self.end(on_step);
        match (error, self.pending.take()) {
            // Cut off by the deadline of its flight: its last attempt says more.
            (AwsError::Deadline { .. }, Some((call, since, last))) => {
                CheckStep { failure: Some(last.unwrap_or(why)), ..step(&call).since(since) }
            }
            (AwsError::Unusable { call, .. }, _) => CheckStep { failure: Some(why), ..step(call) },
            (AwsError::Spec(_) | AwsError::Bounds(_), _) => {
                CheckStep { failure: Some(why), ..CheckStep::new("spec", "") }
            }
            _ => CheckStep { failure: Some(why), ..CheckStep::new("credentials", "") },
        }
    }
}

/// A step for a call.
fn step(call: &Call) -> CheckStep {
    let name = if call.operation == Operation::GetCallerIdentity { "base identity" } else { call.operation.name() };
    CheckStep::new(name, call.on.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(what: &str) -> Explanation {
        Explanation { what: what.to_owned(), fix: String::new() }
    }

    fn called(call: &Call, failure: Option<Explanation>) -> CallEvent {
        CallEvent::Called { call: call.clone(), took: Duration::ZERO, failure }
    }

    /// Lists what is told of events that end well: names, and what was found.
    fn told(events: impl IntoIterator<Item = CallEvent>) -> Vec<(&'static str, String)> {
        let (mut calls, mut steps) = (CallSteps::default(), Vec::new());
        let mut on_step = |step: CheckStep| steps.push((step.name, step.detail));
        for event in events {
            calls.take(event, &mut on_step);
        }
        calls.minted("a login");
        calls.end(&mut on_step);
        steps
    }

    #[test]
    fn a_call_that_is_made_again_under_a_new_session_is_one_step() {
        let (role, login) = (Call::new(Operation::AssumeRole, "r"), Call::new(Operation::GetCredentials, "w"));
        let events = [
            CallEvent::Calling(role.clone()),
            called(&role, None),
            CallEvent::Calling(login.clone()),
            CallEvent::Failing(why("expired")),
            called(&login, Some(why("expired"))),
            CallEvent::Calling(role.clone()),
            called(&role, None),
            CallEvent::Calling(login.clone()),
            called(&login, None),
        ];
        let role = || ("AssumeRole", String::new());
        assert_eq!(told(events), [role(), role(), ("GetCredentials", "a login".to_owned())]);
    }

    #[test]
    fn the_pages_of_a_listing_are_one_step() {
        let page = Call::new(Operation::GetParametersByPath, "/users");
        let events = (0..3).flat_map(|_| [CallEvent::Calling(page.clone()), called(&page, None)]);
        assert_eq!(told(events), [("GetParametersByPath", String::new())]);
    }

    #[test]
    fn a_note_is_of_the_call_before_or_a_step_of_its_own() {
        let (secret, role) = (Call::new(Operation::GetSecretValue, "s"), Call::new(Operation::AssumeRole, "r"));
        let events = [
            called(&secret, None),
            CallEvent::Noted(secret, "no password".into()),
            CallEvent::Noted(role, "skipped".into()),
        ];
        assert_eq!(told(events), [("GetSecretValue", "no password".to_owned()), ("AssumeRole", "skipped".to_owned())]);
    }
}
