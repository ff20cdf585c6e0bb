//! Database logins: from IAM, SSM or Secrets Manager, each fetched once for however many want it.
//!
//! [`Logins`] is all that sessions see. A [`plan`] merges the spec with its secret; what is not
//! known yet is fetched by [`roles`], [`mint`] and [`StoreReader`](crate::aws::StoreReader), each
//! behind a [`cache`](crate::cache), each call through [`Calls`](crate::aws::Calls).

use std::time::SystemTime;

use crate::cache::Perishable;
use crate::config::User;
use crate::secret::Secret;

/// A builder that has one call made under other keys than the base's: not to be kept in a cache of
/// the SDK's.
macro_rules! under {
    ($sdk:ident, $keys:expr) => {
        match $keys {
            None => $sdk::config::Builder::new(),
            Some(keys) => $sdk::config::Builder::new()
                .credentials_provider(keys.clone())
                .identity_cache($sdk::config::IdentityCache::no_cache()),
        }
    };
}

mod error;
mod logins;
mod mint;
mod order;
mod plan;
mod roles;
mod secret_fields;

pub(crate) use self::error::CredentialError;
pub(crate) use self::logins::{Logins, Opening};
pub(crate) use self::plan::DB_ROLES;

/// Redshift's port, where nothing says another.
pub(crate) const DEFAULT_PORT: u16 = 5439;

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
    pub(crate) fn new(name: &'a str, rights: &'a User) -> Self {
        Self { name, db_user: rights.db_user.as_deref().unwrap_or(name), db_roles: &rights.db_roles }
    }
}

impl Perishable for DbLogin {
    fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }
}
