//! Reads counts and durations that have a default, which also replaces a value that was refused.

use std::time::Duration;

use crate::config::reader::Table;
use crate::config::value::Parsed;

/// Refuses times between 0 (off) and 1 s, which would be a mistake.
pub(super) fn off_or_a_second(limit: Duration) -> Parsed<Duration> {
    match limit.as_secs() {
        0 if !limit.is_zero() => Err("must be 0 (off) or at least 1 s".into()),
        _ => Ok(limit),
    }
}

/// Takes a count, which is at least 1.
pub(super) fn count(table: &mut Table<'_>, name: &'static str, default: usize) -> usize {
    table
        .take(name)
        .and_then(|value| value.count())
        .unwrap_or(default)
}

/// Takes a number that may be 0 (off).
pub(super) fn count_or_off(table: &mut Table<'_>, name: &'static str, default: usize, most: usize) -> usize {
    table
        .take(name)
        .and_then(|value| value.number(0, most))
        .unwrap_or(default)
}

/// Takes a duration that `range` accepts.
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

/// Turns a duration of 0, which means off, into `None`.
pub(super) fn or_off(duration: Duration) -> Option<Duration> {
    Some(duration).filter(|duration| !duration.is_zero())
}
