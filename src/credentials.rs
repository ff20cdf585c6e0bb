//! Database logins: from IAM, SSM or Secrets Manager, each fetched once for however many want it.
//!
//! [`Logins`] is all that sessions see. A [`plan`] merges the spec with its secret; what is not
//! known yet is fetched by [`roles`], [`mint`] and [`StoreReader`](crate::aws::StoreReader), each
//! behind a [`cache`](crate::cache), each call through [`Calls`](crate::aws::Calls).

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

mod base;
mod endpoint;
mod error;
mod login;
mod logins;
mod mint;
mod opening;
mod order;
mod plan;
mod roles;
mod secret_fields;
mod token;

pub(crate) use self::error::CredentialError;
pub(crate) use self::login::{DbLogin, Owner};
pub(crate) use self::logins::Logins;
pub(crate) use self::opening::{Opening, WarehouseAddr};
pub(crate) use self::plan::DB_ROLES;

/// Redshift's port, where nothing says another.
pub(crate) const DEFAULT_PORT: u16 = 5439;
