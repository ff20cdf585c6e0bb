//! What each event of a session counts for: the third projection of events, beside facts and log.

use std::sync::Arc;

use self::class::{auth_reason, client_tls, of_cancel, of_login, of_upstream, sqlstate, upstream_tls};
use super::error::SessionError;
use super::event::Event;
use super::facts::{Facts, Stage};
use super::log::concerns_nobody;
use super::timings;
use crate::client_auth::AuthError;
use crate::config::ConnSpec;
use crate::fault::{Fault, Kind};
use crate::metrics::{End, LoginStage, Metrics, OfConnection, Origin, Outcome, Side, Slot};
use crate::relay::{self, Relayed};
use crate::upstream::{Step, UpstreamError};

mod class;

/// Counts an event. `facts` are those of the session, the event's own included. A console counts as
/// no session: it begins without being counted, and so it ends.
pub(super) fn record(metrics: &Metrics, facts: &Facts, event: &Event<'_>) {
    match event {
        Event::Ended(_) | Event::Panicked if is_console(facts) => {}
        Event::Accepted => metrics.count_accepted(),
        Event::Dial(Step::Failed(error)) => dial_failed(metrics, facts, error),
        Event::Started(_) => started(metrics, facts),
        Event::Refused(error) => refused(metrics, facts, error),
        Event::Ended(relayed) => ended(&metrics.connections.of_known(facts.conn_id.as_ref()), relayed),
        Event::Cancelled { outcome, .. } => metrics.cancels.count(of_cancel(outcome)),
        Event::Panicked => {
            let of = metrics.connections.of_known(facts.conn_id.as_ref());
            of.ends.count(End::Error);
        }
        Event::Lost(_)
        | Event::Located { .. }
        | Event::Asked { .. }
        | Event::Proved { .. }
        | Event::Permitted(_)
        | Event::Admitted
        | Event::CredentialAwaited
        | Event::Dialled { .. }
        | Event::Dial(Step::Begun | Step::Connected { .. } | Step::Secured(_))
        | Event::ConsoleOpened
        | Event::CredentialRefused(_)
        | Event::WarehouseMoved(_) => {}
    }
}

fn is_console(facts: &Facts) -> bool {
    matches!(facts.stage, Stage::Console(_))
}

/// Counts a login that this password of the user's list, or a certificate, has proved.
pub(super) fn proved(metrics: &Metrics, slot: Option<usize>) {
    if let Some(slot) = slot {
        let slot = if slot == 0 { Slot::First } else { Slot::Second };
        metrics.password_uses.count(slot);
    }
}

/// The metrics of the connection that a spec describes, made at its first login.
pub(super) fn of_spec(metrics: &Metrics, spec: &ConnSpec) -> Arc<OfConnection> {
    let origin = if spec.bounds.is_some() { Origin::Table } else { Origin::File };
    metrics.connections.of(&spec.id, origin, spec.max_sessions)
}

/// Counts a session that is ready, with its last dial and the times of its login.
fn started(metrics: &Metrics, facts: &Facts) {
    let of = metrics.connections.of_known(facts.conn_id.as_ref());
    of.dials.count(Outcome::Ok);
    of.logged_in(metrics.now());
    for stage in timings::LoginStage::ALL {
        if let Some(took) = facts.timings.of(stage) {
            of.observe(of_stage(stage), took);
        }
    }
}

fn dial_failed(metrics: &Metrics, facts: &Facts, error: &UpstreamError) {
    let of = metrics.connections.of_known(facts.conn_id.as_ref());
    of.dials.count(of_upstream(error));
    if let Some(reason) = upstream_tls(error) {
        metrics.tls_failures(Side::Upstream).count(reason);
    }
}

fn of_stage(stage: timings::LoginStage) -> LoginStage {
    match stage {
        timings::LoginStage::ClientAuth => LoginStage::ClientAuth,
        timings::LoginStage::Credentials => LoginStage::Credentials,
        timings::LoginStage::Connect => LoginStage::Connect,
        timings::LoginStage::Tls => LoginStage::Tls,
        timings::LoginStage::UpstreamAuth => LoginStage::UpstreamAuth,
    }
}

/// Counts a login that came to nothing, unless the client left by itself at the request for its
/// password, or is a health check: that is in no figure.
fn refused(metrics: &Metrics, facts: &Facts, error: &SessionError) {
    let has_left = matches!(error, SessionError::Auth(AuthError::LeftAtSasl(_)));
    if has_left || error.kind() == Kind::Client && concerns_nobody(facts, error) {
        return;
    }
    if let Some(reason) = client_tls(error) {
        metrics.tls_failures(Side::Client).count(reason);
    }
    if let Some(reason) = auth_reason(error) {
        metrics.auth_failures.count(reason);
    }
    if let Some(sqlstate) = sqlstate(error) {
        metrics.refusals.count(sqlstate);
    }
    if facts.has_asked() {
        let of = metrics.connections.of_known(facts.conn_id.as_ref());
        of.logins.count(of_login(error));
        of.ends.count(End::Refused);
        if matches!(error, SessionError::LoginTimeout { .. }) {
            of.dials.count(Outcome::Timeout);
        }
    }
}

fn ended(of: &OfConnection, relayed: &Relayed) {
    of.ends.count(match (relayed.end, &relayed.error) {
        (_, Some(_)) => End::Error,
        (relay::End::Client, None) => End::Client,
        (relay::End::Upstream, None) => End::Upstream,
        (relay::End::Drain, None) => End::Drain,
        (relay::End::Killed, None) => End::Killed,
        (relay::End::Revoked, None) => End::Revoked,
        (relay::End::Lifetime, None) => End::Lifetime,
        (relay::End::Idle, None) => End::Idle,
    });
}
