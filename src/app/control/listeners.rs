//! The addresses that are bound, with their clients.

use super::Control;
use crate::operations::ListenerStatus;

/// Lists the addresses, each with the connections of clients that came to it.
pub(super) fn all(control: &Control) -> Vec<ListenerStatus> {
    let mut all = control.listeners.0.lock().clone();
    for listener in &mut all {
        listener.connections = control.shared.sessions.on_listener(listener.address);
    }
    all
}
