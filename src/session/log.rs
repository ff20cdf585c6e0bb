//! The session's events: `login refused`, `session started`, `session ended`.
//!
//! Text that comes from the client is passed on as a field, which every format escapes; a user name
//! that matches no entry is only hashed, since people type passwords there.

use std::io::ErrorKind;
use std::net::IpAddr;

use tokio::time::Instant;
use tracing::{Level, debug, error, info, warn};

use super::error::SessionError;
use crate::cancel::Cancelled;
use crate::client_auth::AuthError;
use crate::config::ConnId;
use crate::fault::{Fault, Kind, chain};
use crate::relay::{End, RelayError, Relayed};
use crate::session_id::SessionId;
use crate::startup::StartupError;
use crate::startup::request::StartupParams;
use crate::telemetry::{LineKind, Repeats, Verdict};
use crate::upstream::UpstreamConn;
use crate::wire::WireError;

/// Longest text of a client's that is logged, in characters.
const MAX_TEXT: usize = 250;

/// What is known of a session so far.
pub(super) struct Facts {
    session: SessionId,
    client: IpAddr,
    client_addr: String,
    accepted: Instant,
    started: Instant,
    user: String,
    conn_id: Option<ConnId>,
    db_user: String,
    application_name: String,
    /// Its startup message is like a health check's.
    is_of_health_check: bool,
    upstream_pid: u32,
    warehouse_session_id: String,
}

/// One event with everything that is known of the session, and then some.
macro_rules! event {
    ($level:ident, $facts:expr, $message:literal $(, $field:ident)*) => {
        $level!(
            session = $facts.session.as_str(),
            client_addr = $facts.client_addr.as_str(),
            user = $facts.user.as_str(),
            conn_id = $facts.conn_id.as_ref().map_or("", ConnId::as_str),
            db_user = $facts.db_user.as_str(),
            application_name = $facts.application_name.as_str(),
            upstream_pid = $facts.upstream_pid,
            warehouse_session_id = $facts.warehouse_session_id.as_str(),
            $($field,)*
            $message
        )
    };
}

impl Facts {
    /// A connection just accepted, from this address as far as is known.
    pub(super) fn new(session: SessionId, address: IpAddr) -> Self {
        let (now, client) = (Instant::now(), address.to_canonical());
        Self {
            session,
            client,
            client_addr: client.to_string(),
            accepted: now,
            started: now,
            user: String::new(),
            conn_id: None,
            db_user: String::new(),
            application_name: String::new(),
            is_of_health_check: false,
            upstream_pid: 0,
            warehouse_session_id: String::new(),
        }
    }

    /// Where it really is: a balancer has said so.
    pub(super) fn comes_from(&mut self, address: IpAddr) {
        if self.client != address {
            self.client = address;
            self.client_addr = address.to_string();
        }
    }

    /// Where the client is.
    pub(super) fn client_addr(&self) -> IpAddr {
        self.client
    }

    /// A client that has not proven anything yet. `known_as`: what is not a user's name is not to
    /// be read here.
    pub(super) fn asked(&mut self, known_as: &str, startup: &StartupParams) {
        known_as.clone_into(&mut self.user);
        self.application_name = startup
            .get("application_name")
            .unwrap_or_default()
            .chars()
            .take(MAX_TEXT)
            .collect();
        self.is_of_health_check = startup.is_of_health_check();
    }

    /// Whose facts these are.
    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    /// The name is a user's: it may have been unknown until a certificate in it was shown.
    pub(super) fn proved(&mut self, user: &str) {
        user.clone_into(&mut self.user);
    }

    pub(super) fn opens(&mut self, conn_id: &ConnId) {
        self.conn_id = Some(conn_id.clone());
    }

    pub(super) fn logs_in_as(&mut self, db_user: &str) {
        db_user.clone_into(&mut self.db_user);
    }

    /// `login refused`, at the level of who must act; what is no login at all is nobody's business.
    /// Of many that are refused alike, one line a second is above `debug`.
    pub(super) fn refused(&mut self, error: &SessionError, repeats: &Repeats) {
        if let Some(conn_id) = error.conn_id() {
            self.opens(conn_id);
        }
        let reason = chain(error);
        let reason = reason.as_str();
        let level = match error.kind() {
            Kind::Client if is_departure(error) || self.is_health_check(error) => Level::DEBUG,
            Kind::Client => Level::INFO,
            Kind::Operator | Kind::Unavailable => Level::WARN,
            Kind::Internal => Level::ERROR,
        };
        let verdict = match level {
            Level::DEBUG => Verdict::LeaveOut,
            _ => repeats.judge(self.kind(level, "login refused", error.class())),
        };
        match (level, verdict) {
            (_, Verdict::LeaveOut) => event!(debug, self, "login refused", reason),
            (Level::ERROR, Verdict::Write(left_out)) => event!(error, self, "login refused", reason, left_out),
            (Level::WARN, Verdict::Write(left_out)) => event!(warn, self, "login refused", reason, left_out),
            (_, Verdict::Write(left_out)) => event!(info, self, "login refused", reason, left_out),
        }
    }

    fn kind(&self, level: Level, event: &'static str, class: &'static str) -> LineKind {
        LineKind { level, event, class, client: Some(self.client), conn_id: self.conn_id.clone() }
    }

    /// HAProxy's `pgsql-check` in clear. A client of a person's that looks the same reads the
    /// refusal itself.
    fn is_health_check(&self, error: &SessionError) -> bool {
        matches!(error, SessionError::TlsRequired) && self.is_of_health_check
    }

    /// `session started`.
    pub(super) fn started(&mut self, upstream: &UpstreamConn) {
        self.started = Instant::now();
        self.upstream_pid = upstream.pid();
        self.warehouse_session_id = upstream.session_id.clone().unwrap_or_default();
        let login_ms = millis(self.accepted);
        event!(info, self, "session started", login_ms);
    }

    /// `session ended`, at the level of who must act.
    pub(super) fn ended(&self, relayed: &Relayed) {
        let end = match (relayed.end, &relayed.error) {
            (_, Some(_)) => "error",
            (End::Client, None) => "client",
            (End::Upstream, None) => "upstream",
            (End::Drain, None) => "drain",
            (End::Lifetime, None) => "lifetime",
            (End::Idle, None) => "idle",
        };
        let error = relayed
            .error
            .as_ref()
            .map(|error| chain(error))
            .unwrap_or_default();
        let error = error.as_str();
        let (bytes_up, bytes_down) = (relayed.bytes_up, relayed.bytes_down);
        let duration_ms = millis(self.started);
        match relayed.error {
            Some(RelayError::Upstream(_)) => {
                event!(warn, self, "session ended", bytes_up, bytes_down, duration_ms, end, error);
            }
            Some(RelayError::Client(_)) | None => {
                event!(info, self, "session ended", bytes_up, bytes_down, duration_ms, end, error);
            }
        }
    }
}

/// What became of a CancelRequest. A stranger's guesses do not fill the log, nor do requests with a
/// right key.
pub(super) fn cancelled(facts: &Facts, pid: u32, outcome: &Cancelled, repeats: &Repeats) {
    let client_addr = facts.client_addr.as_str();
    let judge = |level, event| repeats.judge(facts.kind(level, event, ""));
    macro_rules! event {
        ($level:ident, $session:ident, $message:literal $(, $field:ident)*) => {
            $level!(session = $session.as_str(), client_addr, upstream_pid = pid, $($field,)* $message)
        };
    }
    match outcome {
        Cancelled::Forwarded(session) => match judge(Level::INFO, "cancel forwarded") {
            Verdict::Write(left_out) => event!(info, session, "cancel forwarded", left_out),
            Verdict::LeaveOut => event!(debug, session, "cancel forwarded"),
        },
        Cancelled::Already(session) => event!(debug, session, "cancel already under way"),
        Cancelled::Failed(session, error) => {
            let error = chain(error);
            let error = error.as_str();
            match judge(Level::WARN, "cancel failed") {
                Verdict::Write(left_out) => event!(warn, session, "cancel failed", error, left_out),
                Verdict::LeaveOut => event!(debug, session, "cancel failed", error),
            }
        }
        Cancelled::TooLate => debug!(client_addr, upstream_pid = pid, outcome = "late", "cancel ignored"),
        Cancelled::Unknown => debug!(client_addr, upstream_pid = pid, outcome = "unknown", "cancel ignored"),
        Cancelled::Missed => debug!(client_addr, upstream_pid = pid, outcome = "missed", "cancel ignored"),
        Cancelled::Limited => {
            let reason = "more than 20 wrong keys a minute for the pid of a live session: somebody may be guessing";
            match judge(Level::WARN, "cancel limited") {
                Verdict::Write(left_out) => warn!(client_addr, upstream_pid = pid, reason, left_out, "cancel limited"),
                Verdict::LeaveOut => debug!(client_addr, upstream_pid = pid, reason, "cancel limited"),
            }
        }
    }
}

/// A client that left of itself: psql does, to ask for the password; a health check does at once,
/// by a reset at times.
fn is_departure(error: &SessionError) -> bool {
    match error {
        SessionError::Startup(StartupError::Wire(error)) | SessionError::Auth(AuthError::Wire(error)) => {
            matches!(error, WireError::Closed | WireError::Io(_))
        }
        // Gone behind the answer to its SSLRequest.
        SessionError::Startup(StartupError::Tls(error)) => matches!(
            error.kind(),
            ErrorKind::UnexpectedEof
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::NotConnected
        ),
        // Made room: that there is none is told once for all of them.
        SessionError::CrowdedOut => true,
        _ => false,
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
