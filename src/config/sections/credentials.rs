//! `[credentials]`

use std::time::Duration;

use super::fields::duration;
use crate::config::reader::Table;
use crate::config::value;

/// `[credentials]`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credentials {
    /// The life of a database login where its connection does not say: 900–3600 s.
    pub password_duration: Duration,
    /// A login that expires within this time is not used any more. The margin is capped at a
    /// quarter of the life that was asked for.
    pub refresh_margin: Duration,
    /// How long a refusal by AWS is remembered at first; the time doubles up to five minutes.
    pub negative_ttl: Duration,
    /// Longest flight for a login, its retries included.
    pub timeout: Duration,
}

/// Reads `[credentials]`, and the default of `password_duration` that connections take from it.
pub(in crate::config) fn credentials(mut table: Table<'_>) -> (Credentials, Duration) {
    let password_duration = duration(&mut table, "password_duration", 900, value::password_duration);
    let credentials = Credentials {
        password_duration,
        refresh_margin: duration(&mut table, "refresh_margin", 120, value::positive),
        negative_ttl: duration(&mut table, "negative_ttl", 10, value::positive),
        timeout: duration(&mut table, "timeout", 20, value::positive),
    };
    table.finish();
    (credentials, password_duration)
}
