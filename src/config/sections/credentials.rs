//! `[credentials]`

use std::time::Duration;

use super::fields::duration;
use crate::config::reader::Table;
use crate::config::value;

/// `[credentials]`
#[derive(Debug)]
pub struct Credentials {
    /// A login with less life left is not used; capped at a quarter of the life asked for.
    pub refresh_margin: Duration,
    /// First memory of a refusal by AWS; it doubles up to five minutes.
    pub negative_ttl: Duration,
    /// One credential flight, its retries included.
    pub timeout: Duration,
}

/// `[credentials]`, and the default that connections take from it.
pub(in crate::config) fn credentials(mut table: Table<'_>) -> (Credentials, Duration) {
    let password_duration = duration(&mut table, "password_duration", 900, value::password_duration);
    let credentials = Credentials {
        refresh_margin: duration(&mut table, "refresh_margin", 120, value::positive),
        negative_ttl: duration(&mut table, "negative_ttl", 10, value::positive),
        timeout: duration(&mut table, "timeout", 20, value::positive),
    };
    table.finish();
    (credentials, password_duration)
}
