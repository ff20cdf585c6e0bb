//! The connections, and whether an operator lets new logins to them in.

use std::collections::HashMap;

use super::Control;
use crate::config::{ConnId, ConnSpec};
use crate::operations::{ActionError, ConnectionStatus, Operator};

/// Lists the configuration's connections, then those of lava's table that are held.
pub(super) fn all(control: &Control) -> Vec<ConnectionStatus> {
    let live = control.live.load_full();
    let (sessions, _) = control.shared.caps.counts();
    let of = |origin| {
        let sessions = &sessions;
        move |spec: &ConnSpec| status(control, origin, spec, sessions)
    };
    let of_file = live
        .config
        .connections
        .values()
        .map(|spec| of("file")(spec));
    let mut of_table = live.specs.held();
    of_table.sort_by(|one, other| one.id.cmp(&other.id));
    of_file
        .chain(of_table.iter().map(|spec| of("table")(spec)))
        .collect()
}

fn status(
    control: &Control,
    origin: &'static str,
    spec: &ConnSpec,
    sessions: &HashMap<ConnId, usize>,
) -> ConnectionStatus {
    let logins = control.shared.outcomes.of(&spec.id);
    ConnectionStatus {
        conn_id: spec.id.to_string(),
        origin,
        kind: spec.target.type_name(),
        description: spec.description.clone().unwrap_or_default(),
        enabled: spec.enabled,
        disabled_by_operator: control.shared.disabled.has(&spec.id),
        host: spec.host.clone().unwrap_or_default(),
        port: spec.port.unwrap_or(crate::credentials::DEFAULT_PORT),
        database: spec.database.clone().unwrap_or_default(),
        identity: if spec.is_per_user() { "per-user" } else { "shared" },
        sessions: sessions.get(&spec.id).copied().unwrap_or(0),
        max_sessions: spec.max_sessions,
        last_login: logins.last_login.map(|at| control.wall(at)),
        last_error: logins
            .last_error
            .map(|(at, why)| (control.wall(at), why.to_string())),
    }
}

/// Lets new logins to a connection in, or not.
pub(super) fn set_enabled(
    control: &Control,
    by: &Operator,
    conn_id: &ConnId,
    enabled: bool,
) -> Result<(), ActionError> {
    let verb = if enabled { "ENABLE" } else { "DISABLE" };
    // One that a reload has removed can still be enabled.
    let is_known = control.shared.disabled.has(conn_id) || control.live.load().specs.may_have(conn_id);
    let done = match is_known {
        true => Ok(control.shared.disabled.set(conn_id, !enabled)),
        false => Err(ActionError::NoSuchConnection(conn_id.clone())),
    };
    let outcome = match &done {
        Ok(true) => "ok".to_owned(),
        Ok(false) => "ok, as it was".to_owned(),
        Err(error) => error.to_string(),
    };
    control.record_action(by, format!("{verb} {conn_id}"), outcome);
    done.map(|_is_news| ())
}
