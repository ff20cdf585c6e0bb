//! Faults to order, and the requests that they are for.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// A fault that happens to a request instead of, or before, its answer. Only requests that are
/// signed correctly meet a fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// `ThrottlingException` or `Throttling`, "Rate exceeded".
    Throttle,
    /// `AccessDeniedException` or `AccessDenied`.
    Deny,
    /// Access denied, since the caller may not use the KMS key: `kms:Decrypt`.
    DenyKms,
    /// 500: `InternalServerException`, `InternalServerError` (SSM) or `InternalFailure`.
    InternalError,
    /// Answers after this time, by tokio's clock.
    Delay(Duration),
    /// Answers when the faults are cleared, or never.
    Hang,
    /// 200 with a body that is neither JSON nor XML.
    Garbage,
    /// Closes the connection without an answer.
    Close,
}

/// How often a fault happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Times {
    /// The next so many matching requests.
    Next(usize),
    /// Until the faults are cleared.
    Always,
}

/// The faults that are waiting, oldest first.
#[derive(Default)]
pub(super) struct Faults {
    rules: Mutex<Vec<Rule>>,
    paces: Mutex<BTreeMap<String, Pace>>,
    /// Counts the clearings; requests that hang wait for the next.
    cleared: watch::Sender<u64>,
}

struct Rule {
    operation: String,
    /// Only requests with this parameter.
    parameter: Option<(String, String)>,
    fault: Fault,
    times: Times,
}

/// A rate of one request in so much time; the rest is throttled.
struct Pace {
    interval: Duration,
    admitted: Option<Instant>,
}

/// Ends when the faults are cleared after it was made.
pub(super) struct Release(watch::Receiver<u64>);

impl Faults {
    pub(super) fn add(&self, operation: &str, parameter: Option<(&str, &str)>, fault: Fault, times: Times) {
        let parameter = parameter.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.rules()
            .push(Rule { operation: operation.to_owned(), parameter, fault, times });
    }

    pub(super) fn admit_every(&self, operation: &str, interval: Duration) {
        self.paces()
            .insert(operation.to_owned(), Pace { interval, admitted: None });
    }

    /// Whether this request comes too early. One that does takes nobody's turn.
    pub(super) fn is_too_early(&self, operation: &str) -> bool {
        let mut paces = self.paces();
        let Some(pace) = paces.get_mut(operation) else { return false };
        let is_too_early = pace
            .admitted
            .is_some_and(|last| last.elapsed() < pace.interval);
        if !is_too_early {
            pace.admitted = Some(Instant::now());
        }
        is_too_early
    }

    /// The fault for this request, if any: that of the oldest rule which matches and is not used
    /// up.
    pub(super) fn strike(&self, operation: &str, parameters: &BTreeMap<String, String>) -> Option<(Fault, Release)> {
        // Before the rules are looked at, so that a clearing in between is not missed.
        let release = Release(self.cleared.subscribe());
        let mut rules = self.rules();
        rules.retain(|rule| rule.times != Times::Next(0));
        let rule = rules
            .iter_mut()
            .find(|rule| rule.matches(operation, parameters))?;
        if let Times::Next(left) = &mut rule.times {
            *left -= 1;
        }
        Some((rule.fault, release))
    }

    pub(super) fn clear(&self) {
        self.rules().clear();
        self.paces().clear();
        self.cleared.send_modify(|count| *count += 1);
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn paces(&self) -> MutexGuard<'_, BTreeMap<String, Pace>> {
        self.paces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rule {
    fn matches(&self, operation: &str, parameters: &BTreeMap<String, String>) -> bool {
        self.operation == operation
            && self
                .parameter
                .as_ref()
                .is_none_or(|(name, value)| parameters.get(name) == Some(value))
    }
}

impl Release {
    pub(super) async fn wait(mut self) {
        // An error means that the server is gone, and with it whoever waits here.
        let _ = self.0.changed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_matching_rule_strikes_as_often_as_it_was_asked_to() {
        let faults = Faults::default();
        let slow = BTreeMap::from([("workgroupName".to_owned(), "slow".to_owned())]);
        let strike = |parameters: &BTreeMap<_, _>| {
            faults
                .strike("GetCredentials", parameters)
                .map(|(fault, _)| fault)
        };
        faults.add("GetCredentials", Some(("workgroupName", "slow")), Fault::Deny, Times::Next(1));
        faults.add("GetCredentials", None, Fault::Throttle, Times::Next(2));
        faults.add("AssumeRole", None, Fault::Close, Times::Always);
        assert_eq!(strike(&BTreeMap::new()), Some(Fault::Throttle));
        assert_eq!(strike(&slow), Some(Fault::Deny));
        assert_eq!(strike(&slow), Some(Fault::Throttle));
        assert_eq!(strike(&slow), None);
    }

    #[test]
    fn a_paced_operation_is_admitted_once_in_its_interval() {
        let faults = Faults::default();
        faults.admit_every("GetCredentials", Duration::from_secs(3600));
        faults.admit_every("GetWorkgroup", Duration::ZERO);
        let is_too_early = || faults.is_too_early("GetCredentials");
        assert_eq!((is_too_early(), is_too_early(), faults.is_too_early("AssumeRole")), (false, true, false));
        assert!(!faults.is_too_early("GetWorkgroup") && !faults.is_too_early("GetWorkgroup"));
        faults.clear();
        assert!(!is_too_early());
    }

    #[tokio::test]
    async fn clearing_faults_releases_hanging_requests() {
        let faults = Faults::default();
        faults.add("AssumeRole", None, Fault::Hang, Times::Always);
        let (_, release) = faults
            .strike("AssumeRole", &BTreeMap::new())
            .expect("a fault");
        faults.clear();
        release.wait().await;
        assert!(faults.strike("AssumeRole", &BTreeMap::new()).is_none());
    }
}
