//! How far this machine's clock is from AWS's, by the `Date` of every answer. Times that are
//! compared with expiries are corrected by it. The SDK corrects signatures itself, as each of its
//! clients learns the difference in the same way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_sts::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::BoxError;
use aws_sdk_sts::primitives::{DateTime, DateTimeFormat};

use crate::clock::{Clock, SystemClock};

/// Codes by which AWS refuses a signature for its time. Some are used for other reasons too; the
/// `Date` of the answer tells which it is.
const OF_TIME: [&str; 7] = [
    "AuthFailure",
    "InvalidSignature",
    "InvalidSignatureException",
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
];

/// The least difference that counts. AWS accepts signatures within five minutes, so that a clock
/// that is less far off is not the reason of a refusal.
const LEAST_SECS: u64 = 240;

/// The difference as far as it is known. All clients and clocks share it, and clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skew(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The seconds by which AWS's clock is ahead of this machine's.
    secs: AtomicI64,
    /// Whether the clock was off at some time, and some client of the SDK may still sign by that.
    was_off: AtomicBool,
    /// Whether it was reported that the clock is off.
    is_reported: AtomicBool,
}

/// A clock that adds the difference to this machine's.
struct Corrected {
    clock: Arc<dyn Clock>,
    skew: Skew,
}

impl Skew {
    /// Learns the difference from the `Date` of an answer that came at `now`. Once somebody has set
    /// the clock, there is none.
    fn see(&self, date: &str, now: SystemTime) {
        let Some(secs) = ahead(date, now) else { return };
        self.0.secs.store(secs, Ordering::Relaxed);
        match secs {
            0 => self.0.is_reported.store(false, Ordering::Relaxed),
            _ => self.0.was_off.store(true, Ordering::Relaxed),
        }
    }

    /// How many seconds AWS's clock is ahead of this machine's. Zero where the difference is small.
    pub(crate) fn secs(&self) -> i64 {
        self.0.secs.load(Ordering::Relaxed)
    }

    /// Whether a call that was refused by this code may succeed at once, since its client signs by
    /// the time of that answer now.
    pub(crate) fn explains(&self, code: &str) -> bool {
        self.0.was_off.load(Ordering::Relaxed) && OF_TIME.contains(&code)
    }

    /// Whether it has not been reported yet that the clock is off. The answer is `true` once.
    pub(crate) fn is_news(&self) -> bool {
        !self.0.is_reported.swap(true, Ordering::Relaxed)
    }

    /// A clock that tells AWS's time, as far as the difference is known when it is read.
    pub(crate) fn correct(&self, clock: &Arc<dyn Clock>) -> Arc<dyn Clock> {
        Arc::new(Corrected { clock: Arc::clone(clock), skew: self.clone() })
    }
}

impl Intercept for Skew {
    fn name(&self) -> &'static str {
        "Skew"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response().headers();
        // An answer out of a cache has an old date.
        if let Some(date) = headers.get("date").filter(|_| headers.get("age").is_none()) {
            self.see(date, SystemClock.now());
        }
        Ok(())
    }
}

impl Clock for Corrected {
    fn now(&self) -> SystemTime {
        let (now, secs) = (self.clock.now(), self.skew.secs());
        let by = Duration::from_secs(secs.unsigned_abs());
        let corrected = if secs < 0 { now.checked_sub(by) } else { now.checked_add(by) };
        corrected.unwrap_or(now)
    }
}

/// How many seconds an HTTP date is ahead of `now`, or zero where that is not far. `None`: the text
/// is no date.
fn ahead(date: &str, now: SystemTime) -> Option<i64> {
    let there = SystemTime::try_from(DateTime::from_str(date, DateTimeFormat::HttpDate).ok()?).ok()?;
    let secs = match there.duration_since(now) {
        Ok(ahead) => i64::try_from(ahead.as_secs()).ok()?,
        Err(behind) => -i64::try_from(behind.duration().as_secs()).ok()?,
    };
    Some(if secs.unsigned_abs() > LEAST_SECS { secs } else { 0 })
}

/// Writes a difference for people, to the next minute, since a `Date` is not exact.
pub(crate) fn describe(secs: i64) -> String {
    let (minutes, side) = ((secs.unsigned_abs() + 30) / 60, if secs < 0 { "ahead of" } else { "behind" });
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min {side}"),
        (hours, 0) => format!("{hours} h {side}"),
        (hours, minutes) => format!("{hours} h {minutes} min {side}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Thu, 01 Jan 1970 03:00:00 GMT";

    fn at(secs: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
    }

    #[test]
    fn a_date_that_is_far_off_makes_a_clock_that_is_wrong() {
        for (date, now, want) in [
            (DATE, 0, Some(10_800)),
            (DATE, 14_400, Some(-3_600)),
            (DATE, 10_500, Some(300)),
            (DATE, 10_600, Some(0)),
            ("yesterday", 0, None),
        ] {
            assert_eq!(ahead(date, at(now)), want, "{date} {now}");
        }
    }

    #[test]
    fn the_clock_is_corrected_until_it_is_set_and_each_time_logged() {
        struct Fixed;
        impl Clock for Fixed {
            fn now(&self) -> SystemTime {
                at(14_400)
            }
        }
        let skew = Skew::default();
        let clock = skew.correct(&(Arc::new(Fixed) as Arc<dyn Clock>));
        assert_eq!(clock.now(), at(14_400));
        assert!(!skew.explains("SignatureDoesNotMatch"), "a wrong key");
        for (now, corrected) in [(14_400, 10_800), (3_600, 21_600)] {
            skew.see(DATE, at(now));
            assert_eq!(clock.now(), at(corrected));
            assert!(skew.explains("SignatureDoesNotMatch") && !skew.explains("AccessDenied"));
            assert!(skew.is_news() && !skew.is_news());
            skew.see("yesterday", at(now));
            assert_eq!(clock.now(), at(corrected), "it says nothing");
            // NTP has set it.
            skew.see(DATE, at(10_799));
            assert_eq!(clock.now(), at(14_400));
            assert!(skew.explains("SignatureDoesNotMatch"), "some client of the SDK's may not know yet");
        }
        assert_eq!(
            [describe(-3_599), describe(300), describe(-11_100)],
            ["1 h ahead of", "5 min behind", "3 h 5 min ahead of"]
        );
    }
}
