//! Watching the calls to AWS while they are made.

use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::call_steps::{CallEvent, CallSteps};
use super::context::{Context, Explanation};
use super::explain::{CheckError, explain, token_unread};
use super::step::{CheckStep, OnStep, StepFailed};
use crate::aws::{AwsError, Call, Observer};

/// Observes the calls that a check's flights make, and sends what happens to its [`CallFeed`]. The
/// flights and the feed hold it together. The lock guards what is known so far, which failures are
/// explained with; it is held to read or write a field. Dropping it ends nothing.
pub(crate) struct CallRecorder {
    /// The sender of the events, whose receiver is the [`CallFeed`].
    pub(super) events: UnboundedSender<CallEvent>,
    /// The facts that are known of the connection so far.
    pub(super) context: Mutex<Context>,
}

/// The receiving end of a [`CallRecorder`], held by the check of one connection.
pub(super) struct CallFeed {
    /// The events that the recorder sends.
    pub(super) seen: UnboundedReceiver<CallEvent>,
    /// The recorder, which keeps what is known of the connection.
    pub(super) recorder: Arc<CallRecorder>,
}

impl CallFeed {
    /// The facts that are known of the connection so far, locked while the guard lives.
    pub(super) fn context(&self) -> MutexGuard<'_, Context> {
        self.recorder.context()
    }

    /// Waits for a value from AWS, and reports the calls on the way as steps, the failed one too.
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

    /// Waits like [`Self::step`], but leaves it to the caller to report the step that failed.
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
        self.context.lock()
    }

    fn explain(&self, error: &AwsError) -> Explanation {
        explain(&CheckError::Aws(error), &self.context())
    }

    fn send(&self, event: CallEvent) {
        // A flight may outlive the check: then nobody receives.
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
