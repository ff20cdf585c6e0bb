//! The world that the endpoint answers for: who may call, and what there is. Plain data, no
//! behaviour.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

/// The world that an [`Aws`](super::Aws) starts with. The default is the demo's world: the IAM user
/// `proxy`, whose keys may assume the role `rs01` with an external id, which in turn may log in to
/// the workgroup `analytics`.
#[derive(Clone)]
pub struct AwsOptions {
    /// The address to listen at. Port 0: any free one. Only loopback addresses are accepted.
    pub listen: SocketAddr,
    /// The account of the user, the parameters and the workgroups: twelve digits.
    pub account: String,
    /// The Region that requests must be signed for; [`Aws::put_region`](super::Aws::put_region)
    /// adds others.
    pub region: String,
    /// The IAM user who owns the base keys: a name without a path.
    pub user: String,
    /// The base keys' id.
    pub access_key_id: String,
    /// The base keys' secret.
    pub secret_access_key: String,
    /// The SSM parameters, by name.
    pub parameters: BTreeMap<String, Parameter>,
    /// The roles that may be assumed, by ARN.
    pub roles: BTreeMap<String, RoleRule>,
    /// The Redshift Serverless workgroups, by name.
    pub workgroups: BTreeMap<String, Workgroup>,
    /// The provisioned Redshift clusters, by identifier.
    pub clusters: BTreeMap<String, Cluster>,
    /// The secrets of Secrets Manager, by name.
    pub secrets: BTreeMap<String, SecretValue>,
}

/// An SSM parameter.
#[derive(Clone, Eq, PartialEq)]
pub struct Parameter {
    /// The value in clear, also of a SecureString.
    pub value: String,
    /// How SSM keeps it.
    pub kind: ParameterKind,
}

/// The types of parameter that SSM has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ParameterKind {
    /// Text.
    String,
    /// Comma-separated texts, handed out as one text.
    StringList,
    /// Handed out in clear only when asked `WithDecryption`.
    SecureString,
}

/// The demands of a role's trust policy. The default trusts every signed caller but the role
/// itself, without tags.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct RoleRule {
    /// The external id to be given with AssumeRole, exactly. `None`: any or none will do.
    pub external_id: Option<String>,
    /// The ARNs of the roles and users that may assume it. `None`: all but the role itself, which
    /// must be listed.
    pub callers: Option<Vec<String>>,
    /// Whether `sts:TagSession` is allowed, which session tags need: those that are given, and
    /// those that a session brings along because they are transitive.
    pub tag_session: bool,
    /// The subjects of web identity tokens that may assume it by AssumeRoleWithWebIdentity.
    pub web_subjects: Vec<String>,
}

/// The claims of a web identity token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebIdentity {
    /// Its `sub` claim.
    pub subject: String,
    /// The moment from which the token is refused as expired, by the endpoint's time, as signatures
    /// are.
    pub expires_at: SystemTime,
}

/// A secret of Secrets Manager.
#[derive(Clone, Eq, PartialEq)]
pub enum SecretValue {
    /// Told as `SecretString`.
    Text(String),
    /// Told as `SecretBinary`, in base64.
    Binary(Vec<u8>),
}

/// How far the endpoint's clock is from the machine's. See [`Aws::skew`](super::Aws::skew).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Skew {
    /// Both clocks agree.
    #[default]
    None,
    /// The endpoint's is ahead: what is signed now has expired.
    Ahead(Duration),
    /// The endpoint's is behind: what is signed now is not yet current.
    Behind(Duration),
}

/// A Redshift Serverless workgroup.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Workgroup {
    /// The ARNs of the roles and users that may call GetCredentials and GetWorkgroup for it.
    pub callers: Vec<String>,
    /// The endpoint's host, as GetWorkgroup tells it.
    pub host: String,
    /// The endpoint's port, as GetWorkgroup tells it.
    pub port: u16,
}

/// A provisioned Redshift cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cluster {
    /// The ARNs of the roles and users that may call all three operations for it.
    pub callers: Vec<String>,
    /// The database users there are, without a prefix. AutoCreate adds to them when credentials are
    /// handed out, not at the first login with them.
    pub users: BTreeSet<String>,
    /// The endpoint's host, as DescribeClusters tells it.
    pub host: String,
    /// The endpoint's port, as DescribeClusters tells it.
    pub port: u16,
    /// `ClusterStatus`. One that is `creating` has no endpoint yet.
    pub status: String,
}

impl Default for Cluster {
    /// An available one at `localhost:5439` that has no database users, and that nobody may ask
    /// about.
    fn default() -> Self {
        let (host, status) = ("localhost".to_owned(), "available".to_owned());
        Self { callers: Vec::new(), users: BTreeSet::new(), host, port: 5439, status }
    }
}

impl Default for AwsOptions {
    fn default() -> Self {
        let external_id = "sandbox-external-id-5f0c";
        let role = "arn:aws:iam::123456789012:role/rs01";
        let parameter = Parameter { value: external_id.to_owned(), kind: ParameterKind::SecureString };
        let rule = RoleRule { external_id: Some(external_id.to_owned()), tag_session: true, ..RoleRule::default() };
        let workgroup = Workgroup {
            callers: vec![role.to_owned()],
            host: "analytics.123456789012.ap-southeast-2.redshift-serverless.amazonaws.com".to_owned(),
            port: 5439,
        };
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            account: "123456789012".to_owned(),
            region: "ap-southeast-2".to_owned(),
            user: "proxy".to_owned(),
            access_key_id: "AKIASANDBOXEXAMPLE00".to_owned(),
            secret_access_key: "sandbox/secret/access/key/EXAMPLE0000000".to_owned(),
            parameters: BTreeMap::from([("/lava/demo/rs01-external-id".to_owned(), parameter)]),
            roles: BTreeMap::from([(role.to_owned(), rule)]),
            workgroups: BTreeMap::from([("analytics".to_owned(), workgroup)]),
            clusters: BTreeMap::new(),
            secrets: BTreeMap::new(),
        }
    }
}

/// Leaves out the secret key; parameters and roles leave out theirs.
impl fmt::Debug for AwsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsOptions")
            .field("listen", &self.listen)
            .field("account", &self.account)
            .field("region", &self.region)
            .field("user", &self.user)
            .field("access_key_id", &self.access_key_id)
            .field("parameters", &self.parameters)
            .field("roles", &self.roles)
            .field("workgroups", &self.workgroups)
            .field("clusters", &self.clusters)
            .field("secrets", &self.secrets)
            .finish_non_exhaustive()
    }
}

/// Leaves out the value.
impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameter")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Leaves out the external id.
impl fmt::Debug for RoleRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleRule")
            .field("wants_external_id", &self.external_id.is_some())
            .field("callers", &self.callers)
            .field("tag_session", &self.tag_session)
            .field("web_subjects", &self.web_subjects)
            .finish()
    }
}

/// Leaves out the value.
impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text",
            Self::Binary(_) => "Binary",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_holds_no_secret() {
        let secrets = BTreeMap::from([("s".to_owned(), SecretValue::Text("sandbox-external-id".to_owned()))]);
        let options = AwsOptions { secrets, ..AwsOptions::default() };
        let shown = format!("{options:?}");
        assert!(!shown.contains(&options.secret_access_key) && !shown.contains("sandbox-external-id"), "{shown}");
    }
}
