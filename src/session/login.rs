//! What the steps of a login work with.

use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::timeout;

use super::error::SessionError;
use super::live::Live;
use super::registry::Session;
use super::revoked::has_lost_right;
use super::shared::Shared;
use crate::config::ConnId;
use crate::operations::SharedOperations;
use crate::startup::Client;
use crate::stop::{Order, Phase};

/// How long a connection that has not said what it wants is kept when we shut down.
const SILENT_GRACE: Duration = Duration::from_secs(1);

/// A login under way: the parts that its steps work with.
#[derive(Clone, Copy)]
pub(super) struct Login<'s> {
    /// The parts that all connections share.
    pub(super) shared: &'s Shared,
    /// The configuration at the time when the client connected.
    pub(super) live: &'s Live,
    /// The configuration of now.
    pub(super) current: &'s ArcSwap<Live>,
    /// The session that the login is to lead to.
    pub(super) session: &'s Session,
    /// The operations that a console may ask for.
    pub(super) operations: &'s SharedOperations,
}

impl Login<'_> {
    /// Tells the session to end, if the configuration of now, or the users that are listed now,
    /// give it no right. A reload and a new list end those sessions themselves that have come as
    /// far as a connection or a console, so that this is asked once they have. A list is renewed
    /// within the same configuration, so that it is asked under that too.
    pub(super) fn judge_again(&self) {
        if has_lost_right(&self.current.load(), &self.session.facts()) {
            self.session.stop().give(Order::Revoke);
        }
    }

    /// Whether the client names the console, which it may not be allowed to use. `port_of` is the
    /// connection that has the port to itself.
    pub(super) fn is_for_console(&self, client: &Client, port_of: Option<&ConnId>) -> bool {
        let startup = &client.startup;
        let Some(user) = startup.user() else { return false };
        let asked = self
            .live
            .specs
            .asked(port_of, client.server_name(), user.conn_id(), startup.database());
        asked.name() == ConnId::CONSOLE
    }

    /// Does a step, unless the session is told meanwhile to end as soon as `phase` says.
    pub(super) async fn unless_ended<T>(
        &self,
        phase: Phase,
        step: impl Future<Output = Result<T, SessionError>>,
    ) -> Result<T, SessionError> {
        tokio::select! {
            outcome = step => outcome,
            order = self.session.stop().reached(phase) => Err(order.into()),
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
