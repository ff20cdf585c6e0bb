//! Counts and durations that have a default, which also stands in behind a problem.

use std::time::Duration;

use crate::config::reader::Table;
use crate::config::value::Parsed;

/// Less would be a mistake.
pub(super) fn off_or_a_second(limit: Duration) -> Parsed<Duration> {
    match limit.as_secs() {
        0 if !limit.is_zero() => Err("must be 0 (off) or at least 1 s".into()),
        _ => Ok(limit),
    }
}

pub(super) fn count(table: &mut Table<'_>, name: &'static str, default: usize) -> usize {
    table
        .take(name)
        .and_then(|value| value.count())
        .unwrap_or(default)
}

/// 0 = off.
pub(super) fn count_or_off(table: &mut Table<'_>, name: &'static str, default: usize, most: usize) -> usize {
    table
        .take(name)
        .and_then(|value| value.number(0, most))
        .unwrap_or(default)
}

pub(super) fn duration(
    table: &mut Table<'_>,
    name: &'static str,
    default_secs: u64,
    range: impl Fn(Duration) -> Parsed<Duration>,
) -> Duration {
    table
        .take(name)
        .and_then(|value| value.duration(range))
        .unwrap_or(Duration::from_secs(default_secs))
}

/// 0 = off.
pub(super) fn or_off(duration: Duration) -> Option<Duration> {
    Some(duration).filter(|duration| !duration.is_zero())
}
