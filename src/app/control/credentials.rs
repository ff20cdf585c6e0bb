//! The credentials that are held or being fetched, and how an operator has them fetched anew.

use std::sync::Arc;

use super::Control;
use crate::config::ConnId;
use crate::operations::{ActionError, CredentialStatus, Operator};

/// Lists the credentials, without their secrets.
pub(super) fn all(control: &Control) -> Vec<CredentialStatus> {
    let live = control.live.load_full();
    let mut specs: Vec<_> = live.config.connections.values().cloned().collect();
    specs.extend(live.specs.held());
    live.logins.states(&specs)
}

/// Forgets the credentials of a connection.
///
/// # Errors
/// `NoSuchConnection`.
pub(super) fn refresh(control: &Control, by: &Operator, conn_id: &ConnId) -> Result<usize, ActionError> {
    let live = control.live.load_full();
    let refreshed = match live.specs.may_have(conn_id) {
        true => {
            let of_file = live.config.connections.get(conn_id).map(Arc::clone);
            let of_table = || {
                live.specs
                    .held()
                    .into_iter()
                    .find(|spec| spec.id == *conn_id)
            };
            let spec = of_file.or_else(of_table);
            Ok(control.logins().forget(conn_id, spec.as_deref()))
        }
        false => Err(ActionError::NoSuchConnection(conn_id.clone())),
    };
    let outcome = match &refreshed {
        Ok(count) => format!("{count} forgotten"),
        Err(error) => error.to_string(),
    };
    control.record_action(by, format!("REFRESH {conn_id}"), outcome);
    refreshed
}
