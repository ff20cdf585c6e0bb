//! Calls to AWS as steps: what is seen of them, in the order in which they end.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::Instant;

use super::context::{Context, Explanation};
use super::explain::{CheckError, explain, token_unread};
use super::step::{CheckStep, OnStep, StepFailed};
use crate::aws::{AwsError, Call, Observer, Operation};

/// Sees the calls, and passes them on with their explanation.
pub(crate) struct CallRecorder {
    pub(super) events: UnboundedSender<CallEvent>,
    pub(super) context: Mutex<Context>,
}

/// What became of a call.
pub(super) enum CallEvent {
    Calling(Call),
    Failing(Explanation),
    Called { call: Call, took: Duration, failure: Option<Explanation> },
    Noted(Call, String),
    TokenRead { file: PathBuf, took: Duration, failure: Option<Explanation> },
    ClockIsOff(String),
}

/// What is seen of the calls, and what is known by now.
pub(super) struct CallFeed {
    pub(super) seen: UnboundedReceiver<CallEvent>,
    pub(super) recorder: Arc<CallRecorder>,
}

impl CallFeed {
    pub(super) fn context(&self) -> MutexGuard<'_, Context> {
        self.recorder.context()
    }

    /// Waits for something of AWS's while its calls are told; the step that fails is too.
    pub(super) async fn step<T>(
        &mut self,
        asked: impl Future<Output = Result<T, Arc<AwsError>>>,
        on_step: OnStep<'_>,
    ) -> Result<(T, CallSteps), StepFailed> {
        self.wait(asked, on_step).await.map_err(|(step, _error)| {
            on_step(step);
            StepFailed
        })
    }

    /// The same, but the step that fails is not told.
    pub(super) async fn wait<T>(
        &mut self,
        asked: impl Future<Output = Result<T, Arc<AwsError>>>,
        on_step: OnStep<'_>,
    ) -> Result<(T, CallSteps), (CheckStep, Arc<AwsError>)> {
        let (mut asked, mut calls) = (pin!(asked), CallSteps::default());
        let outcome = loop {
            tokio::select! {
                biased;
                Some(event) = self.seen.recv() => calls.take(event, on_step),
                outcome = &mut asked => break outcome,
            }
        };
        while let Ok(event) = self.seen.try_recv() {
            calls.take(event, on_step);
        }
        match outcome {
            Ok(found) => Ok((found, calls)),
            Err(error) => Err((calls.failed(error.root(), &self.context(), on_step), error)),
        }
    }
}

impl CallRecorder {
    fn context(&self) -> MutexGuard<'_, Context> {
        self.context.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn explain(&self, error: &AwsError) -> Explanation {
        explain(&CheckError::Aws(error), &self.context())
    }

    fn send(&self, event: CallEvent) {
        // Nobody listens any more where a flight outlives the check.
        let _ = self.events.send(event);
    }
}

impl Observer for CallRecorder {
    fn calling(&self, call: &Call) {
        self.send(CallEvent::Calling(call.clone()));
    }

    fn failing(&self, _call: &Call, error: &AwsError) {
        self.send(CallEvent::Failing(self.explain(error)));
    }

    fn called(&self, call: &Call, took: Duration, outcome: Result<(), &AwsError>) {
        let failure = outcome.err().map(|error| self.explain(error));
        self.send(CallEvent::Called { call: call.clone(), took, failure });
    }

    fn noted(&self, call: &Call, what: &str) {
        self.send(CallEvent::Noted(call.clone(), what.to_owned()));
    }

    fn token_read(&self, file: &Path, took: Duration, outcome: Result<(), &io::Error>) {
        let failure = outcome.err().map(|error| token_unread(file, error));
        self.send(CallEvent::TokenRead { file: file.to_owned(), took, failure });
    }

    fn clock_is_off(&self, what: &str) {
        self.send(CallEvent::ClockIsOff(what.to_owned()));
    }
}

/// The calls so far. The last one is held back, since what becomes of it may be told later.
#[derive(Default)]
pub(super) struct CallSteps {
    held: Option<(Option<Call>, CheckStep)>,
    /// The call under way, since when, and what its last attempt came to.
    pending: Option<(Call, Instant, Option<Explanation>)>,
}

impl CallSteps {
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

    /// A listing is one step, however many calls it takes.
    fn is_next_page(&self, call: &Call) -> bool {
        let is_held = || {
            self.held
                .as_ref()
                .is_some_and(|(held, _)| held.as_ref() == Some(call))
        };
        call.operation == Operation::GetParametersByPath && is_held()
    }

    /// What the last call found.
    pub(super) fn found(&mut self, detail: String) {
        if let Some((_, step)) = &mut self.held {
            step.detail = detail;
        }
    }

    /// The same, if it was the one that mints.
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

    /// Tells what was held back. A failure that did not end the flight (the call was made again
    /// under a new session) is no step.
    pub(super) fn end(&mut self, on_step: OnStep<'_>) {
        if let Some((_, step)) = self.held.take().filter(|(_, step)| step.failure.is_none()) {
            on_step(step);
        }
    }

    /// Tells the last call as failed: what it brought will not do.
    pub(super) fn unusable(self, why: Explanation, on_step: OnStep<'_>) {
        let step = self
            .held
            .map_or_else(|| CheckStep::new("spec", ""), |(_, step)| step);
        on_step(CheckStep { failure: Some(why), ..step });
    }

    /// The failed step, once all before it are told.
    pub(super) fn failed(mut self, error: &AwsError, context: &Context, on_step: OnStep<'_>) -> CheckStep {
        let why = explain(&CheckError::Aws(error), context);
        if let Some((_, step)) = self.held.take_if(|(_, step)| step.failure.is_some()) {
            return step;
        }
        // The value that the call brought will not do.
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

    /// What is told of events that end well: names, and what was found.
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
