//! A proxy that is not there, for tests of what operators are shown.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::*;
use crate::config::{ConnId, LogLevel};

/// A proxy in which every text that somebody else may have chosen is `text`. It notes the actions
/// that it is asked for, and does nothing.
pub(crate) struct Fake {
    /// The text of every field.
    pub(crate) text: String,
    /// The actions, in their order.
    pub(crate) actions: Mutex<Vec<String>>,
    /// How many sessions each KILL ends.
    pub(crate) kills: AtomicUsize,
    /// The threads that asked for the version.
    pub(crate) asked_by: Mutex<Vec<ThreadId>>,
}

impl Fake {
    /// A proxy whose every text is this one.
    pub(crate) fn of(text: &str) -> Self {
        let (text, kills) = (text.to_owned(), AtomicUsize::new(3));
        Self { text, actions: Mutex::default(), kills, asked_by: Mutex::default() }
    }

    fn text(&self) -> String {
        self.text.clone()
    }

    fn note(&self, action: String) {
        self.actions.lock().push(action);
    }
}

/// The token of its admin address.
pub(crate) const TOKEN: &str = "a-token-of-a-fake";

/// The text of a proxy whose reloads do not end.
pub(crate) const HANGS: &str = "hangs";

/// A moment, 2001-09-09 01:46:40 UTC.
pub(crate) fn moment() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

fn at() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 5439))
}

impl Operations for Fake {
    fn version(&self) -> VersionStatus {
        self.asked_by.lock().push(thread::current().id());
        VersionStatus { version: "0.0.0", started: moment(), config_hash: self.text() }
    }

    fn sessions(&self) -> Vec<SessionStatus> {
        let session = SessionStatus {
            id: self.text(),
            state: SessionState::Idle,
            user: self.text(),
            conn_id: self.text(),
            client: at(),
            listener: at(),
            tls: self.text(),
            application_name: self.text(),
            db_user: self.text(),
            database: self.text(),
            warehouse: Some(at()),
            warehouse_local: Some(at()),
            warehouse_tls: self.text(),
            warehouse_connected: Some(moment()),
            host: self.text(),
            upstream_pid: u32::MAX,
            warehouse_session_id: self.text(),
            connected: moment(),
            ready: Some(moment()),
            waiting: None,
            last_traffic: None,
            bytes_up: u64::MAX,
            bytes_down: 2,
        };
        let waiting = Some(Duration::from_micros(3_000_400));
        let new =
            SessionStatus { state: SessionState::Login, warehouse: None, ready: None, waiting, ..session.clone() };
        vec![session, new]
    }

    fn connections(&self) -> Vec<ConnectionStatus> {
        vec![ConnectionStatus {
            conn_id: self.text(),
            origin: "file",
            kind: "redshift",
            description: self.text(),
            enabled: true,
            disabled_by_operator: false,
            host: self.text(),
            port: 5439,
            database: self.text(),
            identity: "shared",
            sessions: 1,
            max_sessions: 2,
            last_login: None,
            last_error: Some((moment(), self.text())),
        }]
    }

    fn users(&self) -> Vec<UserStatus> {
        vec![UserStatus {
            name: self.text(),
            enabled: true,
            auth: "password",
            groups: vec![self.text(), self.text()],
            connections: vec![self.text()],
            password_expires: None,
            is_read: true,
            sessions: 1,
            max_sessions: None,
        }]
    }

    fn credentials(&self) -> Vec<CredentialStatus> {
        vec![CredentialStatus {
            origin: "serverless",
            name: self.text(),
            user: self.text(),
            conn_ids: vec![self.text(), self.text()],
            role: self.text(),
            expires: Some(moment()),
            is_held: true,
            is_in_flight: false,
            waiters: 3,
            last_error: Some(self.text()),
        }]
    }

    fn totals(&self) -> Totals {
        Totals { accepted: 7, ..Totals::default() }
    }

    fn metrics<'a>(&'a self, _accept: Option<&'a str>) -> BoxFuture<'a, Exposition> {
        let text = "# EOF\n".into();
        std::future::ready(Exposition { content_type: "application/openmetrics-text", text }).boxed()
    }

    fn settings(&self) -> Vec<SettingStatus> {
        vec![SettingStatus {
            key: self.text(),
            value: self.text(),
            default: self.text(),
            reloads: true,
            at_restart: Some(self.text()),
            in_file: Some(self.text()),
        }]
    }

    fn bans(&self) -> Vec<BanStatus> {
        vec![BanStatus { address: at().ip(), user: Some(self.text()), left: Duration::from_millis(1500) }]
    }

    fn limits(&self) -> Vec<LimitStatus> {
        vec![LimitStatus { name: "open_files", used: 1, limit: None }]
    }

    fn listeners(&self) -> Vec<ListenerStatus> {
        vec![ListenerStatus { address: at(), serves: "clients", conn_id: Some(self.text()), connections: 1 }]
    }

    fn references(&self) -> Vec<ReferenceStatus> {
        vec![ReferenceStatus {
            key: self.text(),
            reference: self.text(),
            last_read: Some(moment()),
            last_error: Some((moment(), self.text())),
            errors: 2,
        }]
    }

    fn certificates(&self) -> Vec<CertificateStatus> {
        vec![CertificateStatus { which: self.text(), subject: self.text(), expires: moment() }]
    }

    fn errors(&self, of: Option<&str>) -> Vec<ErrorStatus> {
        if of.is_some_and(|id| id != self.text) {
            return Vec::new();
        }
        vec![ErrorStatus {
            at: moment(),
            session: self.text(),
            client: at().ip(),
            user: self.text(),
            conn_id: self.text(),
            sqlstate: self.text(),
            cause: self.text(),
        }]
    }

    fn actions(&self) -> Vec<ActionStatus> {
        vec![ActionStatus {
            at: moment(),
            by: self.text(),
            from: Some(at().ip()),
            action: self.text(),
            outcome: self.text(),
        }]
    }

    fn drain_progress(&self) -> DrainProgress {
        DrainProgress { state: DrainState::Draining, sessions: 3, busy: 1, left: Some(Duration::from_secs(20)) }
    }

    fn console_rights(&self, _user: &str, _from: IpAddr) -> Option<Rights> {
        Some(Rights::All)
    }

    fn admin_access(&self) -> Arc<AdminAccess> {
        Arc::new(AdminAccess::with_token(TOKEN))
    }

    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    fn readiness(&self) -> Result<(), String> {
        Err(self.text())
    }

    fn reload(&self, _by: Operator) -> BoxFuture<'_, Result<Reloaded, ReloadRefused>> {
        self.note("RELOAD".to_owned());
        if self.text == HANGS {
            return std::future::pending().boxed();
        }
        let problems = vec!["p:1: k: one".to_owned(), "p:2: k: other".to_owned()];
        std::future::ready(Err(ReloadRefused { problems })).boxed()
    }

    fn drain(&self, _by: Operator) -> BoxFuture<'_, ()> {
        self.note("DRAIN".to_owned());
        std::future::pending().boxed()
    }

    fn shutdown(&self, _by: Operator) -> BoxFuture<'_, ()> {
        self.note("SHUTDOWN".to_owned());
        std::future::pending().boxed()
    }

    fn kill(&self, _by: Operator, which: &Which) -> usize {
        self.note(format!("KILL {which:?}"));
        self.kills.load(Ordering::Relaxed)
    }

    fn set_enabled(&self, _by: Operator, conn_id: &ConnId, enabled: bool) -> Result<(), ActionError> {
        self.note(format!("{enabled} {conn_id}"));
        match conn_id.as_str() {
            "sales" => Ok(()),
            _ => Err(ActionError::NoSuchConnection(conn_id.clone())),
        }
    }

    fn check<'a>(&'a self, _by: Operator, conn_id: &'a ConnId) -> BoxFuture<'a, Result<Vec<CheckedStep>, ActionError>> {
        self.note(format!("CHECK {conn_id}"));
        let step = self.text();
        let took = Duration::from_millis(12);
        std::future::ready(Ok(vec![CheckedStep { step, is_ok: true, took, detail: self.text() }])).boxed()
    }

    fn refresh(&self, _by: Operator, conn_id: &ConnId) -> Result<usize, ActionError> {
        self.note(format!("REFRESH {conn_id}"));
        Ok(2)
    }

    fn unban(&self, _by: Operator, address: IpAddr) -> usize {
        self.note(format!("UNBAN {address}"));
        1
    }

    fn set_log_level(&self, _by: Operator, level: LogLevel) {
        self.note(format!("SET {}", level.name()));
    }
}
