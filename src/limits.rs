//! What a client may use up: connections before the login, guesses at passwords, sessions.
//!
//! What is counted outlives a configuration ([`Bans`](bans::Bans), [`Caps`](caps::Caps),
//! [`Handshakes`](handshakes::Handshakes)); how much is allowed comes with each call, from the
//! [`ClientLimits`] of the caller's configuration.

use std::net::IpAddr;

use ipnet::IpNet;

use self::handshakes::{HandshakeLimits, Place};
use crate::address::is_in;
use crate::config::{Admin, BanLimits, Limits};

pub mod bans;
pub(crate) mod caps;
pub(crate) mod handshakes;

/// What clients may use up under one configuration: the keys of `[limits]` that something is
/// counted against.
pub(crate) struct ClientLimits {
    /// Most sessions of all users; at least 1.
    pub(crate) max_sessions: usize,
    /// How many clients may be there that are not logged in yet.
    pub(crate) handshakes: HandshakeLimits,
    /// The networks that the console may be used from; none where nobody may use it.
    console_from: Vec<IpNet>,
    /// When guesses lead to a ban. Of exempt networks, wrong cancel keys are not counted either.
    pub(crate) bans: BanLimits,
}

impl ClientLimits {
    /// Takes them from the configuration.
    pub(crate) fn new(limits: &Limits, admin: &Admin) -> Self {
        let has_console = !admin.users.is_empty() || !admin.stats_users.is_empty();
        let max_per_address = Some(limits.max_handshakes_per_address).filter(|max| *max > 0);
        Self {
            max_sessions: limits.max_sessions,
            handshakes: HandshakeLimits { max: limits.max_handshakes, max_per_address },
            console_from: if has_console { admin.console_from.clone() } else { Vec::new() },
            bans: limits.bans.clone(),
        }
    }

    /// The handshake permits that a connection from this address may have.
    pub(crate) fn place_of(&self, address: IpAddr) -> Place {
        if is_in(address, &self.console_from) { Place::Reserved } else { Place::Common }
    }
}
