//! What is to be proved, and with what.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::cli::connection::Connection;
use crate::clock::Clock;
use crate::config::{Config, Credentials, Holder};
use crate::upstream::Routes;

/// What the steps are made with.
pub(crate) struct CheckSettings<'a> {
    pub(crate) credentials: &'a Credentials,
    /// For one read of lava's table.
    pub(crate) table_timeout: Duration,
    pub(crate) routes: &'a Routes,
    pub(crate) login_timeout: Duration,
    pub(crate) clock: &'a Arc<dyn Clock>,
    /// Where flights to AWS run.
    pub(crate) control: &'a Handle,
}

/// What is to be proved.
pub(crate) struct CheckRequest<'a> {
    pub(crate) connection: &'a Connection<'a>,
    /// Who is asked about.
    pub(crate) user: Option<AskedUser<'a>>,
    /// Not beyond TLS.
    pub(crate) no_login: bool,
}

/// A user asked about.
pub(crate) struct AskedUser<'a> {
    pub(super) name: &'a str,
    /// `None`: nobody has the name.
    pub(super) holder: Option<Holder>,
    /// Where one of `users."*"` has its password.
    pub(super) path: Option<&'a str>,
}

impl<'a> AskedUser<'a> {
    pub(crate) fn of(config: &'a Config, name: &'a str) -> Self {
        let holder = config.holder(name);
        let is_any = holder.as_ref().is_some_and(|holder| !holder.has_entry);
        let any = config.any_user.as_deref().filter(|_| is_any);
        Self { name, holder, path: any.and_then(|any| any.path.as_deref()) }
    }
}
