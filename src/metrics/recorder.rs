//! The counts of everything that happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use super::connections::Connections;
use super::counts::Counts;
use super::label::{AuthReason, CancelOutcome, Outcome, ReloadOutcome, Side, Slot, Sqlstate, TlsReason};
use super::process::Process;
use crate::aws::{AwsError, Call, Code, Observer, Operation};
use crate::clock::Clock;
use crate::config::ConnId;

/// The counts of everything that happens, from the start of the process on. Sessions, the acceptor
/// and the caches of credentials count; scrapes read.
pub(crate) struct Metrics {
    /// Of each connection.
    pub(crate) connections: Connections,
    /// Clients that did not prove who they are.
    pub(crate) auth_failures: Counts<AuthReason>,
    /// Refusals that clients were told.
    pub(crate) refusals: Counts<Sqlstate>,
    /// Logins by the entry of the user's `password` that was used.
    pub(crate) password_uses: Counts<Slot>,
    /// CancelRequests, and cancels of sessions that ended while their query ran.
    pub(crate) cancels: Counts<CancelOutcome>,
    /// Reloads of the configuration.
    pub(crate) reloads: Counts<ReloadOutcome>,
    client_tls_failures: Counts<TlsReason>,
    upstream_tls_failures: Counts<TlsReason>,
    /// In the order of [`Operation::ALL`].
    calls: Box<[Counts<Outcome>]>,
    accepted: AtomicU64,
    credential_waiters: AtomicUsize,
    /// When the configuration in force was loaded, in milliseconds since 1970.
    last_reload: AtomicU64,
    pub(super) process: Process,
    clock: Arc<dyn Clock>,
}

/// One login that waits for a credential. Dropping it ends the wait.
pub(crate) struct Waiting<'m>(&'m Metrics);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.credential_waiters.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// Counts from zero. `clock` gives the times of successes.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            connections: Connections::default(),
            auth_failures: Counts::default(),
            refusals: Counts::default(),
            password_uses: Counts::default(),
            cancels: Counts::default(),
            reloads: Counts::default(),
            client_tls_failures: Counts::default(),
            upstream_tls_failures: Counts::default(),
            calls: Operation::ALL.iter().map(|_| Counts::default()).collect(),
            accepted: AtomicU64::new(0),
            credential_waiters: AtomicUsize::new(0),
            last_reload: AtomicU64::new(0),
            process: Process::new(),
            clock,
        })
    }

    /// Takes note of the connections of a configuration that comes into force, each with the most
    /// sessions that it may have.
    pub(crate) fn configured<'c>(&self, connections: impl ExactSizeIterator<Item = (&'c ConnId, usize)>) {
        self.connections.configure(connections);
        let since = self.now().duration_since(SystemTime::UNIX_EPOCH);
        let millis = since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        self.last_reload.store(millis, Ordering::Relaxed);
    }

    /// Counts a connection that was accepted.
    pub(crate) fn count_accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a login that waits for a credential, until the answer is dropped.
    pub(crate) fn wait_for_credential(&self) -> Waiting<'_> {
        self.credential_waiters.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }

    /// The counts of TLS handshakes that failed on one side.
    pub(crate) fn tls_failures(&self, side: Side) -> &Counts<TlsReason> {
        match side {
            Side::Client => &self.client_tls_failures,
            Side::Upstream => &self.upstream_tls_failures,
        }
    }

    /// The connections that were accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// The logins that wait for a credential now.
    pub(crate) fn credential_waiters(&self) -> usize {
        self.credential_waiters.load(Ordering::Relaxed)
    }

    /// The calls to AWS, by the name of the operation.
    pub(crate) fn calls(&self) -> impl Iterator<Item = (&'static str, &Counts<Outcome>)> {
        Operation::ALL
            .iter()
            .map(|operation| operation.name())
            .zip(&self.calls)
    }

    fn count_call(&self, of: Operation, outcome: Outcome) {
        let at = Operation::ALL.iter().position(|operation| *operation == of);
        if let Some(counts) = at.and_then(|at| self.calls.get(at)) {
            counts.count(outcome);
        }
    }

    /// The time of now, by the clock that successes are noted by.
    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// When the configuration in force was loaded, in seconds since 1970.
    pub(crate) fn last_reload_secs(&self) -> f64 {
        Duration::from_millis(self.last_reload.load(Ordering::Relaxed)).as_secs_f64()
    }
}

/// Every call to AWS is counted once it is over.
impl Observer for Metrics {
    fn called(&self, call: &Call, _took: Duration, outcome: Result<(), &AwsError>) {
        self.count_call(
            call.operation,
            match outcome {
                Ok(()) => Outcome::Ok,
                Err(error) => Outcome::of_call(error),
            },
        );
    }

    fn cut_off(&self, call: &Call) {
        self.count_call(call.operation, Outcome::Timeout);
    }
}

impl Outcome {
    /// The outcome of a call to AWS, or of a login, that failed with this error.
    pub(crate) fn of_call(error: &AwsError) -> Self {
        match error.root() {
            AwsError::Denied { .. } | AwsError::Bounds(_) => Self::Denied,
            AwsError::Throttled { .. } => Self::Throttled,
            AwsError::Deadline { .. } | AwsError::Unavailable { code: Code::Timeout, .. } => Self::Timeout,
            AwsError::Unavailable { .. }
            | AwsError::Unusable { .. }
            | AwsError::TokenFile { .. }
            | AwsError::Spec(_)
            | AwsError::Lost
            | AwsError::Needed(_)
            | AwsError::Of { .. } => Self::Error,
        }
    }
}
