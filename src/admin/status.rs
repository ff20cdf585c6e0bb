//! What `/status.json` tells: all answers of the running proxy, in lists of bounded length.
//! `docs/admin.md` describes each member.

use std::time::SystemTime;

use super::json::{Members, ToJson, object};
use crate::operations::{
    ActionStatus, BanStatus, CertificateStatus, ConnectionStatus, CredentialStatus, DrainProgress, DrainState,
    ErrorStatus, LimitStatus, ListenerStatus, Operations, ReferenceStatus, ReloadRefused, Reloaded, RestartKey,
    SessionState, SessionStatus, SettingStatus, Totals, UserStatus, VersionStatus,
};

/// The most entries of a list.
const MAX_ENTRIES: usize = 10_000;

/// The most errors.
const MAX_ERRORS: usize = 100;

/// All answers of the running proxy.
pub(super) struct Status {
    version: VersionStatus,
    health: String,
    readiness: String,
    drain: DrainProgress,
    totals: Totals,
    limits: Vec<LimitStatus>,
    listeners: Vec<ListenerStatus>,
    certificates: Vec<CertificateStatus>,
    sessions: Bounded<SessionStatus>,
    connections: Bounded<ConnectionStatus>,
    users: Bounded<UserStatus>,
    credentials: Bounded<CredentialStatus>,
    bans: Bounded<BanStatus>,
    references: Bounded<ReferenceStatus>,
    errors: Vec<ErrorStatus>,
    actions: Vec<ActionStatus>,
    settings: Vec<SettingStatus>,
}

/// The beginning of a list, and how many entries the whole has.
struct Bounded<T> {
    total: usize,
    entries: Vec<T>,
}

impl Status {
    /// Asks for everything. It may take a while where there are many sessions.
    pub(super) fn of(operations: &dyn Operations) -> Self {
        let told = |probed: Result<(), String>| probed.err().unwrap_or_else(|| "ok".to_owned());
        let mut errors = operations.errors(None);
        errors.truncate(MAX_ERRORS);
        Self {
            version: operations.version(),
            health: told(operations.health()),
            readiness: told(operations.readiness()),
            drain: operations.drain_progress(),
            totals: operations.totals(),
            limits: operations.limits(),
            listeners: operations.listeners(),
            certificates: operations.certificates(),
            sessions: bounded(operations.sessions()),
            connections: bounded(operations.connections()),
            users: bounded(operations.users()),
            credentials: bounded(operations.credentials()),
            bans: bounded(operations.bans()),
            references: bounded(operations.references()),
            errors,
            actions: operations.actions(),
            settings: operations.settings(),
        }
    }
}

fn bounded<T>(mut entries: Vec<T>) -> Bounded<T> {
    let total = entries.len();
    entries.truncate(MAX_ENTRIES);
    Bounded { total, entries }
}

impl ToJson for Status {
    fn write(&self, out: &mut String) {
        let mut members = Members::of(out);
        members.add("version", &self.version);
        members.add("health", &self.health);
        members.add("readiness", &self.readiness);
        members.add("drain", &self.drain);
        members.add("totals", &self.totals);
        members.add("limits", &self.limits);
        members.add("listeners", &self.listeners);
        members.add("certificates", &self.certificates);
        self.sessions
            .add(&mut members, "sessions_total", "sessions");
        self.connections
            .add(&mut members, "connections_total", "connections");
        self.users.add(&mut members, "users_total", "users");
        self.credentials
            .add(&mut members, "credentials_total", "credentials");
        self.bans.add(&mut members, "bans_total", "bans");
        self.references
            .add(&mut members, "references_total", "references");
        members.add("errors", &self.errors);
        members.add("actions", &self.actions);
        members.add("settings", &self.settings);
        members.end();
    }
}

impl<T: ToJson> Bounded<T> {
    fn add(&self, members: &mut Members<'_>, total: &str, entries: &str) {
        members.add(total, &self.total);
        members.add(entries, &self.entries);
    }
}

object!(VersionStatus { version, started, config_hash });
object!(SessionStatus {
    id,
    state,
    user,
    conn_id,
    client,
    listener,
    tls,
    application_name,
    db_user,
    database,
    warehouse,
    warehouse_local,
    warehouse_tls,
    warehouse_connected,
    host,
    upstream_pid,
    warehouse_session_id,
    connected,
    ready,
    waiting => "waiting_seconds",
    last_traffic,
    bytes_up,
    bytes_down,
});
object!(ConnectionStatus {
    conn_id,
    origin,
    kind => "type",
    description,
    enabled,
    disabled_by_operator,
    host,
    port,
    database,
    identity,
    sessions,
    max_sessions,
    last_login,
    last_error,
});
object!(UserStatus {
    name,
    enabled,
    auth,
    groups,
    connections,
    password_expires,
    is_read => "read",
    sessions,
    max_sessions,
});
object!(CredentialStatus {
    origin => "source",
    name,
    user,
    conn_ids,
    role,
    expires,
    is_held => "held",
    is_in_flight => "in_flight",
    waiters,
    last_error,
});
object!(Totals { accepted, logins, refusals, ended, cancels, bytes_up, bytes_down, aws_calls, aws_errors });
object!(SettingStatus { key, value, default, reloads, at_restart, in_file });
object!(BanStatus { address, user, left => "left_seconds" });
object!(LimitStatus { name, used, limit });
object!(ListenerStatus { address, serves, conn_id, connections });
object!(ReferenceStatus { key, reference, last_read, last_error, errors });
object!(CertificateStatus { which, subject, expires });
object!(ErrorStatus { at, session, client, user, conn_id, sqlstate, cause });
object!(ActionStatus { at, by, from, action, outcome });
object!(DrainProgress { state, sessions, busy, left => "left_seconds" });
object!(Reloaded { hash_before, hash, changed, needs_restart, ended, warnings });
object!(RestartKey { key, old, new });
object!(ReloadRefused { problems });

impl ToJson for SessionState {
    fn write(&self, out: &mut String) {
        let word = match self {
            Self::Login => "login",
            Self::Credential => "credential",
            Self::Connect => "connect",
            Self::Active => "active",
            Self::Transaction => "transaction",
            Self::Idle => "idle",
            Self::Console => "console",
        };
        word.write(out);
    }
}

impl ToJson for DrainState {
    fn write(&self, out: &mut String) {
        let word = match self {
            Self::Serving => "serving",
            Self::Delaying => "delaying",
            Self::Draining => "draining",
            Self::Drained => "drained",
        };
        word.write(out);
    }
}

/// An error and its time.
impl ToJson for (SystemTime, String) {
    fn write(&self, out: &mut String) {
        let (at, error) = self;
        let mut members = Members::of(out);
        members.add("at", at);
        members.add("error", error);
        members.end();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::operations::fake::Fake;

    const HOSTILE: &str = "a\"b\\c\n\u{1b}[2J\u{9b}31m\u{202e}</script>";

    #[test]
    fn hostile_texts_are_told_without_harm() {
        let text = Status::of(&Fake::of(HOSTILE)).to_json();
        assert!(
            !text
                .trim_end()
                .chars()
                .any(|c| c.is_control() || c == '\u{202e}'),
            "{text:?}"
        );
        let status: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(status["sessions"][0]["user"], HOSTILE);
        assert_eq!(status["errors"][0]["cause"], HOSTILE);
        assert_eq!(status["readiness"], HOSTILE);
        assert_eq!((&status["health"], &status["sessions_total"]), (&"ok".into(), &2.into()));
        assert_eq!(status["sessions"][0]["connected"], "2001-09-09T01:46:40.000Z");
        assert_eq!(status["drain"]["left_seconds"], 20);
    }

    /// Each list and each member of its entries, as `docs/admin.md` lists them.
    #[test]
    fn every_member_is_described() {
        let status = serde_json::from_str(&Status::of(&Fake::of("x")).to_json()).unwrap();
        let Value::Object(members) = &status else { panic!("{status}") };
        let page = include_str!("../../docs/admin.md");
        let page: Vec<_> = page
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        for (name, value) in members {
            let line = page
                .iter()
                .find(|line| line.starts_with(&format!("| `{name}` |")))
                .unwrap_or_else(|| panic!("docs/admin.md has no row for {name}"));
            let entry = match value {
                Value::Array(entries) => entries
                    .first()
                    .unwrap_or_else(|| panic!("the fake has no {name}")),
                value => value,
            };
            let Value::Object(of_entry) = entry else { continue };
            for member in of_entry.keys() {
                assert!(line.contains(&format!("`{member}`")), "docs/admin.md: {name} has {member}");
            }
        }
    }
}
