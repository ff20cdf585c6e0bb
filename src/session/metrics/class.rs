//! The labels of what happens: outcomes and reasons, by error.

use std::io::{self, ErrorKind};

use crate::cancel::Cancelled;
use crate::client_auth::{AuthError, Reason};
use crate::fault::Fault;
use crate::metrics::{AuthReason, CancelOutcome, Outcome, Sqlstate, TlsReason};
use crate::session::error::SessionError;
use crate::startup::StartupError;
use crate::upstream::{OpenError, UpstreamError};

/// The SQLSTATE that the client was told. `None`: it was told nothing.
pub(super) fn sqlstate(error: &SessionError) -> Option<Sqlstate> {
    if let SessionError::Open(OpenError { source: UpstreamError::Refused(of_warehouse), .. }) = error
        && of_warehouse.as_sent().is_some()
    {
        return Some(Sqlstate::Other);
    }
    error
        .refusal()
        .map(|refusal| Sqlstate::of(refusal.sqlstate()))
}

/// Classes a login that came to nothing.
pub(super) fn of_login(error: &SessionError) -> Outcome {
    match error {
        SessionError::Startup(_)
        | SessionError::Version(..)
        | SessionError::UserMissing
        | SessionError::TlsRequired
        | SessionError::Auth(_)
        | SessionError::Banned(_)
        | SessionError::Address(_)
        | SessionError::Replication
        | SessionError::Cap(_)
        // What operators want is no fault.
        | SessionError::ShuttingDown
        | SessionError::Killed
        | SessionError::Revoked => Outcome::Denied,
        SessionError::Spec(error) => match error.of_aws() {
            Some(error) => Outcome::of_call(error),
            None => Outcome::Denied,
        },
        SessionError::Credential(error) => Outcome::of_call(&error.source),
        SessionError::Open(error) => of_upstream(&error.source),
        SessionError::StartupTimeout(_) | SessionError::LoginTimeout { .. } => Outcome::Timeout,
        SessionError::CrowdedOut
        | SessionError::ClientGone(_)
        | SessionError::Randomness => Outcome::Error,
    }
}

/// Classes a dial that failed.
pub(super) fn of_upstream(error: &UpstreamError) -> Outcome {
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

/// Classes a cancel.
pub(super) fn of_cancel(outcome: &Cancelled) -> CancelOutcome {
    match outcome {
        Cancelled::Forwarded(_) | Cancelled::Already(_) => CancelOutcome::Ok,
        Cancelled::TooLate | Cancelled::Unknown | Cancelled::Missed => CancelOutcome::Missed,
        Cancelled::CutOff => CancelOutcome::Error,
        Cancelled::Limited | Cancelled::Crowded(_) => CancelOutcome::Limited,
        Cancelled::Failed(_, error) => match error {
            UpstreamError::Resolve { .. } | UpstreamError::Connect { .. } | UpstreamError::Tls { .. } => {
                CancelOutcome::Unreachable
            }
            _ => CancelOutcome::Error,
        },
    }
}

/// The reason why the client has not proved who it is. `None`: that is not why it was refused.
pub(super) fn auth_reason(error: &SessionError) -> Option<AuthReason> {
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
pub(super) fn client_tls(error: &SessionError) -> Option<TlsReason> {
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
pub(super) fn upstream_tls(error: &UpstreamError) -> Option<TlsReason> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A rolling restart raises no alarm.
    #[test]
    fn a_login_that_an_operator_ends_is_denied_and_no_error() {
        for error in [SessionError::ShuttingDown, SessionError::Killed, SessionError::Revoked] {
            assert_eq!(of_login(&error), Outcome::Denied, "{error}");
        }
        assert_eq!(of_login(&SessionError::Randomness), Outcome::Error);
    }
}
