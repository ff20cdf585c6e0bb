//! Every call to AWS goes through here: named, bounded, tried again where that helps, and told to
//! who watches.

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
use super::failure::{class, timeouts};
use super::gate::{Gate, QuotaKey};
use super::skew;
use crate::clock::Clock;
use crate::jitter::Jitter;
use crate::secret::Secret;

/// Sees each call: `check` does.
pub(crate) trait Observer: Send + Sync {
    /// It begins.
    fn calling(&self, _call: &Call) {}

    /// An attempt failed; there may be another.
    fn failing(&self, _call: &Call, _error: &AwsError) {}

    /// It is over. `took` is the call's whole time, its retries included. One that its flight's
    /// deadline cuts off is never over.
    fn called(&self, call: &Call, took: Duration, outcome: Result<(), &AwsError>);

    /// What else there is to know: of the call made last, or of one that was not needed.
    fn noted(&self, _call: &Call, _what: &str) {}

    /// A web identity token was read from its file, which took that long, or could not be.
    fn token_read(&self, _file: &Path, _took: Duration, _outcome: Result<(), &io::Error>) {}

    /// This machine's clock is not AWS's; `what` says by how much.
    fn clock_is_off(&self, _what: &str) {}
}

/// How AWS is called.
pub(crate) struct Calls {
    base: Arc<Base>,
    gate: Gate,
    observer: Option<Arc<dyn Observer>>,
}

impl Calls {
    /// `flight` bounds each attempt, and all attempts of one call.
    pub(crate) fn new(base: Base, flight: Duration, observer: Option<Arc<dyn Observer>>) -> Self {
        let base = Arc::new(base.with_timeouts(timeouts(flight)));
        Self { base, gate: Gate::new(Jitter::random(), flight / 4 * 3), observer }
    }

    /// The same with a way in of its own: what is slow or throttled here holds up nothing there.
    pub(crate) fn apart(&self, flight: Duration) -> Self {
        let gate = Gate::new(Jitter::random(), flight / 4 * 3);
        Self { base: Arc::clone(&self.base), gate, observer: self.observer.clone() }
    }

    /// The clients of a region (default: the base's own).
    pub(crate) fn clients(&self, region: Option<&str>) -> Arc<Clients> {
        self.base.clients(region)
    }

    /// The base's own region, or `otherwise` where it has none.
    pub(crate) fn home<'r>(&self, otherwise: Option<&'r str>) -> Option<&'r str> {
        self.base.home(otherwise)
    }

    /// As [`Base::identity_number`].
    pub(crate) fn identity_number(&self) -> u64 {
        self.base.identity_number()
    }

    /// The name of the region that [`Calls::clients`] means, where one is known.
    pub(crate) fn region_name<'r>(&'r self, region: Option<&'r str>) -> Option<&'r str> {
        self.base.region_name(region)
    }

    /// Makes one call, and takes what is needed from the answer. `account`, `region`: whose quota
    /// it spends. `hidden`: a secret in the request, which an answer may quote. `read` says what is
    /// wrong with an answer that will not do.
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
        let place =
            QuotaKey { account: account.map(str::to_owned), region: self.base.region_name(region).map(str::to_owned) };
        let since = Instant::now();
        let named = &call.within(place.region.as_deref());
        let observer = self.observer.as_deref();
        if let Some(observer) = observer {
            observer.calling(call);
        }
        let failed = move |error| {
            let error = class(named, &error, hidden.map(Secret::expose));
            if let Some(observer) = observer {
                observer.failing(call, &error);
            }
            error
        };
        let send = &send;
        let attempt = || async move {
            let keys = self.base.generation();
            match send().await {
                Err(error) if self.may_do_at_once(&error, keys).await => send().await.map_err(failed),
                sent => sent.map_err(failed),
            }
        };
        let answered = self.gate.call(&place, attempt).await;
        let outcome =
            answered.and_then(|answer| read(answer).map_err(|what| AwsError::Unusable { call: call.clone(), what }));
        if let Some(observer) = observer {
            observer.called(call, since.elapsed(), outcome.as_ref().map(|_| ()));
        }
        outcome
    }

    /// Whether AWS refused what is other by now: the keys of the base identity, those of generation
    /// `keys`, which it has read again, or a clock, which the SDK has corrected.
    async fn may_do_at_once<E>(&self, error: &SdkError<E, HttpResponse>, keys: u64) -> bool
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
                warn!("this machine's clock is {off} AWS's: AWS's is used, and this machine's has to be set (NTP)");
                if let Some(observer) = &self.observer {
                    observer.clock_is_off(&format!("{off} AWS's, which is used instead: set it (NTP)"));
                }
            }
            return true;
        }
        is_of_key(code) && self.base.renew(keys).await
    }

    /// This machine's clock, with what AWS's answers have told of it.
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
