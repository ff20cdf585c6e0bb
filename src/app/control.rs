//! The operations on the running proxy: what the console, the admin address and signals ask and do.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::task::spawn_blocking;

pub(crate) use self::state::Control;
use super::drain::Asked;
use crate::config::{ConnId, LogLevel};
use crate::metrics::Format;
use crate::operations::{
    ActionError, ActionStatus, AdminAccess, BanStatus, CertificateStatus, CheckedStep, ConnectionStatus,
    CredentialStatus, DrainProgress, ErrorStatus, Exposition, LimitStatus, ListenerStatus, Operations, Operator,
    ReferenceStatus, ReloadRefused, Reloaded, Rights, SessionStatus, SettingStatus, Totals, UserStatus, VersionStatus,
    Which, count_of,
};
use crate::telemetry;

mod actions;
mod addresses;
mod certificates;
mod check;
mod checks;
mod connections;
mod credentials;
mod errors;
mod limits;
mod listeners;
mod references;
mod rights;
mod scrapes;
mod sessions;
mod settings;
mod state;
mod users;

impl Operations for Control {
    fn version(&self) -> VersionStatus {
        let config_hash = self.live.load().config.hash.clone();
        VersionStatus { version: env!("CARGO_PKG_VERSION"), started: self.started, config_hash }
    }

    fn sessions(&self) -> Vec<SessionStatus> {
        sessions::all(self)
    }

    fn connections(&self) -> Vec<ConnectionStatus> {
        connections::all(self)
    }

    fn users(&self) -> Vec<UserStatus> {
        users::all(self)
    }

    fn credentials(&self) -> Vec<CredentialStatus> {
        credentials::all(self)
    }

    fn totals(&self) -> Totals {
        self.totals_since_start()
    }

    fn metrics<'a>(&'a self, accept: Option<&'a str>) -> BoxFuture<'a, Exposition> {
        let format = Format::wanted(accept);
        async move {
            let control = self.clone();
            let written = self.scrapes.of(format).run(move || async move {
                let written = spawn_blocking(move || control.exposition(format));
                written.await.ok()
            });
            // It is lost if it panicked, or the process ends.
            let lost = || Exposition { content_type: format.content_type(), text: Bytes::new() };
            written.await.flatten().unwrap_or_else(lost)
        }
        .boxed()
    }

    fn settings(&self) -> Vec<SettingStatus> {
        let live = self.live.load_full();
        settings::all(&live.config, self.reloader.needs_restart(&live.config))
    }

    fn bans(&self) -> Vec<BanStatus> {
        let bans = self.shared.bans.list(&self.live.load().limits.bans);
        bans.into_iter()
            .map(|ban| BanStatus { address: ban.address, user: ban.user, left: ban.left })
            .collect()
    }

    fn limits(&self) -> Vec<LimitStatus> {
        limits::all(self)
    }

    fn listeners(&self) -> Vec<ListenerStatus> {
        listeners::all(self)
    }

    fn references(&self) -> Vec<ReferenceStatus> {
        references::all(self, &self.reloader.watch())
    }

    fn certificates(&self) -> Vec<CertificateStatus> {
        certificates::all(&self.live.load().tls)
    }

    fn errors(&self, of: Option<&str>) -> Vec<ErrorStatus> {
        errors::newest_first(self, of)
    }

    fn actions(&self) -> Vec<ActionStatus> {
        self.actions.newest_first()
    }

    fn drain_progress(&self) -> DrainProgress {
        self.drain.progress()
    }

    fn console_rights(&self, user: &str, from: IpAddr) -> Option<Rights> {
        rights::of(&self.live.load().config.admin, user, from)
    }

    fn admin_access(&self) -> Arc<AdminAccess> {
        Arc::clone(&self.live.load().admin)
    }

    fn health(&self) -> Result<(), String> {
        self.pulse.judge()
    }

    fn readiness(&self) -> Result<(), String> {
        self.drain.readiness()
    }

    fn reload(&self, by: Operator) -> BoxFuture<'_, Result<Reloaded, ReloadRefused>> {
        async move {
            let outcome = self.reloader.reload().await;
            let told = match &outcome {
                Ok(reloaded) => format!("{}, ended {}", reloaded.hash, count_of(reloaded.ended, "session")),
                Err(refused) => format!("refused: {}", count_of(refused.problems.len(), "problem")),
            };
            self.record_action(&by, "RELOAD".to_owned(), told);
            outcome
        }
        .boxed()
    }

    fn drain(&self, by: Operator) -> BoxFuture<'_, ()> {
        self.end_by(&by, "DRAIN", Asked::Drain)
    }

    fn shutdown(&self, by: Operator) -> BoxFuture<'_, ()> {
        self.end_by(&by, "SHUTDOWN", Asked::Shutdown)
    }

    fn kill(&self, by: Operator, which: &Which) -> usize {
        sessions::kill(self, &by, which)
    }

    fn set_enabled(&self, by: Operator, conn_id: &ConnId, enabled: bool) -> Result<(), ActionError> {
        connections::set_enabled(self, &by, conn_id, enabled)
    }

    fn check<'a>(&'a self, by: Operator, conn_id: &'a ConnId) -> BoxFuture<'a, Result<Vec<CheckedStep>, ActionError>> {
        check::run(self, by, conn_id).boxed()
    }

    fn refresh(&self, by: Operator, conn_id: &ConnId) -> Result<usize, ActionError> {
        credentials::refresh(self, &by, conn_id)
    }

    fn unban(&self, by: Operator, address: IpAddr) -> usize {
        let lifted = self
            .shared
            .bans
            .lift(&self.live.load().limits.bans, address);
        self.record_action(&by, format!("UNBAN {address}"), format!("{lifted} lifted"));
        lifted
    }

    fn set_log_level(&self, by: Operator, level: LogLevel) {
        telemetry::set_level(level);
        self.record_action(&by, format!("SET log_level = {}", level.name()), "ok".to_owned());
    }
}
