//! The orders that a test or the program gives the warehouse; they are read by every session as it
//! goes along.

use std::time::Duration;

use tokio_rustls::TlsAcceptor;

use super::auth::Authentication;
use super::refusal::Refusal;

/// Standing orders, and those for a number of logins.
pub(super) struct Orders {
    pub(super) authentication: Authentication,
    pub(super) wake_delay: Duration,
    pub(super) acceptor: TlsAcceptor,
    pub(super) refuse_tls: bool,
    pub(super) forged: Option<Vec<u8>>,
    pub(super) resets: usize,
    pub(super) refusals: usize,
    pub(super) errors: Option<(usize, Refusal)>,
}

/// The outcome that is ordered for one login.
pub(super) enum Fate {
    /// The login succeeds if its password is right.
    Judged,
    /// Refused whatever its password.
    Condemned,
    /// This instead of an authentication request.
    Failed(Refusal),
    Reset,
}

impl Orders {
    pub(super) fn new(acceptor: TlsAcceptor) -> Self {
        Self {
            authentication: Authentication::default(),
            wake_delay: Duration::ZERO,
            acceptor,
            refuse_tls: false,
            forged: None,
            resets: 0,
            refusals: 0,
            errors: None,
        }
    }

    /// Takes one login off the orders: resets are carried out first, then errors, then refusals.
    pub(super) fn next_fate(&mut self) -> Fate {
        if let Some(left) = self.resets.checked_sub(1) {
            self.resets = left;
            return Fate::Reset;
        }
        if let Some((count, refusal)) = &mut self.errors
            && let Some(left) = count.checked_sub(1)
        {
            *count = left;
            return Fate::Failed(refusal.clone());
        }
        if let Some(left) = self.refusals.checked_sub(1) {
            self.refusals = left;
            return Fate::Condemned;
        }
        Fate::Judged
    }
}
