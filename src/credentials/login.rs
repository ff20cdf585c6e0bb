//! A database login, and the user that it is for.

use std::time::SystemTime;

use crate::cache::Perishable;
use crate::config::Holder;
use crate::secret::Secret;

/// A database user and its password, to log in to a warehouse with.
#[derive(Debug)]
pub(crate) struct DbLogin {
    /// The user, byte for byte as the API gave it: it goes into the startup message and into the
    /// MD5 hash.
    pub(crate) user: String,
    /// The password of the user.
    pub(crate) password: Secret,
    /// The time at which the password expires, by AWS's clock. `None`: it never does.
    pub(crate) expires_at: Option<SystemTime>,
}

/// The user that a login is for, where each user has a login of their own. The default is nobody,
/// for logins that all users share.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Owner<'a> {
    /// The name that the client gave and proved.
    pub(crate) name: &'a str,
    /// The database user on a provisioned cluster (`DbUser`).
    pub(crate) db_user: &'a str,
    /// The database roles on a workgroup, granted by a session tag.
    pub(crate) db_roles: &'a [String],
}

impl<'a> Owner<'a> {
    /// The owner that a proven client of this name, with these rights, is.
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
