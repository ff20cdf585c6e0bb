//! The two ways in which a session has a query cancelled: by its client's request, and for want of
//! a client.

use tokio::time::timeout;

use super::event::Event;
use super::login::Login;
use super::registry::Session;
use crate::cancel::Registered;
use crate::stop::Phase;
use crate::stream::LAST_WORDS;
use crate::wire::Wire;
use crate::wire::cancel_key::CancelKey;

/// Serves a CancelRequest: passes it on, and answers by closing.
pub(super) async fn cancel(login: &Login<'_>, mut wire: Wire, key: &CancelKey) {
    let Login { shared, live, session } = login;
    let exempt = &live.limits.bans.exempt;
    tokio::select! {
        outcome = shared.cancels.forward(session.client_addr(), key, exempt) => {
            session.happened(&Event::Cancelled { pid: key.pid, outcome: &outcome });
        }
        () = session.stop().reached(Phase::Now) => {}
    }
    // libpq 17 reports a failure unless TLS ends with close_notify.
    let _ = timeout(LAST_WORDS, wire.close()).await;
}

/// Cancels the query that a vanished client has left running: the warehouse would go on for nobody.
/// The dial's own time-outs bound this.
pub(super) async fn cancel_abandoned(registered: Option<&Registered>, session: &Session) {
    let Some(registered) = registered else { return };
    tokio::select! {
        outcome = registered.cancel() => {
            session.happened(&Event::Cancelled { pid: registered.key().pid, outcome: &outcome });
        }
        () = session.stop().reached(Phase::Now) => {}
    }
}
