//! The key of the cache of logins.

use std::time::Duration;

use super::chain::Chain;
use crate::aws::{Call, Operation};

/// Everything that shapes a login, and nothing else: the key of the cache of logins.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct LoginKey {
    /// The roles that lead to the identity that asks for the login; none where the base
    /// identity does.
    pub(crate) caller: Chain,
    /// The warehouse's region. `None`: the base identity's own.
    pub(crate) region: Option<String>,
    /// The call to make.
    pub(crate) call: LoginCall,
    /// The life of the login: 900–3600 s, the range of the API (configuration has checked it).
    pub(crate) password_duration: Duration,
    /// The user of a `per-user` login, by the raw name, since two names may become one at AWS.
    /// `None`: all users share the login.
    pub(crate) principal: Option<String>,
}

/// The call that mints a login, and what it is given.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum LoginCall {
    /// Redshift Serverless GetCredentials.
    Workgroup { workgroup: String, database: String },
    /// GetClusterCredentials.
    Cluster { cluster_id: String, database: String, user: String, auto_create: bool, groups: Vec<String> },
    /// GetClusterCredentialsWithIAM: the database user is the caller.
    ClusterByIam { cluster_id: String, database: String },
}

impl LoginCall {
    /// The call as logs name it.
    pub(crate) fn call(&self) -> Call {
        match self {
            Self::Workgroup { workgroup, .. } => Call::new(Operation::GetCredentials, workgroup),
            Self::Cluster { cluster_id, .. } => Call::new(Operation::GetClusterCredentials, cluster_id),
            Self::ClusterByIam { cluster_id, .. } => Call::new(Operation::GetClusterCredentialsWithIam, cluster_id),
        }
    }
}
