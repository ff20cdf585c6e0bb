//! One connection: the spec that a conn_id stands for.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use self::bounds::{Bounds, BoundsError};
pub use self::item::connection_from_item;
pub(super) use self::read::connections;
pub(crate) use self::startup::MAX_APPLICATION_NAME;
#[cfg(test)]
pub(crate) use self::startup::{NEVER_PASSED, OURS};
pub use self::startup::{NameTemplate, Piece, StartupPolicy};
use super::{Ca, value};

mod bounds;
mod item;
mod login;
mod read;
mod role;
mod startup;
mod target;

/// A logical connection name, checked once, so the rest of the code cannot meet a bad one.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnId(Box<str>);

impl ConnId {
    /// 1–63 bytes of visible characters, blanks within allowed; no `*` and `?`, which rights use as
    /// globs.
    ///
    /// # Errors
    /// `Name`: not such a name. `Glob`: holds `*` or `?`. `Reserved`: `proxy_admin`, the console's.
    pub fn new(name: &str) -> Result<Self, BadConnId> {
        value::visible_name(name).map_err(|_why| BadConnId::Name)?;
        if name.contains(['*', '?']) {
            return Err(BadConnId::Glob);
        }
        if name == "proxy_admin" {
            return Err(BadConnId::Reserved);
        }
        Ok(Self(name.into()))
    }

    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// So that maps are searched with the text a client sent.
impl Borrow<str> for ConnId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Why a text is no conn_id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadConnId {
    /// Too long, empty, or not all visible.
    #[error("a conn_id is 1 to 63 bytes of visible characters, with no blanks at its ends")]
    Name,
    /// Holds a glob's character.
    #[error("a conn_id holds no * and no ?")]
    Glob,
    /// The console's.
    #[error("proxy_admin is reserved")]
    Reserved,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conn_id_is_a_visible_name() {
        for (name, want) in [
            ("sales", Ok("sales")),
            ("Sales Mart", Ok("Sales Mart")),
            ("", Err(BadConnId::Name)),
            (" sales", Err(BadConnId::Name)),
            ("a\0b", Err(BadConnId::Name)),
            ("fin-*", Err(BadConnId::Glob)),
            ("proxy_admin", Err(BadConnId::Reserved)),
        ] {
            let got = ConnId::new(name);
            assert_eq!(got.as_ref().map(ConnId::as_str).map_err(|why| *why), want, "{name:?}");
        }
    }
}
