//! How far this machine's clock is from AWS's: learned from an answer's `Date`, and corrected for in what is compared
//! with expiries. Signatures are corrected by the SDK, which learns the same way, client by client.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_sts::config::http::HttpResponse;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::primitives::{DateTime, DateTimeFormat};

use crate::clock::Clock;

/// Codes by which AWS refuses a signature for its time, besides others: the `Date` of the answer tells which it is.
const OF_TIME: [&str; 7] = [
    "AuthFailure",
    "InvalidSignature",
    "InvalidSignatureException",
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
];

/// A clock that is less far off is not what AWS refuses a signature for: it takes them within five minutes.
const LEAST_SECS: u64 = 240;

/// What is known of the difference, for all that is compared with AWS's time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skew(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    /// How many seconds AWS's clock is ahead.
    secs: AtomicI64,
    was_told: AtomicBool,
}

/// The machine's clock with what it is off by.
struct Corrected {
    clock: Arc<dyn Clock>,
    skew: Skew,
}

impl Skew {
    /// Learns from a refusal that came at `now`, if it is one for the time of the signature: how far AWS is ahead, in
    /// seconds.
    pub(super) fn learn<E>(&self, error: &SdkError<E, HttpResponse>, now: SystemTime) -> Option<i64>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let code = error.as_service_error()?.code()?;
        let date = error.raw_response()?.headers().get("date")?;
        let secs = ahead(date, now).filter(|_| OF_TIME.contains(&code))?;
        self.0.secs.store(secs, Ordering::Relaxed);
        Some(secs)
    }

    /// Whether nobody has been told yet. Once.
    pub(super) fn is_news(&self) -> bool {
        !self.0.was_told.swap(true, Ordering::Relaxed)
    }

    /// The clock as AWS has it, as far as is known by then.
    pub(super) fn correct(&self, clock: &Arc<dyn Clock>) -> Arc<dyn Clock> {
        Arc::new(Corrected { clock: Arc::clone(clock), skew: self.clone() })
    }
}

impl Clock for Corrected {
    fn now(&self) -> SystemTime {
        let (now, secs) = (self.clock.now(), self.skew.0.secs.load(Ordering::Relaxed));
        let by = Duration::from_secs(secs.unsigned_abs());
        let corrected = if secs < 0 { now.checked_sub(by) } else { now.checked_add(by) };
        corrected.unwrap_or(now)
    }
}

/// How many seconds an HTTP date is ahead of `now`, if that is far enough.
fn ahead(date: &str, now: SystemTime) -> Option<i64> {
    let there = SystemTime::try_from(DateTime::from_str(date, DateTimeFormat::HttpDate).ok()?).ok()?;
    let secs = match there.duration_since(now) {
        Ok(ahead) => i64::try_from(ahead.as_secs()).ok()?,
        Err(behind) => -i64::try_from(behind.duration().as_secs()).ok()?,
    };
    (secs.unsigned_abs() > LEAST_SECS).then_some(secs)
}

/// A difference as people say it, to the next minute: a `Date` is not exact.
pub(super) fn told(secs: i64) -> String {
    let (minutes, side) = ((secs.unsigned_abs() + 30) / 60, if secs < 0 { "ahead of" } else { "behind" });
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min {side}"),
        (hours, 0) => format!("{hours} h {side}"),
        (hours, minutes) => format!("{hours} h {minutes} min {side}"),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sts::error::ErrorMetadata;
    use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityError;

    use super::*;

    const DATE: &str = "Thu, 01 Jan 1970 03:00:00 GMT";

    fn at(secs: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
    }

    fn refusal(code: &str, date: &str) -> SdkError<GetCallerIdentityError, HttpResponse> {
        let mut response = HttpResponse::new(403.try_into().unwrap(), "".into());
        response.headers_mut().insert("date", date.to_owned());
        SdkError::service_error(GetCallerIdentityError::generic(ErrorMetadata::builder().code(code).build()), response)
    }

    #[test]
    fn a_refused_signature_and_a_date_that_is_far_off_make_a_clock_that_is_wrong() {
        for (code, date, now, want) in [
            ("SignatureDoesNotMatch", DATE, 0, Some(10_800)),
            ("InvalidSignatureException", DATE, 14_400, Some(-3_600)),
            ("RequestTimeTooSkewed", DATE, 10_500, Some(300)),
            ("SignatureDoesNotMatch", DATE, 10_600, None),
            ("AccessDenied", DATE, 0, None),
            ("SignatureDoesNotMatch", "yesterday", 0, None),
        ] {
            assert_eq!(Skew::default().learn(&refusal(code, date), at(now)), want, "{code} {date} {now}");
        }
    }

    #[test]
    fn the_clock_is_corrected_and_told_once() {
        struct Fixed;
        impl Clock for Fixed {
            fn now(&self) -> SystemTime {
                at(14_400)
            }
        }
        let skew = Skew::default();
        let clock = skew.correct(&(Arc::new(Fixed) as Arc<dyn Clock>));
        assert_eq!(clock.now(), at(14_400));
        skew.learn(&refusal("RequestExpired", DATE), at(14_400));
        assert_eq!(clock.now(), at(10_800));
        assert!(skew.is_news() && !skew.is_news());
        assert_eq!([told(-3_599), told(300), told(-11_100)], ["1 h ahead of", "5 min behind", "3 h 5 min ahead of"]);
    }
}
