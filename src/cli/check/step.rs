//! One step of a check.

use std::time::Duration;

use tokio::time::Instant;

use super::context::{Context, Explanation};
use super::explain::{CheckError, explain};

/// A step of a check: one thing that was proved, or failed.
#[derive(Debug)]
pub(crate) struct CheckStep {
    /// The kind of step: `config`, `user`, `base identity`, `clock`, an operation of AWS's, `spec`,
    /// `credentials`, `password file`, `token file`, `DNS`, `TCP`, `TLS`, `login`; of the listener,
    /// `listen.tls` or a key of it (`listen.tls.cert`, `listen.tls.key`).
    pub(crate) name: &'static str,
    /// The thing that the step was about, as a role or an address; empty where the name says it
    /// all.
    pub(crate) subject: String,
    /// The time that the step took.
    pub(crate) took: Duration,
    /// The facts that the step found out; may be empty.
    pub(crate) detail: String,
    /// Why the step failed. `None`: it is proved.
    pub(crate) failure: Option<Explanation>,
}

/// The callback that each step is reported to as it ends.
pub(crate) type OnStep<'t> = &'t mut (dyn FnMut(CheckStep) + Send);

/// A step failed; it was reported, with its explanation.
#[derive(Debug)]
pub(crate) struct StepFailed;

impl CheckStep {
    /// A step that is proved, and took no time.
    pub(super) fn new(name: &'static str, subject: impl Into<String>) -> Self {
        let (subject, detail) = (subject.into(), String::new());
        Self { name, subject, took: Duration::ZERO, detail, failure: None }
    }

    /// The step with the time since it began.
    pub(super) fn since(self, began: Instant) -> Self {
        Self { took: began.elapsed(), ..self }
    }

    /// The step with what was found out.
    pub(super) fn found(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// The step as failed by this error.
    pub(super) fn failed(self, error: &CheckError<'_>, context: &Context) -> Self {
        Self { failure: Some(explain(error, context)), ..self }
    }
}
