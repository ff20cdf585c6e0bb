//! One step, and who is told of it.

use std::time::Duration;

use tokio::time::Instant;

use super::context::{Context, Explanation};
use super::explain::{CheckError, explain};

/// One thing that was proved, or not.
#[derive(Debug)]
pub(crate) struct Step {
    /// `config`, `user`, `base identity`, an operation of AWS's, `password file`, `token file`,
    /// `DNS`, `TCP`, `TLS`, `login`.
    pub(crate) name: &'static str,
    /// What it was about; empty where its name says it.
    pub(crate) subject: String,
    pub(crate) took: Duration,
    /// What was found; may be empty.
    pub(crate) detail: String,
    /// `None`: proved.
    pub(crate) fault: Option<Explanation>,
}

/// Who is told of each step as it ends.
pub(crate) type Tell<'t> = &'t mut (dyn FnMut(Step) + Send);

/// A step failed, and was told.
#[derive(Debug)]
pub(crate) struct Failed;

impl Step {
    pub(super) fn new(name: &'static str, subject: impl Into<String>) -> Self {
        let (subject, detail) = (subject.into(), String::new());
        Self { name, subject, took: Duration::ZERO, detail, fault: None }
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
        Self { fault: Some(explain(error, context)), ..self }
    }
}
