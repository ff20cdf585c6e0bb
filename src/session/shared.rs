//! The live parts that sessions work with.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::cancel::CancelKeys;
use crate::client_auth::Accounts;
use crate::credentials::Logins;
use crate::limits::bans::Bans;
use crate::limits::caps::Caps;
use crate::relay::SessionLimits;
use crate::spec::Specs;
use crate::startup::tls::ServerTls;
use crate::stop::Stop;
use crate::telemetry::Repeats;
use crate::upstream::Routes;

/// What every session shares.
pub(crate) struct Shared {
    pub(crate) tls: ServerTls,
    /// Whose PROXY headers are believed.
    pub(crate) balancers: Vec<IpNet>,
    pub(crate) accounts: Accounts,
    pub(crate) specs: Specs,
    pub(crate) routes: Routes,
    pub(crate) logins: Arc<Logins>,
    pub(crate) caps: Arc<Caps>,
    pub(crate) bans: Bans,
    pub(crate) cancels: Arc<CancelKeys>,
    pub(crate) repeats: Arc<Repeats>,
    pub(crate) stop: Stop,
    pub(crate) limits: SessionLimits,
    pub(crate) startup_timeout: Duration,
    pub(crate) login_timeout: Duration,
}
