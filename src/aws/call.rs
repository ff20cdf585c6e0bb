//! The one way to AWS: every call is named, bounded, tried again where that helps, and reported to
//! an observer.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sts::config::http::HttpResponse;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use tokio::time::Instant;
use tracing::warn;

use super::base::Base;
use super::clients::Clients;
use super::code::is_of_key;
use super::error::{AwsError, Call};
use super::failure::{classify, timeouts};
use super::gate::{Gate, QuotaKey};
use super::skew;
use crate::clock::Clock;
use crate::jitter::Jitter;
use crate::secret::Secret;

/// Observes each call: `check` reports them as steps, and `serve` counts them.
pub(crate) trait Observer: Send + Sync {
    /// Called when a call begins.
    fn calling(&self, _call: &Call) {}

    /// Called when an attempt of the call has failed. Another may follow.
    fn failing(&self, _call: &Call, _error: &AwsError) {}

    /// Called when a call is over. `took` is the time of all its attempts.
    fn called(&self, call: &Call, took: Duration, outcome: Result<(), &AwsError>);

    /// Called instead when the deadline of its flight cuts a call off.
    fn cut_off(&self, _call: &Call) {}

    /// Called when there is more to know of the call made last, or of one that was not needed.
    fn noted(&self, _call: &Call, _what: &str) {}

    /// Called when a web identity token was read from its file, or could not be. `took` is the time
    /// of the read.
    fn token_read(&self, _file: &Path, _took: Duration, _outcome: Result<(), &io::Error>) {}

    /// Called when this machine's clock is found to differ from AWS's; `what` says by how much.
    fn clock_is_off(&self, _what: &str) {}
}

/// Two observers of the same calls.
struct Both(Arc<dyn Observer>, Arc<dyn Observer>);

impl Observer for Both {
    fn calling(&self, call: &Call) {
        self.0.calling(call);
        self.1.calling(call);
    }

    fn failing(&self, call: &Call, error: &AwsError) {
        self.0.failing(call, error);
        self.1.failing(call, error);
    }

    fn called(&self, call: &Call, took: Duration, outcome: Result<(), &AwsError>) {
        self.0.called(call, took, outcome);
        self.1.called(call, took, outcome);
    }

    fn cut_off(&self, call: &Call) {
        self.0.cut_off(call);
        self.1.cut_off(call);
    }

    fn noted(&self, call: &Call, what: &str) {
        self.0.noted(call, what);
        self.1.noted(call, what);
    }

    fn token_read(&self, file: &Path, took: Duration, outcome: Result<(), &io::Error>) {
        self.0.token_read(file, took, outcome);
        self.1.token_read(file, took, outcome);
    }

    fn clock_is_off(&self, what: &str) {
        self.0.clock_is_off(what);
        self.1.clock_is_off(what);
    }
}

/// Makes every call to AWS: bounded in number and time, tried again where that helps, and reported
/// to an observer. All who call share it.
pub(crate) struct Calls {
    base: Arc<Base>,
    gate: Gate,
    observer: Option<Arc<dyn Observer>>,
}

/// A call under way. Dropping it reports that the call was cut off.
struct Unfinished<'c> {
    /// `None`: the call is over.
    observer: Option<&'c dyn Observer>,
    call: &'c Call,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(observer) = self.observer {
            observer.cut_off(self.call);
        }
    }
}

impl Calls {
    /// Makes calls by `base`. `flight` is the deadline of the flights that call, from which those
    /// of a call and of its attempts are derived.
    pub(crate) fn new(base: Base, flight: Duration, observer: Option<Arc<dyn Observer>>) -> Self {
        base.set_timeouts(timeouts(flight));
        let base = Arc::new(base);
        Self { base, gate: Gate::new(Jitter::random(), flight / 4 * 3), observer }
    }

    /// Makes calls by the same base, with a gate of their own and `flight` as the deadline, so that
    /// calls that are slow or throttled here hold up no calls there.
    pub(crate) fn with_own_gate(&self, flight: Duration) -> Self {
        let gate = Gate::new(Jitter::random(), flight / 4 * 3);
        Self { base: Arc::clone(&self.base), gate, observer: self.observer.clone() }
    }

    /// Sets another deadline of the flights that call, for calls that begin from now on. It holds
    /// for all who call by the same base, but for the waits at gates of their own.
    pub(crate) fn set_flight(&self, flight: Duration) {
        self.base.set_timeouts(timeouts(flight));
        self.set_wait(flight);
    }

    /// Sets another deadline for the waits at this gate.
    pub(crate) fn set_wait(&self, flight: Duration) {
        self.gate.set_max_wait(flight / 4 * 3);
    }

    /// Makes calls by the same base, with a gate of their own and `flight` as the deadline, and
    /// reports them to this observer too.
    pub(crate) fn observed_by(&self, flight: Duration, observer: Arc<dyn Observer>) -> Self {
        let observer: Arc<dyn Observer> = match &self.observer {
            Some(first) => Arc::new(Both(Arc::clone(first), observer)),
            None => observer,
        };
        Self { observer: Some(observer), ..self.with_own_gate(flight) }
    }

    /// The forward proxy that calls go through, as [`Base::forward_proxy`] gives it.
    pub(crate) fn forward_proxy(&self) -> Option<(&str, &'static str)> {
        self.base.forward_proxy()
    }

    /// The clients of a Region. `None`: the base's own Region.
    pub(crate) fn clients(&self, region: Option<&str>) -> Arc<Clients> {
        self.base.clients(region)
    }

    /// The Region to call in: `None`, which is the base's own, or `otherwise` where it has none.
    pub(crate) fn home<'r>(&self, otherwise: Option<&'r str>) -> Option<&'r str> {
        self.base.home(otherwise)
    }

    /// The number of the base identity, as [`Base::identity_number`] gives it.
    pub(crate) fn identity_number(&self) -> u64 {
        self.base.identity_number()
    }

    /// The name of the Region that [`Calls::clients`] calls in, where one is known.
    pub(crate) fn region_name<'r>(&'r self, region: Option<&'r str>) -> Option<&'r str> {
        self.base.region_name(region)
    }

    /// Makes one call, and reads what is needed from the answer.
    ///
    /// `account` and `region` say whose quota the call spends. `hidden` is a secret in the request,
    /// which is taken out of what the answer says. `read` says what is wrong with an answer that
    /// cannot be used.
    ///
    /// # Errors
    /// The error of the last attempt, or [`AwsError::Unusable`].
    pub(crate) async fn make<T, U, E, F>(
        &self,
        call: &Call,
        (account, region): (Option<&str>, Option<&str>),
        hidden: Option<&Secret>,
        send: impl Fn() -> F,
        read: impl FnOnce(T) -> Result<U, &'static str>,
    ) -> Result<U, AwsError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let quota =
            QuotaKey { account: account.map(str::to_owned), region: self.base.region_name(region).map(str::to_owned) };
        let since = Instant::now();
        let named = &call.within(quota.region.as_deref());
        let observer = self.observer.as_deref();
        if let Some(observer) = observer {
            observer.calling(call);
        }
        let mut unfinished = Unfinished { observer, call };
        let failed = move |error| {
            let error = classify(named, &error, hidden.map(Secret::expose));
            if let Some(observer) = observer {
                observer.failing(call, &error);
            }
            error
        };
        let send = &send;
        let attempt = || async move {
            let keys = self.base.generation();
            match send().await {
                Err(error) if self.may_succeed_now(&error, keys).await => send().await.map_err(failed),
                sent => sent.map_err(failed),
            }
        };
        let answered = self.gate.call(&quota, attempt).await;
        let outcome =
            answered.and_then(|answer| read(answer).map_err(|what| AwsError::Unusable { call: call.clone(), what }));
        if let Some(observer) = unfinished.observer.take() {
            observer.called(call, since.elapsed(), outcome.as_ref().map(|_| ()));
        }
        outcome
    }

    /// Whether a refused call may succeed if it is made again at once: because AWS refused the keys
    /// of generation `keys` and others were loaded since, or refused the time of a signature and
    /// the SDK has learned AWS's.
    async fn may_succeed_now<E>(&self, error: &SdkError<E, HttpResponse>, keys: u64) -> bool
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let Some(code) = error
            .as_service_error()
            .and_then(ProvideErrorMetadata::code)
        else {
            return false;
        };
        let skew = self.base.skew();
        if skew.explains(code) {
            if skew.secs() != 0 && skew.is_news() {
                let off = skew::describe(skew.secs());
                warn!(
                    event = "clock skew",
                    off = off.as_str(),
                    "this machine's clock is {off} AWS's: AWS's is used, and this machine's has to be set (NTP)"
                );
                if let Some(observer) = &self.observer {
                    observer.clock_is_off(&format!("{off} AWS's, which is used instead: set it (NTP)"));
                }
            }
            return true;
        }
        is_of_key(code) && self.base.renew(keys).await
    }

    /// A clock corrected by what AWS's answers have told of it.
    pub(crate) fn correct(&self, clock: &Arc<dyn Clock>) -> Arc<dyn Clock> {
        self.base.skew().correct(clock)
    }

    /// Reports a read of a web identity token's file, which is no call, to the observer.
    pub(crate) fn report_token_read(&self, file: &Path, since: Instant, outcome: Result<(), &io::Error>) {
        if let Some(observer) = &self.observer {
            observer.token_read(file, since.elapsed(), outcome);
        }
    }

    /// Reports to the observer what an answer alone does not tell.
    pub(crate) fn note(&self, call: &Call, what: &str) {
        if let Some(observer) = &self.observer {
            observer.noted(call, what);
        }
    }
}
