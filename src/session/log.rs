//! The session's lines in the log: `login refused`, `session started`, `session ended` and others,
//! each made of one event and the facts of then.
//!
//! Text that comes from the client is passed on as a field, which every format escapes; a user name
//! that matches no entry is only hashed, since people type passwords there.

use std::io;
use std::time::Duration;

use tokio::time::Instant;
use tracing::Level;

use super::error::SessionError;
use super::event::{CancelCause, Event};
use super::facts::Facts;
use super::timings::LoginStage;
use crate::address::network;
use crate::cancel::Cancelled;
use crate::config::ConnId;
use crate::fault::{Fault, Kind, chain};
use crate::relay::{End, Relayed};
use crate::session_id::SessionId;
use crate::telemetry::{LineKind, Repeats, Verdict};

/// The cause of a session's end that the warehouse has made, between two messages.
pub(super) const WAREHOUSE_CLOSED: &str = "the warehouse closed the connection";

/// Writes the line that an event makes, if it makes one. `facts` copies what is known of the
/// session now; `repeats` decides which lines of unproven clients are left out.
pub(super) fn write(id: SessionId, facts: impl Fn() -> Facts, event: &Event<'_>, repeats: &Repeats) {
    match event {
        Event::Accepted
        | Event::Located { .. }
        | Event::Asked { .. }
        | Event::Proved { .. }
        | Event::Permitted(_)
        | Event::CredentialAwaited
        | Event::Dialled { .. }
        | Event::Dial(_) => {}
        Event::Admitted => {
            let facts = facts();
            let (user, conn_id) = (Some(&*facts.user), Some(facts.conn_id()));
            Line { user, conn_id, ..Line::default() }.write(Level::DEBUG, "opening");
        }
        Event::CredentialRefused(error) => {
            let error = chain(*error);
            Line { error: Some(&error), ..Line::default() }
                .write(Level::DEBUG, "a login was refused: fetching another one");
        }
        Event::WarehouseMoved(error) => {
            let error = chain(*error);
            Line { error: Some(&error), ..Line::default() }
                .write(Level::DEBUG, "the warehouse is not where AWS said: asking again");
        }
        Event::Started(_) | Event::ConsoleOpened => {
            let facts = facts();
            with_all(id, &facts, |line| line.timed(&facts).write(Level::INFO, "session started"));
        }
        Event::Refused(error) => refused(id, &facts(), error, repeats),
        Event::Ended(relayed) => ended(id, &facts(), relayed),
        Event::Cancelled { cause, pid, outcome } => cancelled(&facts(), *cause, (*pid, outcome), repeats),
        Event::Lost(error) => lost(&facts(), error, repeats),
        Event::Panicked => panicked(id, &facts(), repeats),
    }
}

/// `login refused`, at the level of who must act. A departure or a health check concerns nobody:
/// `debug`. Of many refusals of one kind, one line a second is above `debug`.
fn refused(id: SessionId, facts: &Facts, error: &SessionError, repeats: &Repeats) {
    const EVENT: &str = "login refused";
    let reason = chain(error);
    let level = match error.kind() {
        Kind::Client if concerns_nobody(facts, error) => Level::DEBUG,
        Kind::Client => Level::INFO,
        Kind::Operator | Kind::Unavailable => Level::WARN,
        Kind::Internal => Level::ERROR,
    };
    let (level, left_out) = match level {
        Level::DEBUG => (level, None),
        _ => judged(repeats, facts.line_kind(level, EVENT, error.class())),
    };
    let client_net = network(facts.client);
    with_all(id, facts, |line| {
        let (class, client_net) = (Some(error.class()), client_net.as_deref());
        Line { client_net, class, reason: Some(&reason), left_out, ..line.timed(facts) }.write(level, EVENT);
    });
}

/// `session ended`, at the level of who must act.
fn ended(id: SessionId, facts: &Facts, relayed: &Relayed) {
    let end = match (relayed.end, &relayed.error) {
        (_, Some(_)) => "error",
        (End::Client, None) => "client",
        (End::Upstream, None) => "upstream",
        (End::Drain, None) => "drain",
        (End::Killed, None) => "killed",
        (End::Revoked, None) => "revoked",
        (End::Lifetime, None) => "lifetime",
        (End::Idle, None) => "idle",
    };
    let error = match (&relayed.error, relayed.end) {
        (Some(error), _) => chain(error),
        (None, End::Upstream) => WAREHOUSE_CLOSED.to_owned(),
        (None, _) => String::new(),
    };
    // The client had not ended the session, nor had the proxy.
    let level = if relayed.end == End::Upstream { Level::WARN } else { Level::INFO };
    let (bytes_up, bytes_down) = (Some(relayed.bytes_up), Some(relayed.bytes_down));
    let duration_ms = facts.stage.ready_since().map(millis);
    with_all(id, facts, |line| {
        Line { bytes_up, bytes_down, duration_ms, end: Some(end), error: Some(&error), ..line }
            .write(level, "session ended");
    });
}

/// What became of a CancelRequest. The guesses of unproven clients do not fill the log, nor do
/// requests with a right key. `session` is the one that was to be cancelled, if it is known.
fn cancelled(facts: &Facts, cause: CancelCause, (pid, outcome): (u32, &Cancelled), repeats: &Repeats) {
    let client_addr = facts.client.to_string();
    let reason = (cause == CancelCause::Abandoned).then_some("its session has ended");
    let line = Line { client_addr: Some(&client_addr), upstream_pid: Some(pid), reason, ..Line::default() };
    let judge = |level, event| judged(repeats, facts.line_kind(level, event, ""));
    let ignored = |outcome| Line { outcome: Some(outcome), ..line }.write(Level::DEBUG, "cancel ignored");
    match outcome {
        Cancelled::Forwarded(session) => {
            let (level, left_out) = judge(Level::INFO, "cancel forwarded");
            Line { session: Some(session.as_str()), left_out, ..line }.write(level, "cancel forwarded");
        }
        Cancelled::Already(session) => {
            Line { session: Some(session.as_str()), ..line }.write(Level::DEBUG, "cancel already under way");
        }
        Cancelled::Failed(session, error) => {
            let error = chain(error);
            let (level, left_out) = judge(Level::WARN, "cancel failed");
            Line { session: Some(session.as_str()), error: Some(&error), left_out, ..line }
                .write(level, "cancel failed");
        }
        Cancelled::TooLate => ignored("late"),
        Cancelled::Unknown => ignored("unknown"),
        Cancelled::Missed => ignored("missed"),
        Cancelled::CutOff => ignored("cut off"),
        Cancelled::Crowded(session) => {
            let reason = "too many queries without a client were being cancelled: the warehouse may run it to its end";
            let (level, left_out) = judge(Level::WARN, "cancel dropped");
            Line { session: Some(session.as_str()), reason: Some(reason), left_out, ..line }
                .write(level, "cancel dropped");
        }
        Cancelled::Limited => {
            let reason = "more than 20 wrong keys a minute for the pid of a live session: somebody may be guessing";
            let (level, left_out) = judge(Level::WARN, "cancel limited");
            Line { reason: Some(reason), left_out, ..line }.write(level, "cancel limited");
        }
    }
}

/// `a connection was lost`: it was accepted, and its socket could not be used.
fn lost(facts: &Facts, error: &io::Error, repeats: &Repeats) {
    const EVENT: &str = "a connection was lost";
    let (client_addr, error) = (facts.client.to_string(), error.to_string());
    if let Verdict::Write(left_out) = repeats.judge(facts.line_kind(Level::WARN, EVENT, "")) {
        Line { client_addr: Some(&client_addr), error: Some(&error), left_out, ..Line::default() }
            .write(Level::WARN, EVENT);
    }
}

fn panicked(id: SessionId, facts: &Facts, repeats: &Repeats) {
    const EVENT: &str = "internal error: a session panicked";
    let client_addr = facts.client.to_string();
    let kind = LineKind { conn_id: None, is_proven: false, ..facts.line_kind(Level::ERROR, EVENT, "") };
    if let Verdict::Write(left_out) = repeats.judge(kind) {
        Line { session: Some(id.as_str()), client_addr: Some(&client_addr), left_out, ..Line::default() }
            .write(Level::ERROR, EVENT);
    }
}

/// The level that a line gets and how many of its kind were left out before it: one that is left
/// out itself is still written at `debug`.
fn judged(repeats: &Repeats, kind: LineKind) -> (Level, Option<u64>) {
    let level = kind.level;
    match repeats.judge(kind) {
        Verdict::Write(left_out) => (level, left_out),
        Verdict::LeaveOut => (Level::DEBUG, None),
    }
}

/// Whether a client left by itself, or is a health check: nobody looks for such a refusal. Somebody
/// may, where a client that is logged in has not waited for its warehouse.
pub(super) fn concerns_nobody(facts: &Facts, error: &SessionError) -> bool {
    (error.is_departure() && facts.conn_id.is_none()) || is_health_check(facts, error)
}

/// Whether HAProxy's `pgsql-check` was refused in clear. A person's client that looks the same
/// reads the refusal itself.
fn is_health_check(facts: &Facts, error: &SessionError) -> bool {
    matches!(error, SessionError::TlsRequired) && facts.is_of_health_check
}

fn millis(since: Instant) -> u64 {
    in_millis(since.elapsed())
}

fn in_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Facts {
    fn conn_id(&self) -> &str {
        self.conn_id.as_ref().map_or("", ConnId::as_str)
    }

    fn line_kind(&self, level: Level, event: &'static str, class: &'static str) -> LineKind {
        LineKind {
            level,
            event,
            class,
            client: Some(self.client),
            conn_id: self.conn_id.clone(),
            is_proven: self.is_proven,
        }
    }
}

/// Gives `write` a line with everything that is known of the session.
fn with_all(id: SessionId, facts: &Facts, write: impl FnOnce(Line<'_>)) {
    let client_addr = facts.client.to_string();
    write(Line {
        session: Some(id.as_str()),
        client_addr: Some(&client_addr),
        user: Some(&facts.user),
        conn_id: Some(facts.conn_id()),
        db_user: Some(&facts.db_user),
        application_name: Some(&facts.application_name),
        upstream_pid: Some(facts.upstream_pid),
        warehouse_session_id: Some(&facts.warehouse_session_id),
        ..Line::default()
    });
}

/// The fields of a line, in the order in which they are written. A field without a value is left
/// out.
#[derive(Clone, Copy, Default)]
struct Line<'a> {
    session: Option<&'a str>,
    client_addr: Option<&'a str>,
    client_net: Option<&'a str>,
    class: Option<&'a str>,
    user: Option<&'a str>,
    conn_id: Option<&'a str>,
    db_user: Option<&'a str>,
    application_name: Option<&'a str>,
    upstream_pid: Option<u32>,
    warehouse_session_id: Option<&'a str>,
    login_ms: Option<u64>,
    client_auth_ms: Option<u64>,
    credentials_ms: Option<u64>,
    connect_ms: Option<u64>,
    tls_ms: Option<u64>,
    upstream_auth_ms: Option<u64>,
    wait_ms: Option<u64>,
    attempts: Option<u32>,
    bytes_up: Option<u64>,
    bytes_down: Option<u64>,
    duration_ms: Option<u64>,
    end: Option<&'a str>,
    outcome: Option<&'a str>,
    reason: Option<&'a str>,
    error: Option<&'a str>,
    left_out: Option<u64>,
}

impl Line<'_> {
    /// The line with the times of the login, which has come to its end now.
    fn timed(self, facts: &Facts) -> Self {
        let timings = &facts.timings;
        let of = |stage| timings.of(stage).map(in_millis);
        Self {
            login_ms: Some(millis(facts.accepted)),
            client_auth_ms: of(LoginStage::ClientAuth),
            credentials_ms: of(LoginStage::Credentials),
            connect_ms: of(LoginStage::Connect),
            tls_ms: of(LoginStage::Tls),
            upstream_auth_ms: of(LoginStage::UpstreamAuth),
            wait_ms: timings.wait().map(in_millis),
            attempts: Some(timings.attempts()),
            ..self
        }
    }

    /// Writes the line of the event of this name.
    fn write(self, level: Level, event: &str) {
        // tracing wants the level, and the names of the fields, where it is compiled.
        macro_rules! at {
            ($level:ident) => {
                tracing::$level!(
                    session = self.session,
                    client_addr = self.client_addr,
                    client_net = self.client_net,
                    class = self.class,
                    user = self.user,
                    conn_id = self.conn_id,
                    db_user = self.db_user,
                    application_name = self.application_name,
                    upstream_pid = self.upstream_pid,
                    warehouse_session_id = self.warehouse_session_id,
                    login_ms = self.login_ms,
                    client_auth_ms = self.client_auth_ms,
                    credentials_ms = self.credentials_ms,
                    connect_ms = self.connect_ms,
                    tls_ms = self.tls_ms,
                    upstream_auth_ms = self.upstream_auth_ms,
                    wait_ms = self.wait_ms,
                    attempts = self.attempts,
                    bytes_up = self.bytes_up,
                    bytes_down = self.bytes_down,
                    duration_ms = self.duration_ms,
                    end = self.end,
                    outcome = self.outcome,
                    reason = self.reason,
                    error = self.error,
                    left_out = self.left_out,
                    "{event}"
                )
            };
        }
        match level {
            Level::ERROR => at!(error),
            Level::WARN => at!(warn),
            Level::INFO => at!(info),
            _ => at!(debug),
        }
    }
}
