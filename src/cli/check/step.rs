//! One step, and who is told of it.

use std::time::Duration;

use tokio::time::Instant;

use super::context::{Context, Explanation};
use super::explain::{CheckError, explain};

/// One thing that was proved, or not.
#[derive(Debug)]
pub(crate) struct CheckStep {
    /// `config`, `user`, `base identity`, an operation of AWS's, `password file`, `token file`,
    /// `DNS`, `TCP`, `TLS`, `login`.
    pub(crate) name: &'static str,
    /// What it was about; empty where its name says it.
    pub(crate) subject: String,
    pub(crate) took: Duration,
    /// What was found; may be empty.
    pub(crate) detail: String,
    /// `None`: proved.
    pub(crate) failure: Option<Explanation>,
}

/// Who is told of each step as it ends.
pub(crate) type OnStep<'t> = &'t mut (dyn FnMut(CheckStep) + Send);

/// A step failed, and was told.
#[derive(Debug)]
pub(crate) struct StepFailed;

impl CheckStep {
    pub(super) fn new(name: &'static str, subject: impl Into<String>) -> Self {
        let (subject, detail) = (subject.into(), String::new());
        Self { name, subject, took: Duration::ZERO, detail, failure: None }
    }

    /// The same, since then.
    pub(super) fn since(self, began: Instant) -> Self {
        Self { took: began.elapsed(), ..self }
    }

    /// The same, with what was found.
    pub(super) fn found(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    /// The same, failed.
    pub(super) fn failed(self, error: &CheckError<'_>, context: &Context) -> Self {
        Self { failure: Some(explain(error, context)), ..self }
    }
}
