//! The two ways in which a session has a query cancelled: by its client's request, and for want of
//! a client.

use tokio::time::timeout;

use super::event::{CancelCause, Event};
use super::login::Login;
use super::registry::Session;
use crate::cancel::{Cancelled, Registered};
use crate::stop::Phase;
use crate::stream::LAST_WORDS;
use crate::wire::Wire;
use crate::wire::cancel_key::CancelKey;

/// Serves a CancelRequest: passes it on, and answers by closing.
pub(super) async fn cancel(login: &Login<'_>, mut wire: Wire, key: &CancelKey) {
    let Login { shared, live, session, .. } = login;
    let exempt = &live.limits.bans.exempt;
    let outcome = tokio::select! {
        outcome = shared.cancels.forward(session.client_addr(), key, exempt) => outcome,
        _ = session.stop().reached(Phase::Now) => Cancelled::CutOff,
    };
    session.happened(&Event::Cancelled { cause: CancelCause::Requested, pid: key.pid, outcome: &outcome });
    // libpq 17 reports a failure unless TLS ends with close_notify.
    let _ = timeout(LAST_WORDS, wire.close()).await;
}

/// Cancels the query that a session has left running, whose client has vanished or which was ended:
/// the warehouse would go on for nobody. A bounded wait for its turn and the dial's own time-outs
/// bound this; a shutdown that waits no longer cuts it off.
pub(super) async fn cancel_abandoned(registered: Option<&Registered>, session: &Session) {
    let Some(registered) = registered else { return };
    let outcome = tokio::select! {
        outcome = registered.cancel_abandoned() => outcome,
        () = session.stop().cut_short() => Cancelled::CutOff,
    };
    let pid = registered.key().pid;
    session.happened(&Event::Cancelled { cause: CancelCause::Abandoned, pid, outcome: &outcome });
}
