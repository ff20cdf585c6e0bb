//! A client that is not logged in yet: it has a deadline, and may lose its place to another.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::error::SessionError;
use crate::limits::handshakes::HandshakePermit;

pub(super) struct Unproven {
    permit: HandshakePermit,
    deadline: Instant,
}

impl Unproven {
    /// From now on.
    pub(super) fn new(permit: HandshakePermit, patience: Duration) -> Self {
        Self { permit, deadline: Instant::now() + patience }
    }

    /// It is from elsewhere than its socket.
    pub(super) fn moved(&self, to: IpAddr) {
        self.permit.count_for(to);
    }

    /// It has finished its TLS handshake, or has sent a whole startup message: it gives way after
    /// those that are silent.
    pub(super) fn has_spoken(&self) {
        self.permit.mark_spoken();
    }

    /// Resolves when its place has been given to another.
    pub(super) async fn given_up(&self) {
        self.permit.revoked().await;
    }

    /// Bounds a step.
    pub(super) async fn bound<T, E: Into<SessionError>>(
        &self,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, SessionError> {
        tokio::select! {
            outcome = timeout_at(self.deadline, step) => match outcome {
                Ok(outcome) => outcome.map_err(Into::into),
                Err(elapsed) => Err(SessionError::StartupTimeout(elapsed)),
            },
            () = self.permit.revoked() => Err(SessionError::CrowdedOut),
        }
    }
}
