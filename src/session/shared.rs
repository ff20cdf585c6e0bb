//! The live parts that stay when the configuration is swapped.

use std::sync::Arc;

use aws_lc_rs::hmac;

use super::errors::Errors;
use super::outcomes::Outcomes;
use super::registry::Sessions;
use crate::cancel::CancelKeys;
use crate::console::Tables;
use crate::limits::bans::Bans;
use crate::limits::caps::Caps;
use crate::limits::handshakes::Handshakes;
use crate::metrics::Metrics;
use crate::spec::Disabled;
use crate::telemetry::Repeats;
use crate::upstream::Paths;

/// The parts that are made once and live as long as the process: what they remember stays when the
/// configuration is swapped. Limits are not here but in [`Live`](super::Live), and come with each
/// call.
///
/// `App`, the acceptor and every session hold it. No field is ever replaced; each guards its own
/// state, with locks that are held for a few lines.
pub(crate) struct Shared {
    /// All connections of clients, from accept to close.
    pub(crate) sessions: Arc<Sessions>,
    /// Permits of clients that are not logged in yet.
    pub(crate) handshakes: Arc<Handshakes>,
    /// Counts of sessions in all, by connection and by user; a session gives its place back when it
    /// drops its permit.
    pub(crate) caps: Arc<Caps>,
    /// The key that the salts of users that do not exist derive from, and the tags by which bans
    /// count them: both stay when the configuration is swapped.
    pub(crate) fake_salt_key: hmac::Key,
    /// Wrong proofs, and who is kept away for them.
    pub(crate) bans: Bans,
    /// The connections that operators let no new logins to.
    pub(crate) disabled: Disabled,
    /// The last logins to each connection; the registry notes them.
    pub(crate) outcomes: Arc<Outcomes>,
    /// The last refusals and broken sessions; the registry keeps them.
    pub(crate) errors: Arc<Errors>,
    /// The turns and the room of the tables that consoles ask for.
    pub(crate) tables: Arc<Tables>,
    /// The keys of live sessions, and counts of wrong ones; a session's key is forgotten when it is
    /// dropped.
    pub(crate) cancels: Arc<CancelKeys>,
    /// The resolver, and the addresses of warehouses that did not answer.
    pub(crate) paths: Arc<Paths>,
    /// Which lines of the log stand for others of their kind. The acceptor and a task that reports
    /// what was left out use it too.
    pub(crate) repeats: Arc<Repeats>,
    /// The counts for Prometheus. The registry of sessions and the caches of credentials count too.
    pub(crate) metrics: Arc<Metrics>,
}
