//! The last refusals and broken sessions.

use super::Control;
use crate::config::ConnId;
use crate::operations::ErrorStatus;

/// Lists them, the newest first; those of one session where an id is given.
pub(super) fn newest_first(control: &Control, of: Option<&str>) -> Vec<ErrorStatus> {
    let kept = control.shared.errors.newest_first(of);
    kept.into_iter()
        .map(|error| ErrorStatus {
            at: control.wall(error.at),
            session: error.id.to_string(),
            client: error.client,
            user: error.user.into(),
            conn_id: error
                .conn_id
                .as_ref()
                .map(ConnId::to_string)
                .unwrap_or_default(),
            sqlstate: error.sqlstate.into(),
            cause: error.cause.into(),
        })
        .collect()
}
