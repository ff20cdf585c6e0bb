//! The first line of a proxy that serves: what runs, with which limits, until when.

use std::net::SocketAddr;

use rlimit::Resource;
use time::OffsetDateTime;
use tracing::info;

use super::control::Control;
use crate::operations::{CertificateStatus, Operations};
use crate::telemetry;

/// The most certificates and addresses that are named.
const MOST: usize = 20;

/// Logs the start of a proxy that is bound to these addresses.
pub(super) fn started(control: &Control, addresses: impl Iterator<Item = SocketAddr>) {
    let live = control.live.load();
    let (limits, admin) = (&live.config.limits, &live.config.admin);
    let version = control.version();
    let (soft, hard) = rlimit::getrlimit(Resource::NOFILE).unwrap_or_default();
    let certificates = joined(control.certificates().iter().map(shown));
    info!(
        version = version.version,
        pid = std::process::id(),
        config_hash = version.config_hash.as_str(),
        addresses = joined(addresses).as_str(),
        admin_address = admin.address.map(|address| address.to_string()),
        health_address = admin.health_address.map(|address| address.to_string()),
        connections = live.config.connections.len(),
        table = live
            .config
            .specs
            .as_ref()
            .map(|specs| specs.dynamodb_table.as_str()),
        users = live.config.users.len(),
        max_sessions = limits.max_sessions,
        max_handshakes = limits.max_handshakes,
        max_handshakes_per_address = limits.max_handshakes_per_address,
        startup_timeout_ms = millis(limits.startup_timeout),
        idle_timeout_ms = limits.idle_timeout.map(millis),
        session_lifetime_ms = limits.session_lifetime.map(millis),
        drain_delay_ms = millis(limits.drain_delay),
        drain_timeout_ms = millis(limits.drain_timeout),
        ban_after = limits.bans.after,
        ban_window_ms = millis(limits.bans.window),
        ban_time_ms = millis(limits.bans.time),
        open_files = soft,
        open_files_hard = hard,
        certificates = certificates.as_str(),
        log_level = telemetry::level().as_str(),
        "started"
    );
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The use of a certificate, and the day on which it ends.
fn shown(certificate: &CertificateStatus) -> String {
    let CertificateStatus { which, subject, expires } = certificate;
    format!("{which} {subject:?} ends {}", OffsetDateTime::from(*expires).date())
}

fn joined(texts: impl Iterator<Item = impl ToString>) -> String {
    let texts: Vec<_> = texts.take(MOST).map(|text| text.to_string()).collect();
    texts.join(", ")
}
