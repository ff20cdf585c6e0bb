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

/// What a conn_id stands for: what its source says, before a secret fills what is missing. Facts
/// and defaults: lava's connection spec (docs/protocol/connection-spec.md 2), and docs/contract.md
/// section 3.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConnSpec {
    /// Its name.
    pub id: ConnId,
    /// `type`
    pub warehouse: Warehouse,
    /// A disabled connection is refused after the proof of the user.
    pub enabled: bool,
    /// For people.
    pub description: Option<String>,
    /// For people.
    pub owner: Option<String>,
    /// DNS name or address to dial. `None`: the secret's, or what GetWorkgroup or DescribeClusters
    /// says.
    pub host: Option<String>,
    /// TCP port. `None`: as the host; at last 5439.
    pub port: Option<u16>,
    /// The real database, sent upstream and to the credential API. `None`: the secret's.
    pub database: Option<String>,
    /// The database user: that of a stored password, or the `DbUser` of GetClusterCredentials.
    /// Never where a workgroup's IAM credentials are certain: they have one of their own.
    pub user: Option<String>,
    /// The NAME of the SSM parameter that holds the password: no IAM credentials then.
    pub password: Option<String>,
    /// Name or ARN of the Secrets Manager secret that fills the fields not given here.
    pub secret_id: Option<String>,
    /// `workgroupName`: 3–64 of `[a-z0-9-]`; out of the name of `host`, where that is an
    /// endpoint's. `None`: the first label of a host that the secret has.
    pub workgroup: Option<String>,
    /// `ClusterIdentifier`: 1–63 of `[a-z0-9-]`; as `workgroup`.
    pub cluster_id: Option<String>,
    /// Out of the name of `host`, where that is an endpoint's. `None`: that of a host that the
    /// secret has, `[aws] region`, or the SDK's chain.
    pub region: Option<String>,
    /// The roles to assume one after the other; the last one decides the `IAMR:` name. Empty: the
    /// base identity's own.
    pub role_hops: Vec<RoleHop>,
    /// The first hop is by AssumeRoleWithWebIdentity with this file's token; only with `role_hops`.
    pub web_identity_token_file: Option<PathBuf>,
    /// STS session tags of the last hop.
    pub tags: BTreeMap<String, String>,
    /// GetClusterCredentials `AutoCreate`.
    pub auto_create: bool,
    /// GetClusterCredentials `DbGroups`.
    pub db_groups: Vec<String>,
    /// `durationSeconds` of the credential API: 900–3600 s.
    pub password_duration: Duration,
    /// Who the login is for.
    pub identity: LoginIdentity,
    /// Users with different `db_roles` over one role are accepted, though they share one `IAMR:`
    /// user.
    pub shared_user_roles: bool,
    /// Database users that IAM is not asked for on a provisioned cluster: for a `per-user` login,
    /// or for an item of the table.
    pub deny_db_users: Vec<String>,
    /// The name to send as SNI and to verify. `None`: the host.
    pub tls_server_name: Option<String>,
    /// Who may vouch for this warehouse, where not `[upstream] ca`.
    pub ca: Option<Ca>,
    /// A port of its own: every login there is for this connection, disabled or not.
    pub listen: Option<SocketAddr>,
    /// Sessions of this process on this connection; at least 1.
    pub max_sessions: usize,
    /// What the warehouse is told of who asks.
    pub application_name: NameTemplate,
    /// Which of the client's startup parameters it gets, and which others.
    pub startup_parameters: StartupPolicy,
    /// What bounds whoever wrote it. `None`: the configuration file, which nothing bounds.
    pub bounds: Option<Arc<Bounds>>,
}

/// `connections.*.type`
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Warehouse {
    /// `redshift-serverless`: a workgroup.
    Serverless,
    /// `redshift`: a provisioned cluster.
    Provisioned,
}

/// `connections.*.identity`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LoginIdentity {
    /// One login for all users.
    Shared,
    /// One login for each user: the STS session, its `RedshiftDbRoles` tag, or the `DbUser` are the
    /// user's own.
    PerUser,
}

/// One role to assume.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct RoleHop {
    /// `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`
    pub role_arn: String,
    /// The name of the SSM parameter that holds the external id.
    pub external_id: Option<String>,
}
