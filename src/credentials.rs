//! Database logins: from IAM, SSM or Secrets Manager, each fetched once for however many want it.
//!
//! [`Logins`] is all that sessions see. A [`plan`] merges the spec with its secret. What is not
//! known yet is fetched: stored values by [`StoreReader`](crate::aws::StoreReader), role sessions
//! by [`roles`], endpoints by [`endpoint`], logins by [`mint`], each behind a
//! [`Cache`](crate::cache::Cache), each call through [`Calls`](crate::aws::Calls).

mod base;
mod chain;
mod endpoint;
mod error;
mod in_use;
mod login;
mod login_key;
mod logins;
mod mint;
mod opening;
mod plan;
mod refresh;
mod roles;
mod secret_fields;
mod signer;
mod status;
mod token;
mod used_by;

pub(crate) use self::error::CredentialError;
pub(crate) use self::login::{DbLogin, Owner};
pub(crate) use self::logins::Logins;
pub(crate) use self::opening::{Opening, WarehouseAddr};
pub(crate) use self::plan::DB_ROLES;
pub(crate) use self::status::CredentialStatus;

/// Redshift's port, where neither spec nor secret sets another.
pub(crate) const DEFAULT_PORT: u16 = 5439;
