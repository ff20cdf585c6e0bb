//! `SHOW REFERENCES`

use std::time::{Duration, SystemTime};

use crate::console::answer::{Kind, Value};
use crate::console::show::Table;
use crate::operations::ReferenceStatus;

/// A reference, and the time since its last read that succeeded.
pub(super) struct Aged(ReferenceStatus, Option<Duration>);

/// The values that are read elsewhere.
pub(super) const REFERENCES: Table<Aged> = Table(&[
    ("key", Kind::Text, |Aged(of, _)| Value::text(&of.key)),
    ("reference", Kind::Text, |Aged(of, _)| Value::text(&of.reference)),
    ("last_read", Kind::Timestamptz, |Aged(of, _)| Value::time_or_null(of.last_read)),
    ("age_seconds", Kind::Float8, |Aged(_, age)| Value::secs_or_null(*age)),
    ("errors", Kind::Int8, |Aged(of, _)| Value::int(of.errors)),
    ("last_error_at", Kind::Timestamptz, |Aged(of, _)| Value::time_or_null(of.last_error.as_ref().map(|(at, _)| *at))),
    ("last_error", Kind::Text, |Aged(of, _)| Value::text_or_null(of.last_error.as_ref().map(|(_, why)| why))),
]);

/// Works out the age of each.
pub(super) fn aged(references: Vec<ReferenceStatus>, now: SystemTime) -> impl Iterator<Item = Aged> {
    let aged = move |of: ReferenceStatus| {
        let age = of
            .last_read
            .map(|at| now.duration_since(at).unwrap_or_default());
        Aged(of, age)
    };
    references.into_iter().map(aged)
}
