//! The check of the listener's TLS: reads certificate and key as `serve` does, and fails where
//! `serve` would not start, or every client would refuse the certificate.

use std::sync::Arc;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::context::Explanation;
use super::step::{CheckStep, StepFailed};
use crate::aws::{Base, Calls, StoreReader};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Material, Reference, Remote};
use crate::fault::chain;
use crate::references::References;
use crate::startup::tls::{Aging, ListenerPem, ServerTls};

/// Checks the listener's TLS. There are no steps where all of it stands in files and variables,
/// which were read with the configuration, and nothing of it is about to end.
pub(super) async fn run(config: &Config, env: &dyn Fn(&str) -> Option<String>) -> Vec<CheckStep> {
    let mut steps = Vec::new();
    let mut references = None;
    let read = async |key: &'static str, material: &Material| {
        if let Some(text) = &material.text {
            return Ok(text.clone());
        }
        let references = match &references {
            Some(references) => references,
            None => references.insert(reader(config, env).await),
        };
        let began = Instant::now();
        let read = references.read(&material.from).await;
        let step = CheckStep::new(key, written(&material.from)).since(began);
        match read {
            Ok(text) => {
                steps.push(step);
                Ok(text)
            }
            Err(error) => {
                let why = Explanation::new(
                    chain(&error),
                    "serve waits until this can be read: correct the reference, or let the base identity read it \
                     (see iam-policy)",
                );
                steps.push(CheckStep { failure: Some(why), ..step });
                Err(StepFailed)
            }
        }
    };
    let Ok(pem) = ListenerPem::read(&config.listen, read).await else { return steps };
    let began = Instant::now();
    let step = |name| CheckStep::new(name, "").since(began);
    match ServerTls::new(&config.listen, &pem, Arc::new(SystemClock)) {
        Err(error) => {
            let why = Explanation::new(chain(&error), "serve ends with exit code 78 here: store it anew as it says");
            steps.push(CheckStep { failure: Some(why), ..step("listen.tls") });
        }
        Ok(tls) => {
            let aging = tls.aging();
            steps.extend(aging.iter().map(|aging| aged(aging, step(aging.key()))));
            if !steps.is_empty() && aging.is_empty() {
                steps.push(step("listen.tls").found("certificate and key belong together"));
            }
        }
    }
    steps
}

/// Warnings about the listener's TLS: one for each certificate or revocation list that has ended,
/// is about to, or has not begun. Only what stands in files and variables is looked at.
#[must_use]
pub(crate) fn ages(config: &Config) -> Vec<String> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    // What AWS keeps was not read, and is not read here.
    let known = async |_key: &'static str, material: &Material| material.text.clone().ok_or(());
    let Some(Ok(pem)) = ListenerPem::read(&config.listen, known).now_or_never() else { return Vec::new() };
    let aging = ServerTls::new(&config.listen, &pem, clock)
        .map(|tls| tls.aging())
        .unwrap_or_default();
    aging
        .iter()
        .map(|aging| format!("{}: {aging}", aging.key()))
        .collect()
}

/// The step of a certificate or list that has ended, is about to, or has not begun.
fn aged(aging: &Aging, step: CheckStep) -> CheckStep {
    if aging.breaks_logins() {
        let failure = Some(Explanation::new(aging, format_args!("store a newer one at {}", aging.key())));
        return CheckStep { failure, ..step };
    }
    step.found(aging.to_string())
}

/// A reader of what AWS keeps, as the base identity.
async fn reader(config: &Config, env: &dyn Fn(&str) -> Option<String>) -> References {
    let base = Base::from_environment(&config.aws, config.home_region(), env).await;
    let timeout = config.credentials.timeout;
    let store = StoreReader(Arc::new(Calls::new(base, timeout, None)));
    References::new(Arc::new(store), timeout)
}

/// A reference as it stands in the configuration.
fn written(from: &Reference) -> String {
    match from {
        Reference::File(path) => path.display().to_string(),
        Reference::Env(name) => format!("env:{name}"),
        Reference::Remote(Remote::Parameter(name)) => format!("ssm:{name}"),
        Reference::Remote(Remote::Secret { id, key: None }) => format!("secret:{id}"),
        Reference::Remote(Remote::Secret { id, key: Some(key) }) => format!("secret:{id}#{key}"),
    }
}
