//! What a conn_id stands for.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::bounds::Bounds;
use super::id::ConnId;
use super::startup::{NameTemplate, StartupPolicy};
use crate::config::sections::Ca;

/// A connection as its source says it, before a secret fills what is missing. Facts and defaults:
/// lava's connection spec (docs/protocol/connection-spec.md 2), and docs/contract.md section 3.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConnSpec {
    /// The connection's name.
    pub id: ConnId,
    /// `type`, and all that only this type has.
    pub target: Target,
    /// Where the login comes from.
    pub login: LoginFrom,
    /// The roles under which AWS is asked.
    pub roles: Roles,
    /// A disabled connection is refused after the proof of the user.
    pub enabled: bool,
    /// A text for people.
    pub description: Option<String>,
    /// A text for people.
    pub owner: Option<String>,
    /// DNS name or address to dial. `None`: the secret's, or what GetWorkgroup or DescribeClusters
    /// says.
    pub host: Option<String>,
    /// TCP port. `None`: as the host; at last 5439.
    pub port: Option<u16>,
    /// The real database, sent upstream and to the credential API. `None`: the secret's.
    pub database: Option<String>,
    /// The Region of the warehouse, out of the name of `host` where that is an endpoint's. `None`:
    /// that of a host that the secret has, `[aws] region`, or the SDK's chain.
    pub region: Option<String>,
    /// `durationSeconds` of the credential API: 900–3600 s.
    pub password_duration: Duration,
    /// The name to send as SNI and to verify. `None`: the host.
    pub tls_server_name: Option<String>,
    /// Which CAs may vouch for this warehouse, where not `[upstream] ca`.
    pub ca: Option<Ca>,
    /// A port of its own: every login there is for this connection, disabled or not.
    pub listen: Option<SocketAddr>,
    /// Sessions of this process on this connection; at least 1.
    pub max_sessions: usize,
    /// The application_name that the warehouse is told.
    pub application_name: NameTemplate,
    /// Which of the client's startup parameters the warehouse gets, and which others.
    pub startup_parameters: StartupPolicy,
    /// Holds whoever wrote the spec to what it may name. `None`: it stands in the configuration
    /// file, which nothing bounds.
    pub bounds: Option<Arc<Bounds>>,
}

/// The warehouse that a connection leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// `type = "redshift-serverless"`
    Workgroup(Workgroup),
    /// `type = "redshift"`
    Cluster(Cluster),
}

/// A workgroup of Redshift Serverless.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Workgroup {
    /// `workgroupName`: 3–64 of `[a-z0-9-]`; out of the name of `host`, where that is an
    /// endpoint's. `None`: the first label of a host that the secret has.
    pub name: Option<String>,
    /// Users with different `db_roles` over one role are accepted, though they share one `IAMR:`
    /// user.
    pub shared_user_roles: bool,
}

/// A provisioned cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cluster {
    /// `ClusterIdentifier`: 1–63 of `[a-z0-9-]`; out of the name of `host`, where that is an
    /// endpoint's. `None`: the first label of a host that the secret has.
    pub id: Option<String>,
    /// GetClusterCredentials `AutoCreate`.
    pub auto_create: bool,
    /// GetClusterCredentials `DbGroups`.
    pub db_groups: Vec<String>,
    /// Database users that IAM is not asked for: for a `per-user` login, or for an item of the
    /// table.
    pub deny_db_users: Vec<String>,
}

/// Where a connection's login comes from. lava's precedence: the spec's password, the secret's, IAM
/// credentials.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LoginFrom {
    /// IAM credentials: nothing that could hold a password is named.
    Iam(LoginAs),
    /// A password in an SSM parameter.
    Parameter {
        /// The NAME of the parameter.
        name: String,
        /// The database user. `None`: the secret's.
        user: Option<String>,
        /// Name or ARN of the Secrets Manager secret that fills the fields not given here.
        secret_id: Option<String>,
    },
    /// The password in a Secrets Manager secret; IAM credentials, if there turns out to be none.
    Secret {
        /// Name or ARN of the secret, which also fills the fields not given here.
        id: String,
        /// As whom the login is, by the secret's password or by IAM.
        login_as: LoginAs,
    },
}

/// `identity`: as whom a login that IAM may be asked for logs in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LoginAs {
    /// One login for all users.
    Shared {
        /// The user of the secret's password, or the `DbUser` of GetClusterCredentials. `None`: the
        /// secret's. Never where a workgroup's IAM credentials are certain: they have one of their
        /// own.
        user: Option<String>,
    },
    /// One login for each user: the STS session, its `RedshiftDbRoles` tag, or the `DbUser` are the
    /// user's own.
    PerUser,
}

/// The roles that are assumed for a connection, and what goes with them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Roles {
    /// The roles to assume one after the other; the last one decides the `IAMR:` name. Empty: the
    /// base identity's own.
    pub hops: Vec<RoleHop>,
    /// The first hop is by AssumeRoleWithWebIdentity with this file's token; only with hops.
    pub web_identity_token_file: Option<PathBuf>,
    /// STS session tags of the last hop.
    pub tags: BTreeMap<String, String>,
}

/// One role to assume.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct RoleHop {
    /// `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`
    pub role_arn: String,
    /// The name of the SSM parameter that holds the external id.
    pub external_id: Option<String>,
}

impl ConnSpec {
    /// Whether each user has a login of its own.
    #[must_use]
    pub fn is_per_user(&self) -> bool {
        match &self.login {
            LoginFrom::Iam(login_as) | LoginFrom::Secret { login_as, .. } => *login_as == LoginAs::PerUser,
            LoginFrom::Parameter { .. } => false,
        }
    }
}

impl Target {
    /// `connections.*.type`
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Workgroup(_) => "redshift-serverless",
            Self::Cluster(_) => "redshift",
        }
    }

    /// The key under which the configuration names the workgroup or cluster.
    #[must_use]
    pub fn name_key(&self) -> &'static str {
        match self {
            Self::Workgroup(_) => "workgroup",
            Self::Cluster(_) => "cluster_id",
        }
    }
}

impl LoginFrom {
    /// The secret that fills the fields that the spec lacks.
    #[must_use]
    pub fn secret_id(&self) -> Option<&str> {
        match self {
            Self::Iam(_) => None,
            Self::Parameter { secret_id, .. } => secret_id.as_deref(),
            Self::Secret { id, .. } => Some(id),
        }
    }

    /// The NAME of the SSM parameter that holds the password.
    #[must_use]
    pub fn parameter(&self) -> Option<&str> {
        match self {
            Self::Parameter { name, .. } => Some(name),
            Self::Iam(_) | Self::Secret { .. } => None,
        }
    }

    /// The database user that the spec names.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Parameter { user, .. }
            | Self::Iam(LoginAs::Shared { user })
            | Self::Secret { login_as: LoginAs::Shared { user }, .. } => user.as_deref(),
            Self::Iam(LoginAs::PerUser) | Self::Secret { login_as: LoginAs::PerUser, .. } => None,
        }
    }
}
