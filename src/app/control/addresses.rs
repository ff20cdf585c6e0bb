//! The addresses that are bound.

use std::net::SocketAddr;

use parking_lot::Mutex;

use crate::config::ConnId;
use crate::operations::ListenerStatus;

/// The addresses that are bound, in the order in which they were. The lock is held while one is
/// added, or while all are copied.
#[derive(Default)]
pub(in crate::app) struct Listeners(pub(super) Mutex<Vec<ListenerStatus>>);

impl Listeners {
    /// Adds an address. `serves` is `clients`, `admin` or `health`.
    pub(in crate::app) fn add(&self, address: SocketAddr, serves: &'static str, conn_id: Option<&ConnId>) {
        let conn_id = conn_id.map(ConnId::to_string);
        self.0
            .lock()
            .push(ListenerStatus { address, serves, conn_id, connections: 0 });
    }
}
