//! `SHOW CERTIFICATES`

use std::time::SystemTime;

use crate::console::answer::{Kind, Value};
use crate::console::show::Table;
use crate::operations::CertificateStatus;

/// A certificate, and the seconds that it is still valid for; below 0 once it has ended.
pub(super) struct Aged(CertificateStatus, f64);

/// The certificates and revocation lists in use.
pub(super) const CERTIFICATES: Table<Aged> = Table(&[
    ("which", Kind::Text, |Aged(of, _)| Value::text(&of.which)),
    ("subject", Kind::Text, |Aged(of, _)| Value::text(&of.subject)),
    ("expires", Kind::Timestamptz, |Aged(of, _)| Value::Time(of.expires)),
    ("days_left", Kind::Float8, |Aged(_, left)| Value::Float((left / 86_400.0 * 10.0).floor() / 10.0)),
]);

/// Works out how long each is still valid.
pub(super) fn aged(certificates: Vec<CertificateStatus>, now: SystemTime) -> impl Iterator<Item = Aged> {
    let aged = move |of: CertificateStatus| {
        let left = match of.expires.duration_since(now) {
            Ok(left) => left.as_secs_f64(),
            Err(since) => -since.duration().as_secs_f64(),
        };
        Aged(of, left)
    };
    certificates.into_iter().map(aged)
}
