//! A client that is not logged in yet: it has a deadline, and may lose its place to another.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::error::SessionError;
use crate::limits::handshakes::Handshake;

pub(super) struct Unproven {
    place: Handshake,
    deadline: Instant,
}

impl Unproven {
    /// From now on.
    pub(super) fn new(place: Handshake, patience: Duration) -> Self {
        Self { place, deadline: Instant::now() + patience }
    }

    /// It is from elsewhere than its socket.
    pub(super) fn moved(&self, to: IpAddr) {
        self.place.moved(to);
    }

    /// It has finished its TLS handshake, or has sent a whole startup message: it gives way after
    /// those that are silent.
    pub(super) fn has_spoken(&self) {
        self.place.has_spoken();
    }

    /// Resolves when its place has been given to another.
    pub(super) async fn given_up(&self) {
        self.place.given_up().await;
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
            () = self.place.given_up() => Err(SessionError::CrowdedOut),
        }
    }
}
