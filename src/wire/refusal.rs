//! Refusals: every SQLSTATE and text of the proxy's own, in one place. Each has to stand in the
//! table of docs/contract.md section 4 and in docs/errors.md, which a test compares with this file.
//! CONTRIBUTING.md says how a SQLSTATE is chosen.

use bytes::BytesMut;
use pgwire::messages::response::ErrorResponse;

use crate::session_id::SessionId;
use crate::wire;

/// The greatest number of names that a hint lists.
pub(crate) const HINT_NAMES: usize = 10;

/// An ErrorResponse before it is encoded. The session id is added then.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Refusal {
    sqlstate: &'static str,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
}

/// Each constructor is a text in the contract's table.
impl Refusal {
    fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self { sqlstate, message: message.into(), detail: None, hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The SQLSTATE, for the log.
    pub(crate) fn sqlstate(&self) -> &'static str {
        self.sqlstate
    }

    /// Refuses an unknown user and a wrong or disabled password by the same words.
    pub(crate) fn password_failed(user: &str) -> Self {
        Self::new("28P01", format!("password authentication failed for user \"{user}\""))
    }

    /// Refuses a client in clear where `listen.tls.mode` requires TLS.
    pub(crate) fn tls_required() -> Self {
        Self::new("28000", "TLS is required")
    }

    /// Refuses a client without the certificate that its user has to show.
    pub(crate) fn certificate_required() -> Self {
        Self::new("28000", "a client certificate is required")
    }

    /// Refuses a proven user at an address or VPC endpoint that its `from` does not list.
    pub(crate) fn address_not_allowed() -> Self {
        Self::new("28000", "this address is not allowed")
    }

    /// Refuses an address or a user with too many failed logins.
    pub(crate) fn banned() -> Self {
        Self::new("28000", "too many failed logins, try again later")
    }

    /// Refuses a startup message without a user, in PostgreSQL's words.
    pub(crate) fn user_missing() -> Self {
        Self::new("28000", "no PostgreSQL user name specified in startup packet")
    }

    /// Refuses an unknown connection and one that is not permitted by the same words. `may_open`
    /// lists the connections that this user may open.
    pub(crate) fn not_yours(conn_id: &str, may_open: &[&str]) -> Self {
        let refusal = Self::new("3D000", format!("connection \"{conn_id}\" does not exist or is not yours"));
        if may_open.is_empty() {
            return refusal;
        }
        let names = may_open
            .iter()
            .take(HINT_NAMES)
            .copied()
            .collect::<Vec<_>>();
        refusal.hint(format!("you may open: {}", names.join(", ")))
    }

    /// Refuses a connection that its spec has disabled.
    pub(crate) fn disabled(conn_id: &str) -> Self {
        Self::new("57P03", format!("connection \"{conn_id}\" is disabled"))
    }

    /// Refuses a login that may succeed a little later: AWS throttles or is unreachable, or a
    /// deadline has passed.
    pub(crate) fn not_now(conn_id: &str) -> Self {
        Self::new("57P03", format!("cannot open \"{conn_id}\" now")).hint("Try again shortly.")
    }

    /// Refuses a login during a shutdown.
    pub(crate) fn shutting_down() -> Self {
        Self::new("57P03", "the proxy is shutting down")
    }

    /// Refuses a connection that AWS denies to the proxy, or whose warehouse refuses the proxy's
    /// login.
    pub(crate) fn not_available(conn_id: &str) -> Self {
        Self::new("08004", format!("connection \"{conn_id}\" is not available to the proxy"))
    }

    /// Refuses a connection whose warehouse does not answer.
    pub(crate) fn unreachable(conn_id: &str) -> Self {
        Self::new("08001", format!("could not reach the warehouse for \"{conn_id}\""))
    }

    /// Refuses a connection whose warehouse shows a certificate that does not verify.
    pub(crate) fn bad_certificate(conn_id: &str) -> Self {
        Self::new("08001", format!("the certificate of the warehouse for \"{conn_id}\" is not valid"))
    }

    /// Refuses a session over a cap. `cap` is a sentence that says which one is reached.
    pub(crate) fn too_many_sessions(cap: String) -> Self {
        Self { detail: Some(cap), ..Self::new("53300", "too many sessions") }
    }

    /// Ends a session whose warehouse has closed the connection.
    pub(crate) fn warehouse_closed() -> Self {
        Self::new("08006", "the warehouse closed the connection")
    }

    /// Ends a session that the operator ends, in PostgreSQL's words.
    pub(crate) fn terminated() -> Self {
        Self::new("57P01", "terminating connection due to administrator command")
    }

    /// Ends a session that has been idle for too long, in PostgreSQL's words.
    pub(crate) fn idle_timeout() -> Self {
        Self::new("57P05", "terminating connection due to idle timeout")
    }

    /// Refuses a client of a version of the protocol other than 3.
    pub(crate) fn unsupported_protocol(major: u16, minor: u16) -> Self {
        Self::new("08P01", format!("unsupported protocol version {major}.{minor}"))
            .hint("The proxy speaks version 3.0 of the PostgreSQL protocol.")
    }

    /// Refuses a client that asks for a walsender by the startup parameter `replication`.
    pub(crate) fn replication() -> Self {
        Self::new("0A000", "replication connections are not supported")
            .hint("Connect without the startup parameter \"replication\": Redshift has no replication protocol.")
    }

    /// Refuses a client that sent another message than the protocol has there. `expected` names the
    /// right one.
    pub(crate) fn protocol(expected: &str) -> Self {
        Self::new("08P01", format!("protocol error: expected {expected}"))
    }

    /// Refuses a client for a fault of our own.
    pub(crate) fn internal() -> Self {
        Self::new("XX000", "internal error")
    }

    /// Encodes the FATAL ErrorResponse. Its message ends in the session id, by which its log line
    /// is found.
    pub(crate) fn encode(&self, session: SessionId) -> BytesMut {
        let mut fields = vec![
            (b'S', "FATAL".to_owned()),
            (b'V', "FATAL".to_owned()),
            (b'C', self.sqlstate.to_owned()),
            (b'M', format!("{} (session {session})", self.message)),
        ];
        fields.extend(self.detail.clone().map(|detail| (b'D', detail)));
        fields.extend(self.hint.clone().map(|hint| (b'H', hint)));
        wire::encode(&ErrorResponse::new(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_ends_with_the_session_id() {
        let id = SessionId::random();
        let bytes = Refusal::not_yours("x", &["a", "b"]).encode(id);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let expected = format!(
            "SFATAL\0VFATAL\0C3D000\0Mconnection \"x\" does not exist or is not yours (session {id})\0Hyou may open: a, b\0\0"
        );
        assert!(text.ends_with(&expected), "{text:?}");
    }

    #[test]
    fn a_hint_lists_ten_names_at_most() {
        let names = vec!["z"; 11];
        let refusal = Refusal::not_yours("x", &names);
        assert_eq!(refusal.hint.unwrap().matches('z').count(), 10);
    }
}
