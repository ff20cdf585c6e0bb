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
//! address stands for its /64.
//!
//! A few more permits ([`RESERVED`]) are kept for connections from where the console may be used: a
//! crowd from elsewhere does not push these out, however fast it comes. The newest have them, and
//! those that have spoken before silent ones; the others have a common permit like anybody else, so
//! that a crowd of their own networks gains these few permits and no more.
//!
//! Each step takes time by the logarithm of the number of permits.
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

/// The permits that are kept, beside the common ones, for connections from where the console may be
/// used.
pub(crate) const RESERVED: usize = 16;

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

/// The permits that a connection may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// One of the common permits, like everybody.
    Common,
    /// One of those that are kept for the console, or a common one.
    Reserved,
}

#[derive(Default)]
struct Permits {
    next: u64,
    /// Every connection that has a permit, by its number; the oldest has the smallest.
    holders: HashMap<u64, Permit>,
    /// Those with a common permit.
    common: Pool,
    /// Those with a permit that is kept for the console.
    reserved: Pool,
    /// When the last warning said that all permits are taken.
    warned_at: Option<Instant>,
}

/// Connections with permits of one kind.
#[derive(Default)]
struct Pool {
    all: Group,
    /// Those of `all` that have not finished their TLS handshake, nor sent a startup message in
    /// clear.
    silent: Group,
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
    pub(crate) fn acquire(self: &Arc<Self>, from: IpAddr, limits: HandshakeLimits, place: Place) -> HandshakePermit {
        self.permit(AddressKey::Client(neighbourhood(from)), limits, place)
    }

    /// Permits a connection from a balancer that will say whose it is
    /// ([`HandshakePermit::count_for`]); until then no address's cap counts it.
    pub(crate) fn acquire_behind_balancer(
        self: &Arc<Self>,
        balancer: IpAddr,
        limits: HandshakeLimits,
    ) -> HandshakePermit {
        self.permit(AddressKey::Balancer(neighbourhood(balancer)), limits, Place::Common)
    }

    fn permit(self: &Arc<Self>, address: AddressKey, limits: HandshakeLimits, place: Place) -> HandshakePermit {
        let HandshakeLimits { max, max_per_address } = limits;
        let revoked = CancellationToken::new();
        let mut permits = self.permits.lock();
        let number = permits.next;
        permits.next += 1;
        permits
            .holders
            .insert(number, Permit { counted_for: address, revoked: revoked.clone() });
        let is_warning_due = match place {
            Place::Common => permits.add_common(number, address, Voice::Silent, max),
            Place::Reserved => permits.add_reserved(number, address, Voice::Silent, max),
        };
        permits.enforce_cap_of_address(max_per_address, address, number);
        drop(permits);
        if is_warning_due {
            warn_of_limit(max);
        }
        HandshakePermit { handshakes: Arc::clone(self), number, revoked }
    }

    /// Counts the connections that have a permit now.
    pub(crate) fn count(&self) -> usize {
        self.permits.lock().holders.len()
    }

    /// Counts the connections that have a common permit now: those that the limit is for.
    pub(crate) fn count_common(&self) -> usize {
        self.permits.lock().common.all.len()
    }
}

/// Logs that all common permits are taken.
fn warn_of_limit(max: usize) {
    warn!(event = "handshake limit", max, "limits.max_handshakes is reached: clients that are not logged in make room");
}

/// Whether a connection has finished its TLS handshake, or sent a startup message in clear.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Voice {
    Silent,
    Spoken,
}

impl Pool {
    fn add(&mut self, number: u64, address: AddressKey, voice: Voice) {
        self.all.add(number, address);
        if voice == Voice::Silent {
            self.silent.add(number, address);
        }
    }

    /// Takes a connection out. `None`: it is not here.
    fn remove(&mut self, number: u64) -> Option<Voice> {
        let was_silent = self.silent.remove(number);
        let voice = if was_silent { Voice::Silent } else { Voice::Spoken };
        self.all.remove(number).then_some(voice)
    }
}

impl Permits {
    /// Gives a connection a common permit, for which others make room. Returns whether a warning is
    /// due that all are taken.
    fn add_common(&mut self, number: u64, address: AddressKey, voice: Voice, max: usize) -> bool {
        let is_warning_due = self.common.all.len() >= max && self.is_warning_due();
        while self.common.all.len() >= max
            && let Some(number) = self.first_to_go(max)
        {
            self.revoke(number);
        }
        self.common.add(number, address, voice);
        is_warning_due
    }

    /// Gives a connection a permit that is kept for the console. Beyond [`RESERVED`] of them, the
    /// oldest silent connection gets a common one instead, or the oldest of all where none is
    /// silent but this one. Returns whether a warning is due that all common ones are taken.
    fn add_reserved(&mut self, number: u64, address: AddressKey, voice: Voice, max: usize) -> bool {
        let is_full = self.reserved.all.len() >= RESERVED;
        let oldest = self
            .reserved
            .silent
            .oldest()
            .or_else(|| self.reserved.all.oldest());
        self.reserved.add(number, address, voice);
        let demoted = oldest
            .filter(|_| is_full)
            .and_then(|oldest| Some((oldest, self.holders.get(&oldest)?.counted_for, self.reserved.remove(oldest)?)));
        demoted.is_some_and(|(oldest, address, voice)| self.add_common(oldest, address, voice, max))
    }

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
        let Pool { all, silent } = &self.common;
        let group = if silent.len() > max / SILENT_PART { silent } else { all };
        group
            .oldest_of_busiest(max / BUSY_PART)
            .or_else(|| group.oldest())
    }

    /// Revokes permits of an address that has more than the `max` that one may have: that of its
    /// oldest silent connection first, or of its oldest of all where none is silent but `newest`,
    /// which has just come.
    fn enforce_cap_of_address(&mut self, max: Option<usize>, address: AddressKey, newest: u64) {
        let (Some(max), AddressKey::Client(_)) = (max, address) else { return };
        let Self { common, reserved, .. } = &*self;
        let excess = (common.all.count_of(address) + reserved.all.count_of(address)).saturating_sub(max);
        for _ in 0..excess {
            let pools = [&self.common, &self.reserved];
            let silent = pools
                .iter()
                .filter_map(|pool| pool.silent.oldest_of(address))
                .min()
                .filter(|number| *number != newest);
            let oldest = pools
                .iter()
                .filter_map(|pool| pool.all.oldest_of(address))
                .min();
            let Some(number) = silent.or(oldest) else { return };
            self.revoke(number);
        }
    }

    fn revoke(&mut self, number: u64) {
        if let Some(permit) = self.remove(number) {
            permit.revoked.cancel();
        }
    }

    /// Forgets a connection. `None`: its permit was revoked before.
    fn remove(&mut self, number: u64) -> Option<Permit> {
        self.common.remove(number);
        self.reserved.remove(number);
        self.holders.remove(&number)
    }

    /// Counts a connection with a common permit for another address, with the age and progress that
    /// it has. Returns whether a warning is due that all common ones are taken.
    fn count_for(&mut self, number: u64, address: AddressKey, place: Place, max: usize) -> bool {
        let Some(voice) = self.common.remove(number) else { return false };
        if let Some(permit) = self.holders.get_mut(&number) {
            permit.counted_for = address;
        }
        match place {
            Place::Common => {
                self.common.add(number, address, voice);
                false
            }
            Place::Reserved => self.add_reserved(number, address, voice, max),
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
    pub(crate) fn count_for(&self, address: IpAddr, limits: HandshakeLimits, place: Place) {
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
        let is_warning_due = permits.count_for(self.number, address, place, limits.max);
        permits.enforce_cap_of_address(limits.max_per_address, address, self.number);
        drop(permits);
        if is_warning_due {
            warn_of_limit(limits.max);
        }
    }

    /// Marks that the client has finished its TLS handshake, or has sent a whole startup message in
    /// clear: from now on it gives way after those that have said nothing.
    pub(crate) fn mark_spoken(&self) {
        let mut permits = self.handshakes.permits.lock();
        permits.common.silent.remove(self.number);
        permits.reserved.silent.remove(self.number);
    }
}

impl Drop for HandshakePermit {
    fn drop(&mut self) {
        self.handshakes.permits.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests;
