//! What the steps of a login work with.

use std::time::Duration;

use tokio::time::timeout;

use super::error::SessionError;
use super::live::Live;
use super::registry::Session;
use super::shared::Shared;
use crate::stop::Phase;

/// How long a connection that has not said what it wants is kept when we shut down.
const SILENT_GRACE: Duration = Duration::from_secs(1);

/// A login under way: the parts that its steps work with.
#[derive(Clone, Copy)]
pub(super) struct Login<'s> {
    /// The parts that all connections share.
    pub(super) shared: &'s Shared,
    /// The configuration at the time when the client connected.
    pub(super) live: &'s Live,
    /// The session that the login is to lead to.
    pub(super) session: &'s Session,
}

impl Login<'_> {
    /// Does a step, unless the session is told to end meanwhile.
    pub(super) async fn unless_ended<T>(
        &self,
        step: impl Future<Output = Result<T, SessionError>>,
    ) -> Result<T, SessionError> {
        tokio::select! {
            outcome = step => outcome,
            order = self.session.stop().reached(Phase::WhenIdle) => Err(order.into()),
        }
    }

    /// Does a step, unless the session is told to end at once, or when idle and [`SILENT_GRACE`]
    /// has passed since: a client that was accepted just before a shutdown is to hear of it, so its
    /// startup message is waited for.
    pub(super) async fn unless_silent<T>(
        &self,
        step: impl Future<Output = Result<T, SessionError>>,
    ) -> Result<T, SessionError> {
        let stop = self.session.stop();
        let silent_too_long = async {
            let order = stop.reached(Phase::WhenIdle).await;
            timeout(SILENT_GRACE, stop.reached(Phase::Now))
                .await
                .unwrap_or(order)
        };
        tokio::select! {
            outcome = step => outcome,
            order = silent_too_long => Err(order.into()),
        }
    }
}
