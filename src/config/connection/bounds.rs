//! Bounds on the writers of lava's table: a connection that they define can only do what the
//! configuration allows.

use thiserror::Error;

use super::id::ConnId;
use crate::config::value::glob_matches;

/// Bounds on what a writer of the `[specs] dynamodb_table` may name. They are checked after the
/// item is merged with its secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bounds {
    /// Globs of conn_ids: the table is asked for these alone.
    pub conn_ids: Vec<String>,
    /// Globs of the role ARNs that an item may have the proxy assume.
    pub roles: Vec<String>,
    /// The names of SSM parameters and secrets in an item have to begin with this text.
    pub parameter_prefix: String,
    /// Globs of the hosts that the proxy dials for an item.
    pub hosts: Vec<String>,
    /// Whether items without `role_arn` may use the proxy's own identity, on which these bounds
    /// have no hold.
    pub base_identity: bool,
}

/// A connection oversteps its bounds. The text names the key and the bound.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum BoundsError {
    /// The item names a role that no glob of `specs.roles` covers.
    #[error("role_arn {0} is not covered by specs.roles")]
    Role(String),
    /// The item names a parameter outside the prefix, or by an ARN, which may lead into another
    /// account.
    #[error("{key}: the parameter's name does not begin with specs.parameter_prefix")]
    Parameter {
        /// The item's field that names the parameter: `password` or `external_id`.
        key: &'static str,
    },
    /// The item names a secret outside the prefix, or by an ARN, which may lead into another
    /// account.
    #[error("secret_id: the secret's name does not begin with specs.parameter_prefix")]
    Secret,
    /// The host of the item, of its secret, or the one that AWS named, is covered by no glob of
    /// `specs.hosts`.
    #[error("host {0} is not covered by specs.hosts")]
    Host(String),
    /// The item has no role, so AWS would be asked under the proxy's own identity.
    #[error(
        "there is no role_arn, and items without one use the proxy's identity only with specs.base_identity = true"
    )]
    BaseIdentity,
}

impl Bounds {
    /// Whether the table is asked for this conn_id at all.
    #[must_use]
    pub fn cover(&self, conn_id: &ConnId) -> bool {
        self.conn_ids
            .iter()
            .any(|glob| glob_matches(glob, conn_id.as_str()))
    }

    /// Checks the host that is about to be dialled, no matter whether the spec, its secret or AWS
    /// named it.
    ///
    /// # Errors
    /// `Host`.
    pub fn check_host(&self, host: &str) -> Result<(), BoundsError> {
        let dialled = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let covered = self
            .hosts
            .iter()
            .any(|glob| glob_matches(&glob.to_ascii_lowercase(), &dialled));
        if covered { Ok(()) } else { Err(BoundsError::Host(host.to_owned())) }
    }

    /// Checks the identity of a call: `has_role` says whether a role was assumed for it.
    ///
    /// # Errors
    /// `BaseIdentity`.
    pub fn check_caller(&self, has_role: bool) -> Result<(), BoundsError> {
        if has_role || self.base_identity { Ok(()) } else { Err(BoundsError::BaseIdentity) }
    }
}
