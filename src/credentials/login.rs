//! A database login, and the user that it is for.

use std::time::SystemTime;

use crate::cache::Perishable;
use crate::config::Holder;
use crate::secret::Secret;

/// A database user and its password.
#[derive(Debug)]
pub(crate) struct DbLogin {
    /// Copied from the API, byte for byte: it is the startup message's user and part of the MD5
    /// hash.
    pub(crate) user: String,
    pub(crate) password: Secret,
    /// AWS's wall clock. `None`: it does not expire.
    pub(crate) expires_at: Option<SystemTime>,
}

/// Whose a login is where each user has its own. The default is nobody: for logins that are shared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Owner<'a> {
    /// As the client says it, and has proved it.
    pub(crate) name: &'a str,
    /// The `DbUser` of a provisioned cluster.
    pub(crate) db_user: &'a str,
    /// What the session tag of a workgroup's role grants.
    pub(crate) db_roles: &'a [String],
}

impl<'a> Owner<'a> {
    pub(crate) fn new(name: &'a str, holder: &'a Holder) -> Self {
        let db_user = match holder {
            Holder::Own(user) => user.db_user.as_deref(),
            Holder::Any(_) => None,
        };
        Self { name, db_user: db_user.unwrap_or(name), db_roles: &holder.rights().db_roles }
    }
}

impl Perishable for DbLogin {
    fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }
}
