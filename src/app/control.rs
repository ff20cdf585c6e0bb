//! The operations on the running proxy: what the console, the admin address and signals ask and do.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::config::{ConnId, LogLevel};
use crate::operations::{
    ActionError, ActionStatus, BanStatus, CertificateStatus, CheckedStep, ConnectionStatus, CredentialStatus,
    DrainProgress, DrainState, ErrorStatus, LimitStatus, ListenerStatus, Operations, Operator, ReferenceStatus,
    ReloadRefused, Reloaded, Rights, SessionStatus, SettingStatus, Totals, UserStatus, VersionStatus, Which,
};
use crate::session::{Live, Shared};
use crate::telemetry;

/// The parts of a running proxy that an operator's questions and actions need. `App`, the acceptor
/// and the admin addresses hold it.
pub(crate) struct Control {
    /// The parts that outlive a configuration.
    pub(super) shared: Arc<Shared>,
    /// The current configuration.
    pub(super) live: Arc<ArcSwap<Live>>,
    /// When the process started.
    pub(super) started: SystemTime,
}

impl Operations for Control {
    fn version(&self) -> VersionStatus {
        VersionStatus { version: env!("CARGO_PKG_VERSION"), started: self.started, config_hash: String::new() }
    }

    fn sessions(&self) -> Vec<SessionStatus> {
        Vec::new()
    }

    fn connections(&self) -> Vec<ConnectionStatus> {
        Vec::new()
    }

    fn users(&self) -> Vec<UserStatus> {
        Vec::new()
    }

    fn credentials(&self) -> Vec<CredentialStatus> {
        Vec::new()
    }

    fn totals(&self) -> Totals {
        Totals::default()
    }

    fn settings(&self) -> Vec<SettingStatus> {
        Vec::new()
    }

    fn bans(&self) -> Vec<BanStatus> {
        let bans = self.shared.bans.list(&self.live.load().limits.bans);
        bans.into_iter()
            .map(|ban| BanStatus { address: ban.address, user: ban.user, left: ban.left })
            .collect()
    }

    fn limits(&self) -> Vec<LimitStatus> {
        Vec::new()
    }

    fn listeners(&self) -> Vec<ListenerStatus> {
        Vec::new()
    }

    fn references(&self) -> Vec<ReferenceStatus> {
        Vec::new()
    }

    fn certificates(&self) -> Vec<CertificateStatus> {
        Vec::new()
    }

    fn errors(&self, _of: Option<&str>) -> Vec<ErrorStatus> {
        Vec::new()
    }

    fn actions(&self) -> Vec<ActionStatus> {
        Vec::new()
    }

    fn drain_progress(&self) -> DrainProgress {
        DrainProgress { state: DrainState::Serving, sessions: self.shared.caps.sessions(), busy: 0, left: None }
    }

    fn console_rights(&self, _user: &str, _from: IpAddr) -> Option<Rights> {
        None
    }

    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    fn readiness(&self) -> Result<(), String> {
        Ok(())
    }

    fn reload(&self, _by: Operator) -> BoxFuture<'_, Result<Reloaded, ReloadRefused>> {
        let problems = vec!["reload is not yet supported".to_owned()];
        std::future::ready(Err(ReloadRefused { problems })).boxed()
    }

    fn drain(&self, _by: Operator) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }

    fn shutdown(&self, _by: Operator) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }

    fn kill(&self, _by: Operator, _which: &Which) -> usize {
        0
    }

    fn set_enabled(&self, _by: Operator, conn_id: &ConnId, _enabled: bool) -> Result<(), ActionError> {
        Err(ActionError::NoSuchConnection(conn_id.clone()))
    }

    fn check<'a>(&'a self, _by: Operator, conn_id: &'a ConnId) -> BoxFuture<'a, Result<Vec<CheckedStep>, ActionError>> {
        std::future::ready(Err(ActionError::NoSuchConnection(conn_id.clone()))).boxed()
    }

    fn refresh(&self, _by: Operator, conn_id: &ConnId) -> Result<usize, ActionError> {
        Err(ActionError::NoSuchConnection(conn_id.clone()))
    }

    fn unban(&self, _by: Operator, address: IpAddr) -> usize {
        self.shared
            .bans
            .lift(&self.live.load().limits.bans, address)
    }

    fn set_log_level(&self, _by: Operator, level: LogLevel) {
        telemetry::set_level(level);
    }
}
