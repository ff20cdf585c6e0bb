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
use super::step::{Failed, Step, Tell};
use crate::aws::{AwsError, Call, Observer, Operation};

/// Sees the calls, and passes them on with their explanation.
pub(crate) struct Recorder {
    pub(super) events: UnboundedSender<Event>,
    pub(super) context: Mutex<Context>,
}

/// What became of a call.
pub(super) enum Event {
    Calling(Call),
    Failing(Explanation),
    Called { call: Call, took: Duration, fault: Option<Explanation> },
    Noted(Call, String),
    TokenRead { file: PathBuf, took: Duration, fault: Option<Explanation> },
    ClockIsOff(String),
}

/// What is seen of the calls, and what is known by now.
pub(super) struct Watch {
    pub(super) seen: UnboundedReceiver<Event>,
    pub(super) recorder: Arc<Recorder>,
}

impl Watch {
    pub(super) fn context(&self) -> MutexGuard<'_, Context> {
        self.recorder.context()
    }

    /// Waits for something of AWS's while its calls are told; the step that fails is too.
    pub(super) async fn step<T>(
        &mut self,
        asked: impl Future<Output = Result<T, Arc<AwsError>>>,
        tell: Tell<'_>,
    ) -> Result<(T, Progress), Failed> {
        self.wait(asked, tell).await.map_err(|(step, _error)| {
            tell(step);
            Failed
        })
    }

    /// The same, but the step that fails is not told.
    pub(super) async fn wait<T>(
        &mut self,
        asked: impl Future<Output = Result<T, Arc<AwsError>>>,
        tell: Tell<'_>,
    ) -> Result<(T, Progress), (Step, Arc<AwsError>)> {
        let (mut asked, mut progress) = (pin!(asked), Progress::default());
        let outcome = loop {
            tokio::select! {
                biased;
                Some(event) = self.seen.recv() => progress.take(event, tell),
                outcome = &mut asked => break outcome,
            }
        };
        while let Ok(event) = self.seen.try_recv() {
            progress.take(event, tell);
        }
        match outcome {
            Ok(found) => Ok((found, progress)),
            Err(error) => Err((progress.failed(error.root(), &self.context(), tell), error)),
        }
    }
}

impl Recorder {
    fn context(&self) -> MutexGuard<'_, Context> {
        self.context.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn explain(&self, error: &AwsError) -> Explanation {
        explain(&CheckError::Aws(error), &self.context())
    }

    fn send(&self, event: Event) {
        // Nobody listens any more where a flight outlives the check.
        let _ = self.events.send(event);
    }
}

impl Observer for Recorder {
    fn calling(&self, call: &Call) {
        self.send(Event::Calling(call.clone()));
    }

    fn failing(&self, _call: &Call, error: &AwsError) {
        self.send(Event::Failing(self.explain(error)));
    }

    fn called(&self, call: &Call, took: Duration, outcome: Result<(), &AwsError>) {
        let fault = outcome.err().map(|error| self.explain(error));
        self.send(Event::Called { call: call.clone(), took, fault });
    }

    fn noted(&self, call: &Call, what: &str) {
        self.send(Event::Noted(call.clone(), what.to_owned()));
    }

    fn token_read(&self, file: &Path, took: Duration, outcome: Result<(), &io::Error>) {
        let fault = outcome.err().map(|error| token_unread(file, error));
        self.send(Event::TokenRead { file: file.to_owned(), took, fault });
    }

    fn clock_is_off(&self, what: &str) {
        self.send(Event::ClockIsOff(what.to_owned()));
    }
}

/// The calls so far. The last one is held back, since what becomes of it may be told later.
#[derive(Default)]
pub(super) struct Progress {
    held: Option<(Option<Call>, Step)>,
    /// The call under way, since when, and what its last attempt came to.
    pending: Option<(Call, Instant, Option<Explanation>)>,
}

impl Progress {
    pub(super) fn take(&mut self, event: Event, tell: Tell<'_>) {
        match event {
            Event::Calling(call) => {
                if !self.is_next_page(&call) {
                    self.end(tell);
                }
                self.pending = Some((call, Instant::now(), None));
            }
            Event::Failing(why) => {
                if let Some((_, _, last)) = &mut self.pending {
                    *last = Some(why);
                }
            }
            Event::Called { call, took, fault } => {
                let before = if self.is_next_page(&call) { self.held.take() } else { None };
                self.end(tell);
                self.pending = None;
                let took = took + before.map_or(Duration::ZERO, |(_, step)| step.took);
                let step = Step { took, fault, ..step(&call) };
                self.held = Some((Some(call), step));
            }
            Event::Noted(call, what) => match &mut self.held {
                Some((Some(held), step)) if *held == call => step.detail = what,
                _ => {
                    self.end(tell);
                    let step = step(&call).found(what);
                    self.held = Some((Some(call), step));
                }
            },
            Event::TokenRead { file, took, fault } => {
                self.end(tell);
                self.pending = None;
                let step = Step::new("token file", &*file.to_string_lossy());
                self.held = Some((None, Step { took, fault, ..step }));
            }
            Event::ClockIsOff(what) => {
                self.end(tell);
                self.held = Some((None, Step::new("clock", "").found(what)));
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
    pub(super) fn end(&mut self, tell: Tell<'_>) {
        if let Some((_, step)) = self.held.take().filter(|(_, step)| step.fault.is_none()) {
            tell(step);
        }
    }

    /// Tells the last call as failed: what it brought will not do.
    pub(super) fn unusable(self, why: Explanation, tell: Tell<'_>) {
        let step = self
            .held
            .map_or_else(|| Step::new("spec", ""), |(_, step)| step);
        tell(Step { fault: Some(why), ..step });
    }

    /// The failed step, once all before it are told.
    pub(super) fn failed(mut self, error: &AwsError, context: &Context, tell: Tell<'_>) -> Step {
        let why = explain(&CheckError::Aws(error), context);
        if let Some((_, step)) = self.held.take_if(|(_, step)| step.fault.is_some()) {
            return step;
        }
        // The value that the call brought will not do.
        if let AwsError::Unusable { call, .. } = error
            && let Some((_, step)) = self.held.take_if(|(held, _)| held.as_ref() == Some(call))
        {
            return Step { fault: Some(why), ..step };
        }
        self.end(tell);
        match (error, self.pending.take()) {
            // Cut off by the deadline of its flight: its last attempt says more.
            (AwsError::Deadline { .. }, Some((call, since, last))) => {
                Step { fault: Some(last.unwrap_or(why)), ..step(&call).since(since) }
            }
            (AwsError::Unusable { call, .. }, _) => Step { fault: Some(why), ..step(call) },
            (AwsError::Spec(_) | AwsError::Bounds(_), _) => Step { fault: Some(why), ..Step::new("spec", "") },
            _ => Step { fault: Some(why), ..Step::new("credentials", "") },
        }
    }
}

fn step(call: &Call) -> Step {
    let name = if call.operation == Operation::GetCallerIdentity { "base identity" } else { call.operation.name() };
    Step::new(name, call.on.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(what: &str) -> Explanation {
        Explanation { what: what.to_owned(), fix: String::new() }
    }

    fn called(call: &Call, fault: Option<Explanation>) -> Event {
        Event::Called { call: call.clone(), took: Duration::ZERO, fault }
    }

    /// What is told of events that end well: names, and what was found.
    fn told(events: impl IntoIterator<Item = Event>) -> Vec<(&'static str, String)> {
        let (mut progress, mut steps) = (Progress::default(), Vec::new());
        let mut tell = |step: Step| steps.push((step.name, step.detail));
        for event in events {
            progress.take(event, &mut tell);
        }
        progress.minted("a login");
        progress.end(&mut tell);
        steps
    }

    #[test]
    fn a_call_that_is_made_again_under_a_new_session_is_one_step() {
        let (role, login) = (Call::new(Operation::AssumeRole, "r"), Call::new(Operation::GetCredentials, "w"));
        let events = [
            Event::Calling(role.clone()),
            called(&role, None),
            Event::Calling(login.clone()),
            Event::Failing(why("expired")),
            called(&login, Some(why("expired"))),
            Event::Calling(role.clone()),
            called(&role, None),
            Event::Calling(login.clone()),
            called(&login, None),
        ];
        let role = || ("AssumeRole", String::new());
        assert_eq!(told(events), [role(), role(), ("GetCredentials", "a login".to_owned())]);
    }

    #[test]
    fn the_pages_of_a_listing_are_one_step() {
        let page = Call::new(Operation::GetParametersByPath, "/users");
        let events = (0..3).flat_map(|_| [Event::Calling(page.clone()), called(&page, None)]);
        assert_eq!(told(events), [("GetParametersByPath", String::new())]);
    }

    #[test]
    fn a_note_is_of_the_call_before_or_a_step_of_its_own() {
        let (secret, role) = (Call::new(Operation::GetSecretValue, "s"), Call::new(Operation::AssumeRole, "r"));
        let events =
            [called(&secret, None), Event::Noted(secret, "no password".into()), Event::Noted(role, "skipped".into())];
        assert_eq!(told(events), [("GetSecretValue", "no password".to_owned()), ("AssumeRole", "skipped".to_owned())]);
    }
}
