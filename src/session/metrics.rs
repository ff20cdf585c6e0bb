//! What each event of a session counts for: the third projection of events, beside facts and log.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use super::error::SessionError;
use super::event::Event;
use super::facts::Facts;
use super::log::concerns_nobody;
use super::timings;
use crate::cancel::Cancelled;
use crate::client_auth::{AuthError, Reason};
use crate::config::ConnSpec;
use crate::fault::{Fault, Kind};
use crate::metrics::{
    AuthReason, CancelOutcome, End, LoginStage, Metrics, OfConnection, Origin, Outcome, Side, Slot, Sqlstate, TlsReason,
};
use crate::relay::{self, Relayed};
use crate::startup::StartupError;
use crate::upstream::{OpenError, Step, UpstreamError};

/// Counts an event. `facts` are those of the session, the event's own included.
pub(super) fn record(metrics: &Metrics, facts: &Facts, event: &Event<'_>) {
    match event {
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
        | Event::Proved(_)
        | Event::Permitted(_)
        | Event::Admitted
        | Event::CredentialAwaited
        | Event::Dialled { .. }
        | Event::Dial(Step::Begun | Step::Connected(_) | Step::Secured)
        | Event::ConsoleOpened
        | Event::CredentialRefused(_)
        | Event::WarehouseMoved(_) => {}
    }
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
/// password, or is a health check.
fn refused(metrics: &Metrics, facts: &Facts, error: &SessionError) {
    if let Some(reason) = client_tls(error) {
        metrics.tls_failures(Side::Client).count(reason);
    }
    if let Some(reason) = auth_reason(error) {
        metrics.auth_failures.count(reason);
    }
    let has_left = matches!(error, SessionError::Auth(AuthError::LeftAtSasl(_)));
    if has_left || error.kind() == Kind::Client && concerns_nobody(facts, error) {
        return;
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

/// The SQLSTATE that the client was told. `None`: it was told nothing.
fn sqlstate(error: &SessionError) -> Option<Sqlstate> {
    if let SessionError::Open(OpenError { source: UpstreamError::Refused(of_warehouse), .. }) = error
        && of_warehouse.as_sent().is_some()
    {
        return Some(Sqlstate::Other);
    }
    error
        .refusal()
        .map(|refusal| Sqlstate::of(refusal.sqlstate()))
}

fn of_login(error: &SessionError) -> Outcome {
    match error {
        SessionError::Startup(_)
        | SessionError::Version(..)
        | SessionError::UserMissing
        | SessionError::TlsRequired
        | SessionError::Auth(_)
        | SessionError::Banned(_)
        | SessionError::Address(_)
        | SessionError::Replication
        | SessionError::Cap(_) => Outcome::Denied,
        SessionError::Spec(error) => match error.of_aws() {
            Some(error) => Outcome::of_call(error),
            None => Outcome::Denied,
        },
        SessionError::Credential(error) => Outcome::of_call(&error.source),
        SessionError::Open(error) => of_upstream(&error.source),
        SessionError::StartupTimeout(_) | SessionError::LoginTimeout { .. } => Outcome::Timeout,
        SessionError::CrowdedOut
        | SessionError::ClientGone(_)
        | SessionError::ShuttingDown
        | SessionError::Killed
        | SessionError::Revoked
        | SessionError::Randomness => Outcome::Error,
    }
}

fn of_upstream(error: &UpstreamError) -> Outcome {
    match error {
        UpstreamError::LoginRefused(_) | UpstreamError::Refused(_) => Outcome::Denied,
        UpstreamError::Resolve { source, .. }
        | UpstreamError::Connect { source, .. }
        | UpstreamError::Tls { source, .. }
            if source.kind() == ErrorKind::TimedOut =>
        {
            Outcome::Timeout
        }
        UpstreamError::Resolve { .. }
        | UpstreamError::Forbidden { .. }
        | UpstreamError::ServerName { .. }
        | UpstreamError::Roots
        | UpstreamError::Connect { .. }
        | UpstreamError::TlsRefused { .. }
        | UpstreamError::Certificate { .. }
        | UpstreamError::Tls { .. }
        | UpstreamError::Closed(_)
        | UpstreamError::Authentication(_)
        | UpstreamError::Protocol(_) => Outcome::Error,
    }
}

fn of_cancel(outcome: &Cancelled) -> CancelOutcome {
    match outcome {
        Cancelled::Forwarded(_) | Cancelled::Already(_) => CancelOutcome::Ok,
        Cancelled::TooLate | Cancelled::Unknown | Cancelled::Missed => CancelOutcome::Missed,
        Cancelled::CutOff => CancelOutcome::Error,
        Cancelled::Limited => CancelOutcome::Limited,
        Cancelled::Failed(_, error) => match error {
            UpstreamError::Resolve { .. } | UpstreamError::Connect { .. } | UpstreamError::Tls { .. } => {
                CancelOutcome::Unreachable
            }
            _ => CancelOutcome::Error,
        },
    }
}

fn auth_reason(error: &SessionError) -> Option<AuthReason> {
    match error {
        SessionError::Auth(AuthError::Failed { reason, .. }) => Some(match reason {
            Reason::UnknownUser => AuthReason::UnknownUser,
            Reason::WrongCertificate => AuthReason::Certificate,
            Reason::BannedMeanwhile => AuthReason::Banned,
            Reason::WrongPassword
            | Reason::Malformed
            | Reason::OtherExchange
            | Reason::OtherChannel
            | Reason::Downgrade
            | Reason::Disabled
            | Reason::Expired
            | Reason::Unread => AuthReason::Password,
        }),
        SessionError::Auth(AuthError::CertificateMissing) => Some(AuthReason::Certificate),
        SessionError::Banned(_) => Some(AuthReason::Banned),
        SessionError::Address(_) => Some(AuthReason::Address),
        _ => None,
    }
}

/// Why the handshake with the client failed. `None`: it did not.
fn client_tls(error: &SessionError) -> Option<TlsReason> {
    let SessionError::Startup(error) = error else { return None };
    match error {
        StartupError::Tls(error) => Some(of_handshake(error)),
        StartupError::Alpn | StartupError::OtherAlpn => Some(TlsReason::Alpn),
        StartupError::TlsDisabled => Some(TlsReason::Refused),
        StartupError::PlaintextBehindRequest | StartupError::AskedTwice => Some(TlsReason::Protocol),
        StartupError::Wire(_)
        | StartupError::Proxy(_)
        | StartupError::ProxyHeader
        | StartupError::Foreign(_)
        | StartupError::Malformed(_) => None,
    }
}

/// Why the handshake with the warehouse failed. `None`: it did not.
fn upstream_tls(error: &UpstreamError) -> Option<TlsReason> {
    match error {
        UpstreamError::Certificate { .. } => Some(TlsReason::Certificate),
        UpstreamError::TlsRefused { .. } => Some(TlsReason::Refused),
        UpstreamError::Tls { source, .. } => Some(of_handshake(source)),
        _ => None,
    }
}

fn of_handshake(error: &io::Error) -> TlsReason {
    let of_tls = error
        .get_ref()
        .and_then(|error| error.downcast_ref::<rustls::Error>());
    match of_tls {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => TlsReason::Certificate,
        Some(rustls::Error::AlertReceived(_)) => TlsReason::Alert,
        Some(rustls::Error::NoApplicationProtocol) => TlsReason::Alpn,
        Some(_) => TlsReason::Protocol,
        None => match error.kind() {
            ErrorKind::TimedOut => TlsReason::Timeout,
            ErrorKind::InvalidData => TlsReason::Protocol,
            _ => TlsReason::Closed,
        },
    }
}
