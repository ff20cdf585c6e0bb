//! What a configuration makes of the proxy.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::client_auth::Accounts;
use crate::config::Config;
use crate::credentials::Logins;
use crate::limits::ClientLimits;
use crate::operations::AdminAccess;
use crate::relay::SessionLimits;
use crate::spec::Specs;
use crate::startup::tls::ServerTls;
use crate::upstream::Routes;

/// The parts that one configuration makes, all of them together: a reload builds another value
/// beside this one and swaps it in as a whole.
///
/// The acceptor holds the current value behind an `ArcSwap` and gives it to each connection as it
/// comes. A login keeps the value that it began with to its end, so that it never sees half of one
/// configuration and half of another; a session that is relayed keeps [`Live::relay`] alone. The
/// task that reads references holds the value that it renews. The reload that has replaced a value
/// holds it too, until nobody else does, and drops it on a thread of its own.
///
/// Not all of a configuration is here: the task that reads references again is swapped beside it
/// (`app::reload`), the log's level is the process's, and addresses stay as they were bound.
pub(crate) struct Live {
    /// The configuration itself.
    pub(crate) config: Arc<Config>,
    /// Who may use the admin address; its token is renewed here.
    pub(crate) admin: Arc<AdminAccess>,
    /// The credentials that are held, and the fetches under way. These run on the control thread;
    /// sessions wait for them. The next configuration goes on with them, unless `[aws]` changes.
    pub(crate) logins: Arc<Logins>,
    /// The listener's certificates, and whether clients have to ask for TLS.
    pub(crate) tls: ServerTls,
    /// The networks of the load balancers: PROXY headers from there are believed.
    pub(crate) balancers: Vec<IpNet>,
    /// The users, and how each of them proves itself.
    pub(crate) accounts: Accounts,
    /// The connections, and lava's table with the items of it that are held. The next configuration
    /// goes on with the table, if table, bounds and `[aws]` stay as they are.
    pub(crate) specs: Specs,
    /// How warehouses are reached.
    pub(crate) routes: Routes,
    /// What clients may use up. The counts are in [`Shared`](super::Shared), so that new limits
    /// hold for those who come next.
    pub(crate) limits: ClientLimits,
    /// How long sessions may last, and how vanished peers are noticed.
    pub(crate) relay: Arc<SessionLimits>,
    /// The time that a client has to log in, and to take what it is sent meanwhile.
    pub(crate) startup_timeout: Duration,
    /// The time that a login at the warehouse may take, from its first dial.
    pub(crate) login_timeout: Duration,
    /// How long a drain goes on accepting.
    pub(crate) drain_delay: Duration,
    /// How long a drain waits for sessions that are busy.
    pub(crate) drain_timeout: Duration,
}
