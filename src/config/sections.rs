//! The fixed tables of proxy.toml but `[listen]`: meaning, default and range of each key. Behind a
//! fault, reading goes on with the default.

use std::sync::Arc;
use std::time::Duration;

use super::file::read_file;
use super::reader::{Table, Value};
use super::value::{self, Parsed, Reference, Stage, Term};
use super::{Aws, BanLimits, Ca, Credentials, Limits, Log, LogFormat, LogLevel, Upstream};
use crate::clock::{Clock, SystemClock};

/// `[log]`
pub(super) fn log(mut table: Table<'_>) -> Log {
    let formats = [("auto", LogFormat::Auto), ("json", LogFormat::Json), ("text", LogFormat::Text)];
    let levels = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
    let format = table
        .take("format")
        .and_then(|format| format.choice(&formats))
        .unwrap_or(LogFormat::Auto);
    let level = table
        .take("level")
        .and_then(|level| level.choice(&levels))
        .unwrap_or(LogLevel::Info);
    table.finish();
    Log { format, level }
}

/// `[aws]`
pub(super) fn aws(mut table: Table<'_>) -> Aws {
    let region = table
        .take("region")
        .and_then(|region| region.parse(value::region));
    let endpoint = table.take("endpoint_url");
    if let Some(endpoint) = &endpoint {
        endpoint.warn("AWS is called at this address, not at its own");
    }
    let endpoint_url = endpoint.and_then(|url| url.parse(value::endpoint_url));
    table.finish();
    Aws { region, endpoint_url }
}

/// `[upstream]`
pub(super) fn upstream(mut table: Table<'_>) -> Upstream {
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

/// `aws`, `system` or a file with a PEM bundle.
pub(super) fn ca(value: &Value<'_>) -> Option<Ca> {
    let text = value.text()?;
    match text.as_str() {
        "aws" => return Some(Ca::Aws),
        "system" => return Some(Ca::System),
        _ => {}
    }
    let path = match value.parse(value::reference)? {
        Reference::File(path) => value.beside(&path),
        Reference::Env(_) | Reference::Remote(_) => {
            value.fault("must be \"aws\", \"system\" or a file");
            return None;
        }
    };
    let pem = match read_file(&path) {
        Ok(pem) => pem,
        Err(why) => {
            value.fault(format_args!("cannot read {}: {why}", path.display()));
            return None;
        }
    };
    if let Err(message) = value::roots(&pem) {
        value.fault(format_args!("{}: {message}", path.display()));
        return None;
    }
    warn_of_anchors(value, &path.display().to_string(), &pem);
    Some(Ca::File { path, pem: Arc::from(pem) })
}

/// A trust anchor counts whatever its end is, and however weak its key: AWS's own
/// redshift-ca-bundle.crt holds such ones.
pub(super) fn warn_of_anchors(value: &Value<'_>, bundle: &str, pem: &str) {
    let (terms, now) = (value::terms(pem), SystemClock.now());
    let count = |is_odd: &dyn Fn(&Term) -> bool| terms.iter().filter(|term| is_odd(term)).count();
    let expired = |term: &Term| term.at(now) == Stage::Over;
    for (what, odd) in [
        ("have expired, which nobody looks at in a trust anchor", count(&expired)),
        ("have RSA keys of fewer than 2048 bits", count(&|term| term.is_weak)),
    ] {
        if odd > 0 {
            value.warn(format_args!("{bundle}: {odd} of its {} certificates {what}: leave them out", terms.len()));
        }
    }
}

/// Kernels count it in whole seconds.
fn keepalive(interval: Duration) -> Parsed<Duration> {
    if interval.as_secs() > 32_767 { Err("must be at most 32767 s".into()) } else { off_or_a_second(interval) }
}

/// Less would be a mistake.
fn off_or_a_second(limit: Duration) -> Parsed<Duration> {
    match limit.as_secs() {
        0 if !limit.is_zero() => Err("must be 0 (off) or at least 1 s".into()),
        _ => Ok(limit),
    }
}

/// `[limits]`
pub(super) fn limits(mut table: Table<'_>) -> Limits {
    let limits = Limits {
        max_sessions: count(&mut table, "max_sessions", 10_000),
        max_handshakes: count(&mut table, "max_handshakes", 2_000),
        max_handshakes_per_address: count_or_off(&mut table, "max_handshakes_per_address", 0, 1_000_000),
        startup_timeout: duration(&mut table, "startup_timeout", 15, value::positive),
        idle_timeout: or_off(duration(&mut table, "idle_timeout", 0, off_or_a_second)),
        session_lifetime: or_off(duration(&mut table, "session_lifetime", 0, off_or_a_second)),
        drain_delay: duration(&mut table, "drain_delay", 0, Ok),
        drain_timeout: duration(&mut table, "drain_timeout", 25, Ok),
        bans: BanLimits {
            after: count_or_off(&mut table, "ban_after", 10, 1_000),
            window: duration(&mut table, "ban_window", 60, value::positive),
            time: duration(&mut table, "ban_time", 300, value::positive),
            exempt: table
                .take("ban_exempt")
                .map(|list| list.texts(value::network))
                .unwrap_or_default(),
        },
    };
    table.finish();
    limits
}

/// `[credentials]`, and the default that connections take from it.
pub(super) fn credentials(mut table: Table<'_>) -> (Credentials, Duration) {
    let password_duration = duration(&mut table, "password_duration", 900, value::password_duration);
    let credentials = Credentials {
        refresh_margin: duration(&mut table, "refresh_margin", 120, value::positive),
        negative_ttl: duration(&mut table, "negative_ttl", 10, value::positive),
        timeout: duration(&mut table, "timeout", 20, value::positive),
    };
    table.finish();
    (credentials, password_duration)
}

fn count(table: &mut Table<'_>, name: &'static str, default: usize) -> usize {
    table
        .take(name)
        .and_then(|value| value.count())
        .unwrap_or(default)
}

/// 0 = off.
fn count_or_off(table: &mut Table<'_>, name: &'static str, default: usize, most: usize) -> usize {
    table
        .take(name)
        .and_then(|value| value.number(0, most))
        .unwrap_or(default)
}

fn duration(
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
fn or_off(duration: Duration) -> Option<Duration> {
    Some(duration).filter(|duration| !duration.is_zero())
}
