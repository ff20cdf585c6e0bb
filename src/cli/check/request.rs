//! What a check of one connection is asked to prove, and what it is given for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::cli::connection::Connection;
use crate::clock::Clock;
use crate::config::{Config, Credentials, Holder};
use crate::upstream::Routes;

/// The settings that checks of all connections share.
pub(crate) struct CheckSettings<'a> {
    /// The section `[credentials]` of the configuration.
    pub(crate) credentials: &'a Credentials,
    /// The time-out of one read of lava's table.
    pub(crate) table_timeout: Duration,
    /// The ways to warehouses, which remember what was found of them.
    pub(crate) routes: &'a Routes,
    /// The time for one login at a warehouse (`upstream.login_timeout`).
    pub(crate) login_timeout: Duration,
    /// The clock that expiries are compared with.
    pub(crate) clock: &'a Arc<dyn Clock>,
    /// The runtime that flights to AWS run on.
    pub(crate) control: &'a Handle,
}

/// A connection that is to be proved, and how far.
pub(crate) struct CheckRequest<'a> {
    /// The connection that is to be proved.
    pub(crate) connection: &'a Connection<'a>,
    /// The user whose right and login are proved too.
    pub(crate) user: Option<AskedUser<'a>>,
    /// Whether to stop after TLS.
    pub(crate) no_login: bool,
}

/// The user that `--user` names.
pub(crate) struct AskedUser<'a> {
    /// The user's name, as `--user` gives it.
    pub(super) name: &'a str,
    /// The user's rights. `None`: the user is unknown.
    pub(super) holder: Option<Holder>,
    /// The path of the user's password, if the user has no entry but that of `users."*"`.
    pub(super) path: Option<&'a str>,
}

impl<'a> AskedUser<'a> {
    /// Looks the name up.
    pub(crate) fn of(config: &'a Config, name: &'a str) -> Self {
        let holder = config.holder(name);
        let path = match &holder {
            Some(Holder::Any(_)) => config.any_user.as_ref().and_then(|any| any.path()),
            Some(Holder::Own(_)) | None => None,
        };
        Self { name, holder, path }
    }
}
