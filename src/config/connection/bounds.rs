//! What whoever writes lava's table may have the proxy do.

use thiserror::Error;

use super::id::ConnId;
use crate::config::value::glob_matches;

/// What a writer of `[specs] dynamodb_table` may say; checked after the item is merged with its
/// secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bounds {
    /// Globs of conn_ids: only these are asked for.
    pub conn_ids: Vec<String>,
    /// Globs of the roles that may be assumed.
    pub roles: Vec<String>,
    /// What the names of SSM parameters and secrets begin with.
    pub parameter_prefix: String,
    /// Globs of the hosts that may be dialled.
    pub hosts: Vec<String>,
    /// Items without `role_arn` may use the proxy's own identity, which is bounded by nothing here.
    pub base_identity: bool,
}

/// A spec oversteps its bounds. The text names the key and the bound.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum BoundsError {
    /// A role that no glob covers.
    #[error("role_arn {0} is not covered by specs.roles")]
    Role(String),
    /// A parameter outside the prefix, or an ARN, which may lead into another account.
    #[error("{key}: the parameter's name does not begin with specs.parameter_prefix")]
    Parameter {
        /// `password` or `external_id`
        key: &'static str,
    },
    /// A secret outside the prefix, or an ARN, as with parameters.
    #[error("secret_id: the secret's name does not begin with specs.parameter_prefix")]
    Secret,
    /// A host that no glob covers.
    #[error("host {0} is not covered by specs.hosts")]
    Host(String),
    /// AWS would be asked under the proxy's own identity.
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

    /// Holds what is about to be dialled to the bounds, whoever named it: the spec, its secret, or
    /// AWS.
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

    /// Holds a call under the last of these roles to the bounds, where there is one.
    ///
    /// # Errors
    /// `BaseIdentity`.
    pub fn check_caller(&self, has_role: bool) -> Result<(), BoundsError> {
        if has_role || self.base_identity { Ok(()) } else { Err(BoundsError::BaseIdentity) }
    }
}
