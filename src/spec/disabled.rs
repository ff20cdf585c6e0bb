//! The connections that an operator has disabled while the proxy runs.

use std::collections::HashSet;

use parking_lot::RwLock;

use super::error::SpecError;
use crate::config::ConnId;

/// The connections that operators let no new logins to. It outlives a configuration, and not the
/// process. Every login looks into it once; the lock is held for one look or one change.
#[derive(Default)]
pub(crate) struct Disabled(RwLock<HashSet<ConnId>>);

impl Disabled {
    /// Disables a connection, or enables it again. Returns whether that changes anything.
    pub(crate) fn set(&self, conn_id: &ConnId, is_disabled: bool) -> bool {
        let mut disabled = self.0.write();
        if is_disabled { disabled.insert(conn_id.clone()) } else { disabled.remove(conn_id) }
    }

    /// Whether an operator has disabled the connection.
    pub(crate) fn has(&self, conn_id: &ConnId) -> bool {
        self.0.read().contains(conn_id)
    }

    /// Refuses a connection that an operator has disabled.
    ///
    /// # Errors
    /// [`SpecError::Disabled`].
    pub(crate) fn check(&self, conn_id: &ConnId) -> Result<(), SpecError> {
        if self.has(conn_id) { Err(SpecError::Disabled(conn_id.clone())) } else { Ok(()) }
    }
}
