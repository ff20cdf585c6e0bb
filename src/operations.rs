//! What an operator may ask of a running proxy, and do to it: the one interface behind the console,
//! the admin address, signals and the watch of files.
//!
//! Owns the questions, the answers and who asked; how they are answered is [`app`](crate::app)'s
//! matter, and how they are shown that of [`console`](crate::console) and the admin address. No
//! answer holds a secret.

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;

pub(crate) use self::access::{AdminAccess, TokenVerdict};
pub(crate) use self::action::{
    ActionError, Channel, CheckedStep, DrainProgress, DrainState, Operator, ReloadRefused, Reloaded, RestartKey, Which,
};
pub(crate) use self::count::count_of;
pub(crate) use self::status::{
    ActionStatus, BanStatus, CertificateStatus, ConnectionStatus, ErrorStatus, LimitStatus, ListenerStatus,
    ReferenceStatus, Rights, SessionState, SessionStatus, SettingStatus, Totals, UserStatus, VersionStatus,
};
use crate::config::{ConnId, LogLevel};
pub(crate) use crate::credentials::CredentialStatus;
pub(crate) use crate::metrics::Exposition;

mod access;
mod action;
mod count;
#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod log;
mod status;

/// A running proxy, as an operator sees it. `app` implements it; each connection that may become a
/// console holds it, and so do the admin addresses and the task that waits for signals.
///
/// Questions take no lock for longer than one look or one copy takes, and may be asked from any
/// thread. Each action is logged as `admin action`, whatever comes of it.
pub(crate) trait Operations: Send + Sync + 'static {
    /// The version, and since when it has been running.
    fn version(&self) -> VersionStatus;

    /// All connections of clients, from accept to close, the oldest first.
    fn sessions(&self) -> Vec<SessionStatus>;

    /// The configuration's connections, and those of lava's table that are held, by name.
    fn connections(&self) -> Vec<ConnectionStatus>;

    /// The users with entries of their own, by name; `*` is that of all others.
    fn users(&self) -> Vec<UserStatus>;

    /// The credentials that are held or being fetched.
    fn credentials(&self) -> Vec<CredentialStatus>;

    /// The sums of all events since the start.
    fn totals(&self) -> Totals;

    /// All metrics, in the text format that a request asks for by its `Accept` header. The text is
    /// made on another thread, one at a time, and shared by all who ask meanwhile.
    fn metrics<'a>(&'a self, accept: Option<&'a str>) -> BoxFuture<'a, Exposition>;

    /// The settings in force. Values of references are not shown, only where they are.
    fn settings(&self) -> Vec<SettingStatus>;

    /// The bans in force, in the order in which they end.
    fn bans(&self) -> Vec<BanStatus>;

    /// Each limit, and how much of it is used.
    fn limits(&self) -> Vec<LimitStatus>;

    /// The addresses that are bound.
    fn listeners(&self) -> Vec<ListenerStatus>;

    /// The values that are read elsewhere, each with its last read.
    fn references(&self) -> Vec<ReferenceStatus>;

    /// The certificates, each with its end.
    fn certificates(&self) -> Vec<CertificateStatus>;

    /// The last refusals and broken sessions, the newest first; of one session where an id is
    /// given.
    fn errors(&self, of: Option<&str>) -> Vec<ErrorStatus>;

    /// The last actions of operators, the newest first.
    fn actions(&self) -> Vec<ActionStatus>;

    /// How far a drain has come.
    fn drain_progress(&self) -> DrainProgress;

    /// Whether this user may use the console from this address, and how much of it.
    fn console_rights(&self, user: &str, from: IpAddr) -> Option<Rights>;

    /// The rules of access to the admin address, by the configuration in force.
    fn admin_access(&self) -> Arc<AdminAccess>;

    /// Whether every runtime thread is alive.
    ///
    /// # Errors
    /// The reason why not, in one line.
    fn health(&self) -> Result<(), String>;

    /// Whether new clients are welcome.
    ///
    /// # Errors
    /// The reason why not, in one line.
    fn readiness(&self) -> Result<(), String>;

    /// Reads the configuration again, and puts it in force if nothing is wrong with it.
    fn reload(&self, by: Operator) -> BoxFuture<'_, Result<Reloaded, ReloadRefused>>;

    /// Begins to drain, unless a drain is under way; ends when the last session has ended. Clients
    /// that come meanwhile are refused. Cancel safe: the drain goes on.
    fn drain(&self, by: Operator) -> BoxFuture<'_, ()>;

    /// Drains, and lets the process end. Ends when the last session has ended. Cancel safe.
    fn shutdown(&self, by: Operator) -> BoxFuture<'_, ()>;

    /// Ends sessions at once, and returns how many there were.
    fn kill(&self, by: Operator, which: &Which) -> usize;

    /// Lets new logins to a connection in, or not. Survives a reload, not a restart.
    ///
    /// # Errors
    /// `NoSuchConnection`.
    fn set_enabled(&self, by: Operator, conn_id: &ConnId, enabled: bool) -> Result<(), ActionError>;

    /// Proves each step of a connection, as the command `check` does.
    fn check<'a>(&'a self, by: Operator, conn_id: &'a ConnId) -> BoxFuture<'a, Result<Vec<CheckedStep>, ActionError>>;

    /// Forgets the credentials of a connection, so that the next login fetches new ones. Returns
    /// how many there were.
    ///
    /// # Errors
    /// `NoSuchConnection`.
    fn refresh(&self, by: Operator, conn_id: &ConnId) -> Result<usize, ActionError>;

    /// Ends all bans of an address, and returns how many there were.
    fn unban(&self, by: Operator, address: IpAddr) -> usize;

    /// Sets the level of the log until the next reload.
    fn set_log_level(&self, by: Operator, level: LogLevel);
}

/// The operations of the one running proxy, shared by all who may ask for them.
pub(crate) type SharedOperations = Arc<dyn Operations>;
