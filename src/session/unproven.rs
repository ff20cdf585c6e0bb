//! A client that is not logged in yet: it has a deadline, and may lose its permit to another
//! client.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::error::SessionError;
use super::stalled::Stalled;
use crate::limits::ClientLimits;
use crate::limits::handshakes::HandshakePermit;

/// The limits of a client that is not logged in yet. The login holds it; dropping it gives the
/// permit back.
pub(super) struct Unproven {
    permit: HandshakePermit,
    deadline: Instant,
}

impl Unproven {
    /// Begins with a permit; the client has `max_wait` from now on.
    pub(super) fn new(permit: HandshakePermit, max_wait: Duration) -> Self {
        Self { permit, deadline: Instant::now() + max_wait }
    }

    /// Counts the client for its own address, once the load balancer has named it.
    pub(super) fn moved(&self, to: IpAddr, limits: &ClientLimits) {
        self.permit
            .count_for(to, limits.handshakes, limits.place_of(to));
    }

    /// Marks the client as one that has finished its TLS handshake or has sent a whole startup
    /// message: silent clients give way before it does.
    pub(super) fn has_spoken(&self) {
        self.permit.mark_spoken();
    }

    /// Resolves when the permit has been given to another client.
    pub(super) async fn given_up(&self) {
        self.permit.revoked().await;
    }

    /// Does a step, unless the deadline passes or the permit is revoked meanwhile. `stalled` is asked
    /// at the deadline what is missing.
    pub(super) async fn within<T, E: Into<SessionError>>(
        &self,
        stalled: impl FnOnce() -> Stalled,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, SessionError> {
        tokio::select! {
            outcome = timeout_at(self.deadline, step) => match outcome {
                Ok(outcome) => outcome.map_err(Into::into),
                Err(_elapsed) => Err(SessionError::StartupTimeout(stalled())),
            },
            () = self.permit.revoked() => Err(SessionError::CrowdedOut),
        }
    }
}
