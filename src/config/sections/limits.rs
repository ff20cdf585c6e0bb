//! `[limits]`

use std::time::Duration;

use ipnet::IpNet;

use super::fields::{count, count_or_off, duration, off_or_a_second, or_off};
use crate::config::reader::Table;
use crate::config::value;

/// The keys of `[limits]`.
#[derive(Debug)]
pub struct Limits {
    /// Most authenticated sessions; at least 1.
    pub max_sessions: usize,
    /// Most clients that are not authenticated yet; at least 1.
    pub max_handshakes: usize,
    /// Most clients of one address that are not authenticated yet. 0: no cap.
    pub max_handshakes_per_address: usize,
    /// Longest time from accept to the end of the client's authentication.
    pub startup_timeout: Duration,
    /// Longest time without bytes either way, outside a transaction. `None`: off.
    pub idle_timeout: Option<Duration>,
    /// Time after which a session ends at its first idle moment. `None`: off.
    pub session_lifetime: Option<Duration>,
    /// Time after SIGTERM for which clients are still accepted.
    pub drain_delay: Duration,
    /// Time after that for which busy sessions are left alone; then they are closed too.
    pub drain_timeout: Duration,
    /// The bans on clients that guess passwords.
    pub bans: BanLimits,
    /// The keys that were cut to what the limit on open files allows, with the file's values.
    pub cut: Vec<(&'static str, usize)>,
}

/// `limits.ban_*`: the bans on clients that guess passwords.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BanLimits {
    /// Number of finished wrong proofs of one (address, user) within the window that leads to a
    /// ban; for one address over all users, ten times as many. 0: off.
    pub after: usize,
    /// Longest time between the first and the last of those wrong proofs.
    pub window: Duration,
    /// Length of a ban.
    pub time: Duration,
    /// Networks whose wrong proofs are not counted.
    pub exempt: Vec<IpNet>,
}

/// Reads `[limits]`. A refused value is reported and replaced by its default, so that the rest is
/// checked too.
pub(in crate::config) fn limits(mut table: Table<'_>) -> Limits {
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
        cut: Vec::new(),
    };
    table.finish();
    limits
}
