//! `[upstream]`

use std::time::Duration;

use super::ca::{Ca, ca};
use super::fields::{duration, off_or_a_second, or_off};
use crate::config::reader::Table;
use crate::config::value::{self, Parsed};

/// The keys of `[upstream]`.
#[derive(Debug)]
pub struct Upstream {
    /// The CAs that vouch for a warehouse, where its connection does not say.
    pub ca: Ca,
    /// Longest time for DNS and TCP, for each address.
    pub connect_timeout: Duration,
    /// Longest time for the TLS handshake.
    pub tls_timeout: Duration,
    /// Longest time from the first dial to ReadyForQuery, redials included.
    pub login_timeout: Duration,
    /// The interval of TCP keepalive on both sides. `None`: off (written `0`).
    pub keepalive: Option<Duration>,
}

/// Reads `[upstream]`. A refused value is reported and replaced by its default, so that the rest is
/// checked too.
pub(in crate::config) fn upstream(mut table: Table<'_>) -> Upstream {
    let upstream = Upstream {
        ca: table
            .take("ca")
            .and_then(|value| ca(&value))
            .unwrap_or(Ca::Aws),
        connect_timeout: duration(&mut table, "connect_timeout", 10, value::positive),
        tls_timeout: duration(&mut table, "tls_timeout", 10, value::positive),
        login_timeout: duration(&mut table, "login_timeout", 120, value::positive),
        keepalive: or_off(duration(&mut table, "keepalive", 60, keepalive)),
    };
    table.finish();
    upstream
}

/// Checks the interval of keepalive, which kernels count in whole seconds.
fn keepalive(interval: Duration) -> Parsed<Duration> {
    if interval.as_secs() > 32_767 { Err("must be at most 32767 s".into()) } else { off_or_a_second(interval) }
}
