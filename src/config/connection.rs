//! One connection: the spec that a conn_id stands for.

use std::time::Duration;

use super::Ca;

/// A logical connection name, checked once, so the rest of the code cannot meet a bad one.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnId(Box<str>);

impl ConnId {
    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a conn_id stands for. Facts and defaults: lava's connection spec, and product.md section 3.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ConnSpec {
    /// Its name.
    pub id: ConnId,
    /// A disabled connection is refused after the proof of the user.
    pub enabled: bool,
    /// DNS name or address to dial.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The name to send as SNI and to verify; the host, unless the spec says otherwise.
    pub tls_server_name: String,
    /// Who may vouch for this warehouse, where not `[upstream] ca`.
    pub ca: Option<Ca>,
    /// The real database, sent upstream and to GetCredentials.
    pub database: String,
    /// `workgroupName` of GetCredentials: 3–64 of `[a-z0-9-]`.
    pub workgroup: String,
    /// The spec's own, or the one in a Redshift host name. `None`: `[aws] region`, or the SDK's chain.
    pub region: Option<String>,
    /// The role to assume before GetCredentials; it decides the `IAMR:` name.
    pub role: Option<Role>,
    /// `durationSeconds` of GetCredentials: 900–3600 s.
    pub password_duration: Duration,
    /// Sessions of this process on this connection; at least 1.
    pub max_sessions: usize,
}

/// A role to assume.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Role {
    /// `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`
    pub arn: String,
    /// The name of the SSM parameter that holds the external id.
    pub external_id: Option<String>,
}
