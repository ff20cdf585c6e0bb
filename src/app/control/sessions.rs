//! The connections of clients as an operator sees them, and how they are ended.

use tokio::time::Instant;

use super::Control;
use crate::config::ConnId;
use crate::operations::{Operator, SessionState, SessionStatus, Which};
use crate::relay::Activity;
use crate::session::{SessionEntry, Stage};
use crate::stop::Order;

/// All connections of clients, the oldest first.
pub(super) fn all(control: &Control) -> Vec<SessionStatus> {
    let entries = control.shared.sessions.list();
    entries.iter().map(|entry| status(control, entry)).collect()
}

/// Ends the sessions that an operator names at once, and returns how many there were.
pub(super) fn kill(control: &Control, by: &Operator, which: &Which) -> usize {
    let ended = control.shared.sessions.end(which, Order::Kill);
    control.record_action(by, format!("KILL {which}"), format!("{ended} ended"));
    ended
}

fn status(control: &Control, entry: &SessionEntry) -> SessionStatus {
    let facts = entry.facts();
    let meter = entry.meter();
    let wall = |at: Instant| control.wall(at);
    SessionStatus {
        id: entry.id().as_str().to_owned(),
        state: state(facts.stage, meter.activity()),
        conn_id: facts
            .conn_id
            .as_ref()
            .map_or_else(String::new, |conn_id| ConnId::as_str(conn_id).to_owned()),
        client: (facts.client, facts.client_port).into(),
        listener: facts.listener,
        tls: facts
            .tls
            .map_or_else(String::new, |negotiated| negotiated.to_string()),
        warehouse: facts.warehouse,
        warehouse_local: facts.warehouse_side.and_then(|side| side.local),
        warehouse_tls: facts
            .warehouse_side
            .and_then(|side| side.tls)
            .map_or_else(String::new, |negotiated| negotiated.to_string()),
        warehouse_connected: facts.warehouse_connected().map(wall),
        waiting: facts.waiting(),
        upstream_pid: facts.upstream_pid,
        connected: wall(facts.accepted),
        ready: facts.stage.ready_since().map(wall),
        last_traffic: meter.last_moved().map(wall),
        bytes_up: meter.traffic().up(),
        bytes_down: meter.traffic().down(),
        user: facts.user.into(),
        application_name: facts.application_name.into(),
        db_user: facts.db_user.into(),
        database: facts.database.into(),
        host: facts.host.into(),
        warehouse_session_id: facts.warehouse_session_id.into(),
    }
}

fn state(stage: Stage, activity: Activity) -> SessionState {
    match (stage, activity) {
        (Stage::LoggingIn, _) => SessionState::Login,
        (Stage::AwaitsCredential, _) => SessionState::Credential,
        (Stage::AwaitsWarehouse, _) => SessionState::Connect,
        (Stage::Relays(_), Activity::Active) => SessionState::Active,
        (Stage::Relays(_), Activity::Transaction) => SessionState::Transaction,
        (Stage::Relays(_), Activity::Idle) => SessionState::Idle,
        (Stage::Console(_), _) => SessionState::Console,
    }
}
