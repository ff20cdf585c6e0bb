//! The specification of a connection.

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
    /// The name under which clients ask for the connection.
    pub id: ConnId,
    /// `type`, and all that only this type has.
    pub target: Target,
    /// The source of the database login.
    pub login: LoginFrom,
    /// The roles under which AWS is asked.
    pub roles: Roles,
    /// A disabled connection is refused after the proof of the user.
    pub enabled: bool,
    /// A text for people.
    pub description: Option<String>,
    /// A text for people.
    pub owner: Option<String>,
    /// The DNS name or address to dial. `None`: the secret has it, or GetWorkgroup or
    /// DescribeClusters says it.
    pub host: Option<String>,
    /// The TCP port. `None`: the one that comes with the host; else 5439.
    pub port: Option<u16>,
    /// The real database, sent upstream and to the credential API. `None`: the secret has it.
    pub database: Option<String>,
    /// The Region of the warehouse, out of the name of `host` where that is an endpoint's. `None`:
    /// that of a host that the secret has, `[aws] region`, or the SDK's chain.
    pub region: Option<String>,
    /// `durationSeconds` of the credential API: 900–3600 s.
    pub password_duration: Duration,
    /// The name to send as SNI and to verify. `None`: the host.
    pub tls_server_name: Option<String>,
    /// The CAs that may vouch for this warehouse. `None`: those of `upstream.ca`.
    pub ca: Option<Ca>,
    /// A port of the connection's own: every login there is for this connection, disabled or not.
    pub listen: Option<SocketAddr>,
    /// Most sessions of this process on this connection; at least 1.
    pub max_sessions: usize,
    /// The application_name that the warehouse is told.
    pub application_name: NameTemplate,
    /// The rules for startup parameters: those of the client's that the warehouse gets, and others
    /// besides.
    pub startup_parameters: StartupPolicy,
    /// The bounds on whoever wrote the spec. `None`: it stands in the configuration file, which
    /// nothing bounds.
    pub bounds: Option<Arc<Bounds>>,
}

/// The warehouse that a connection leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// The warehouse is a workgroup (`type = "redshift-serverless"`).
    Workgroup(Workgroup),
    /// The warehouse is a provisioned cluster (`type = "redshift"`).
    Cluster(Cluster),
}

/// A workgroup of Redshift Serverless.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Workgroup {
    /// `workgroupName`: 3–64 of `[a-z0-9-]`, read from the name of `host` where that is an
    /// endpoint's. `None`: the first label of a host that the secret has.
    pub name: Option<String>,
    /// Whether users with different `db_roles` may share a role, which makes them one `IAMR:` user.
    pub shared_user_roles: bool,
}

/// A provisioned cluster of Redshift.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cluster {
    /// `ClusterIdentifier`: 1–63 of `[a-z0-9-]`, read from the name of `host` where that is an
    /// endpoint's. `None`: the first label of a host that the secret has.
    pub id: Option<String>,
    /// The value of `AutoCreate` for GetClusterCredentials.
    pub auto_create: bool,
    /// The value of `DbGroups` for GetClusterCredentials.
    pub db_groups: Vec<String>,
    /// Database users for whom IAM is not asked: neither for a `per-user` login, nor for an item of
    /// the table.
    pub deny_db_users: Vec<String>,
}

/// The place that a connection's login comes from. lava's precedence: the spec's password, the
/// secret's, IAM credentials.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LoginFrom {
    /// IAM credentials are asked for, since the spec names nothing that could hold a password.
    Iam(LoginAs),
    /// The password is in an SSM parameter.
    Parameter {
        /// The name or ARN of the parameter.
        name: String,
        /// The database user. `None`: the secret has it.
        user: Option<String>,
        /// Name or ARN of the Secrets Manager secret that fills the fields which the spec lacks.
        secret_id: Option<String>,
    },
    /// The password is in a Secrets Manager secret. If it turns out to hold none, IAM credentials
    /// are asked for.
    Secret {
        /// Name or ARN of the secret, which also fills the fields that the spec lacks.
        id: String,
        /// The user of the login, by the secret's password or by IAM.
        login_as: LoginAs,
    },
}

/// `identity`: the database user of a login for which IAM may be asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LoginAs {
    /// All users share one login.
    Shared {
        /// The user of the secret's password, or the `DbUser` of GetClusterCredentials. `None`: the
        /// secret has it. A workgroup's IAM credentials have a user of their own, so that it is
        /// `None` where those are certain.
        user: Option<String>,
    },
    /// Each user has a login of its own: the STS session, its `RedshiftDbRoles` tag, or the
    /// `DbUser` are the user's.
    PerUser,
}

/// The roles that are assumed for a connection, and what goes with them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Roles {
    /// The roles to assume one after the other; the last one decides the `IAMR:` name. Empty: the
    /// base identity's own.
    pub hops: Vec<RoleHop>,
    /// The file of the token with which the first role is assumed (AssumeRoleWithWebIdentity).
    /// `None`: it is assumed by AssumeRole.
    pub web_identity_token_file: Option<PathBuf>,
    /// The STS session tags of the last hop.
    pub tags: BTreeMap<String, String>,
}

/// A role to assume, as one step of a chain.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct RoleHop {
    /// The role's ARN: `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`.
    pub role_arn: String,
    /// The name of the SSM parameter that holds the external id; never the id itself.
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
    /// The word for this type in `connections.*.type`.
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

    /// The name or ARN of the SSM parameter that holds the password.
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
