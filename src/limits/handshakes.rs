//! Clients that are not yet authenticated: how many there may be, and which of them makes room.
//!
//! When all permits are taken, one is revoked. Connections that have said nothing yet give way
//! before those that have finished their TLS handshake, unless the silent ones hold no more than a
//! quarter of the permits: a new client is silent too, and must not lose its permit to the very
//! next one. Of those that may give way, the busiest address loses its oldest connection if it has
//! more than a fiftieth of the permits; otherwise the oldest of all goes, so that a crowd of which
//! each member has one permit cannot push out an address with a few logins at once.
//!
//! An address that has as many permits as one may have makes room by its own oldest. In IPv6 an
//! address stands for its /64. Each step takes time by the logarithm of the number of permits.
//! Nothing is logged while the lock is held.
//!
//! The limits come with each request. Where they are lower than before, the next connection makes
//! as many give way as it takes until it fits.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::group::{AddressKey, Group};
use crate::address::neighbourhood;

mod group;

/// The shortest time between two warnings that all permits are taken.
const WARN_PAUSE: Duration = Duration::from_secs(10);

/// The share of all permits that an address may hold before it counts as busy: one part of this
/// many.
const BUSY_PART: usize = 50;

/// The share of all permits below which silent connections are not the first to give way: one part
/// of this many.
const SILENT_PART: usize = 4;

/// The permits for connections that are not logged in yet. One is shared by the listener, which
/// gives a [`HandshakePermit`] to each connection, and by all those permits.
#[derive(Default)]
pub(crate) struct Handshakes {
    /// Every worker takes this lock three or four times in a login, each time for a few steps of
    /// O(log n).
    permits: Mutex<Permits>,
}

/// How many permits there may be.
#[derive(Clone, Copy)]
pub(crate) struct HandshakeLimits {
    /// The most permits of all addresses; at least 1.
    pub(crate) max: usize,
    /// The most permits that one address may hold; at least 1. `None`: as many as there are.
    pub(crate) max_per_address: Option<usize>,
}

#[derive(Default)]
struct Permits {
    next: u64,
    /// Every connection that has a permit, by its number; the oldest has the smallest.
    holders: HashMap<u64, Permit>,
    all: Group,
    /// Those of `all` that have not finished their TLS handshake, nor sent a startup message in
    /// clear.
    silent: Group,
    /// When the last warning said that all permits are taken.
    warned_at: Option<Instant>,
}

/// The permit of one connection as it is kept here.
struct Permit {
    counted_for: AddressKey,
    /// Cancelled when the permit is revoked.
    revoked: CancellationToken,
}

/// The right of one connection to stay while it is not logged in, until it is revoked for another.
/// Dropping it makes room.
pub(crate) struct HandshakePermit {
    handshakes: Arc<Handshakes>,
    number: u64,
    revoked: CancellationToken,
}

impl Handshakes {
    /// Permits a connection from this address; where all permits are taken, another's is revoked.
    pub(crate) fn acquire(self: &Arc<Self>, from: IpAddr, limits: HandshakeLimits) -> HandshakePermit {
        self.permit(AddressKey::Client(neighbourhood(from)), limits)
    }

    /// Permits a connection from a balancer that will say whose it is
    /// ([`HandshakePermit::count_for`]); until then no address's cap counts it.
    pub(crate) fn acquire_behind_balancer(
        self: &Arc<Self>,
        balancer: IpAddr,
        limits: HandshakeLimits,
    ) -> HandshakePermit {
        self.permit(AddressKey::Balancer(neighbourhood(balancer)), limits)
    }

    fn permit(self: &Arc<Self>, address: AddressKey, limits: HandshakeLimits) -> HandshakePermit {
        let HandshakeLimits { max, max_per_address } = limits;
        let revoked = CancellationToken::new();
        let mut permits = self.permits.lock();
        let is_warning_due = permits.holders.len() >= max && permits.is_warning_due();
        while permits.holders.len() >= max
            && let Some(number) = permits.first_to_go(max)
        {
            permits.revoke(number);
        }
        let number = permits.next;
        permits.next += 1;
        permits.add(number, Permit { counted_for: address, revoked: revoked.clone() });
        permits.enforce_cap_of_address(max_per_address, address, number);
        drop(permits);
        if is_warning_due {
            warn!(
                event = "handshake limit",
                max, "limits.max_handshakes is reached: clients that are not logged in make room"
            );
        }
        HandshakePermit { handshakes: Arc::clone(self), number, revoked }
    }

    /// Counts the connections that have a permit now.
    pub(crate) fn count(&self) -> usize {
        self.permits.lock().holders.len()
    }
}

impl Permits {
    /// Whether the last warning that all permits are taken is long enough ago: thousands of
    /// connections may find so in a second.
    fn is_warning_due(&mut self) -> bool {
        let is_due = self.warned_at.is_none_or(|at| at.elapsed() >= WARN_PAUSE);
        if is_due {
            self.warned_at = Some(Instant::now());
        }
        is_due
    }

    /// The connection that makes room when all `max` permits are taken; see the module.
    fn first_to_go(&self, max: usize) -> Option<u64> {
        let is_silent_first = self.silent.by_age.len() > max / SILENT_PART;
        let group = if is_silent_first { &self.silent } else { &self.all };
        group
            .oldest_of_busiest(max / BUSY_PART)
            .or_else(|| group.oldest())
    }

    /// Revokes permits of an address that has more than the `max` that one may have: that of its
    /// oldest silent connection first, or of its oldest of all where none is silent but `newest`,
    /// which has just come.
    fn enforce_cap_of_address(&mut self, max: Option<usize>, address: AddressKey, newest: u64) {
        let (Some(max), AddressKey::Client(_)) = (max, address) else { return };
        while self.all.count_of(address) > max {
            let silent = self
                .silent
                .oldest_of(address)
                .filter(|number| *number != newest);
            let Some(number) = silent.or_else(|| self.all.oldest_of(address)) else { return };
            self.revoke(number);
        }
    }

    fn revoke(&mut self, number: u64) {
        if let Some(permit) = self.remove(number) {
            permit.revoked.cancel();
        }
    }

    fn add(&mut self, number: u64, permit: Permit) {
        self.all.add(number, permit.counted_for);
        self.silent.add(number, permit.counted_for);
        self.holders.insert(number, permit);
    }

    /// Forgets a connection. `None`: its permit was revoked before.
    fn remove(&mut self, number: u64) -> Option<Permit> {
        self.all.remove(number);
        self.silent.remove(number);
        self.holders.remove(&number)
    }

    /// Counts a connection for another address, with the age and progress that it has.
    fn count_for(&mut self, number: u64, address: AddressKey) {
        for group in [&mut self.all, &mut self.silent] {
            if group.remove(number) {
                group.add(number, address);
            }
        }
        if let Some(permit) = self.holders.get_mut(&number) {
            permit.counted_for = address;
        }
    }
}

impl HandshakePermit {
    /// Resolves when the permit has been revoked in favour of another connection. Cancel safe.
    pub(crate) async fn revoked(&self) {
        self.revoked.cancelled().await;
    }

    /// Counts the connection for another address than its socket's from now on: a PROXY header has
    /// named it. An address that has more permits than `limits` allow makes room by its own.
    pub(crate) fn count_for(&self, address: IpAddr, limits: HandshakeLimits) {
        let address = AddressKey::Client(neighbourhood(address));
        let mut permits = self.handshakes.permits.lock();
        // One that was revoked is counted nowhere; one that no balancer speaks for stays where it
        // is.
        if permits
            .holders
            .get(&self.number)
            .is_none_or(|permit| permit.counted_for == address)
        {
            return;
        }
        permits.count_for(self.number, address);
        permits.enforce_cap_of_address(limits.max_per_address, address, self.number);
    }

    /// Marks that the client has finished its TLS handshake, or has sent a whole startup message in
    /// clear: from now on it gives way after those that have said nothing.
    pub(crate) fn mark_spoken(&self) {
        self.handshakes.permits.lock().silent.remove(self.number);
    }
}

impl Drop for HandshakePermit {
    fn drop(&mut self) {
        self.handshakes.permits.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests;
