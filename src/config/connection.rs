//! One connection: the spec that a conn_id stands for.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::keys::NOT_YET_SUPPORTED;
use super::reader::{Table, Value};
use super::value::{self, Endpoint};
use super::{Ca, sections};

/// A logical connection name, checked once, so the rest of the code cannot meet a bad one.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnId(Box<str>);

impl ConnId {
    /// 1–63 bytes of visible characters, blanks within allowed; no `*` and `?`, which rights use as globs.
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

/// What a conn_id stands for: what its source says, before a secret fills what is missing. Facts and defaults: lava's
/// connection spec (connection-spec.md 2), and product.md section 3.
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
    /// DNS name or address to dial. `None`: the secret's, or what GetWorkgroup or DescribeClusters says.
    pub host: Option<String>,
    /// TCP port. `None`: as the host; at last 5439.
    pub port: Option<u16>,
    /// The real database, sent upstream and to the credential API. `None`: the secret's.
    pub database: Option<String>,
    /// The database user: that of a stored password, or the `DbUser` of GetClusterCredentials.
    pub user: Option<String>,
    /// The NAME of the SSM parameter that holds the password: no IAM credentials then.
    pub password: Option<String>,
    /// Name or ARN of the Secrets Manager secret that fills the fields not given here.
    pub secret_id: Option<String>,
    /// `workgroupName`: 3–64 of `[a-z0-9-]`. `None`: the first label of a Redshift endpoint's name.
    pub workgroup: Option<String>,
    /// `ClusterIdentifier`: 1–63 of `[a-z0-9-]`. `None`: the first label of a Redshift endpoint's name.
    pub cluster_id: Option<String>,
    /// `None`: the one in the host's name, `[aws] region`, or the SDK's chain.
    pub region: Option<String>,
    /// The roles to assume one after the other; the last one decides the `IAMR:` name. Empty: the base identity's own.
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
    /// Users with different `db_roles` over one role are accepted, though they share one `IAMR:` user.
    pub shared_user_roles: bool,
    /// Database users that no `per-user` login on a provisioned cluster may be for.
    pub deny_db_users: Vec<String>,
    /// The name to send as SNI and to verify. `None`: the host.
    pub tls_server_name: Option<String>,
    /// Who may vouch for this warehouse, where not `[upstream] ca`.
    pub ca: Option<Ca>,
    /// Sessions of this process on this connection; at least 1.
    pub max_sessions: usize,
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
    /// One login for each user: the STS session, its `RedshiftDbRoles` tag, or the `DbUser` are the user's own.
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

/// What a writer of `[specs] dynamodb_table` may say; checked after the item is merged with its secret.
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
}

/// `[connections.*]`, each entry already taken out of its table.
pub(super) fn connections(entries: &[Value<'_>], password_duration: Duration) -> BTreeMap<ConnId, Arc<ConnSpec>> {
    let mut specs = BTreeMap::new();
    for entry in entries {
        let id = ConnId::new(&entry.name).map_err(|why| entry.fault(why)).ok();
        if let Some(spec) = spec(id, entry.table("connections.*"), password_duration) {
            specs.insert(spec.id.clone(), Arc::new(spec));
        }
    }
    specs
}

/// `None`: at least one fault was told.
fn spec(id: Option<ConnId>, mut table: Table<'_>, password_duration: Duration) -> Option<ConnSpec> {
    let named = table.take("conn_id").filter(|value| value.text().is_some_and(|name| Some(&*name) != id_text(&id)));
    if let Some(named) = named {
        named.fault("must be the name of its table, or left out");
    }
    let kind = table.require("type").and_then(|kind| {
        kind.parse(|text| match text.to_lowercase().as_str() {
            "redshift-serverless" => Ok(()),
            "redshift" => Err(format!("\"redshift\" is {NOT_YET_SUPPORTED}").into()),
            _ => Err("must be \"redshift-serverless\"".into()),
        })
    });
    let enabled = table.take("enabled").and_then(|is| is.bool()).unwrap_or(true);
    let host_place = table.require("host");
    let host = host_place.as_ref().and_then(|host| host.parse(value::host));
    let port = table.take("port").map_or(Some(5439), |port| port.port());
    let database = table.require("database").and_then(|name| name.parse(value::database));
    let (workgroup, host_region) = workgroup(&mut table, host_place.as_ref(), host.as_deref(), kind.is_some());
    let region = table.take("region").map_or(Some(host_region), |region| region.parse(value::region).map(Some));
    let role = role(&mut table);
    let duration = table.take("password_duration");
    let password_duration = duration.map_or(Some(password_duration), |given| given.duration(value::password_duration));
    let ca = table.take("ca").map_or(Some(None), |ca| sections::ca(&ca).map(Some));
    let tls_name = table.take("tls_server_name").map(|name| name.parse(value::host));
    let max_sessions = table.take("max_sessions").map_or(Some(MAX_SESSIONS_SERVERLESS), |count| count.count());
    without_effect(&mut table);
    table.finish();

    // A name in a certificate has no dot at its end.
    let tls_server_name = match tls_name {
        Some(name) => Some(name?),
        None => host.as_ref().map(|host| host.trim_end_matches('.').to_owned()),
    };
    kind?;
    Some(ConnSpec {
        id: id?,
        warehouse: Warehouse::Serverless,
        enabled,
        description: None,
        owner: None,
        host: Some(host?),
        port: Some(port?),
        database: Some(database?),
        user: None,
        password: None,
        secret_id: None,
        workgroup: Some(workgroup?),
        cluster_id: None,
        region: region?,
        role_hops: role?,
        web_identity_token_file: None,
        tags: BTreeMap::new(),
        auto_create: false,
        db_groups: Vec::new(),
        password_duration: password_duration?,
        identity: LoginIdentity::Shared,
        shared_user_roles: false,
        deny_db_users: DENY_DB_USERS.map(str::to_owned).to_vec(),
        tls_server_name,
        ca: ca?,
        max_sessions: max_sessions?,
        bounds: None,
    })
}

/// Superusers that a cluster has from the start.
const DENY_DB_USERS: [&str; 3] = ["awsuser", "admin", "rdsdb"];

/// What a workgroup takes is 2000 connections; some are left to others.
const MAX_SESSIONS_SERVERLESS: usize = 1900;

fn id_text(id: &Option<ConnId>) -> Option<&str> {
    id.as_ref().map(ConnId::as_str)
}

/// The workgroup, and the Region that the host's name tells. lava's first-label rule, where the host is an endpoint of
/// Redshift; elsewhere a guess would only show at the first login, as "not found".
fn workgroup(
    table: &mut Table<'_>,
    host_place: Option<&Value<'_>>,
    host: Option<&str>,
    is_serverless: bool,
) -> (Option<String>, Option<String>) {
    let given = table.take("workgroup");
    let (guess, region) = match (host.and_then(value::endpoint), host_place) {
        (Some(Endpoint::Provisioned), Some(place)) => {
            // With another type, the type is what is at fault.
            if is_serverless {
                place.fault("is a provisioned cluster's name, which the type redshift-serverless cannot reach");
            }
            return (given.and_then(|name| name.parse(value::workgroup)), None);
        }
        (Some(Endpoint::Serverless { workgroup, region }), Some(place)) => (Some((workgroup, place)), Some(region)),
        _ => (None, None),
    };
    let workgroup = match (given, guess) {
        (Some(name), _) => name.parse(value::workgroup),
        (None, Some((name, place))) => {
            if name.contains("-endpoint-") {
                place.warn(format_args!("looks like a VPC endpoint's name; \"{name}\" is taken for the workgroup"));
            }
            let checked = value::workgroup(&name);
            checked.map_err(|why| place.fault(format_args!("its first label is no workgroup's name, which {why}"))).ok()
        }
        (None, None) => {
            // Without a host there is one fault already.
            if host.is_some() {
                table.fault("workgroup", "workgroup is required for a host that is no Redshift name");
            }
            None
        }
    };
    (workgroup, region)
}

/// `None`: a fault was told.
fn role(table: &mut Table<'_>) -> Option<Vec<RoleHop>> {
    let external_id = table.take("external_id");
    let checked = external_id.as_ref().map(|name| name.parse(value::parameter_name));
    let Some(arn) = table.take("role_arn") else {
        if let Some(external_id) = external_id {
            external_id.warn("without effect: there is no role_arn");
        }
        return checked.is_none_or(|name| name.is_some()).then_some(Vec::new());
    };
    if arn.is_array() {
        arn.fault(format_args!("a list of roles is {NOT_YET_SUPPORTED}"));
        return None;
    }
    let arn = arn.parse(value::role_arn);
    let external_id = match checked {
        Some(name) => Some(name?),
        None => None,
    };
    Some(vec![RoleHop { role_arn: arn?, external_id }])
}

/// Keys of lava's that mean nothing here, or nothing for this type: checked, then dropped.
fn without_effect(table: &mut Table<'_>) {
    for name in ["description", "owner", "user", "subtype"] {
        let _checked = table.take(name).and_then(|value| value.text());
    }
    let _checked = table.take("preserve_case").and_then(|value| value.bool());
    if let Some(ssl) = table.take("ssl").filter(|ssl| ssl.bool() == Some(false)) {
        ssl.warn("ignored: TLS to the warehouse is always on and verified");
    }
    if let Some(identity) = table.take("identity") {
        identity.parse(|text| match text {
            "shared" => Ok(()),
            "per-user" => Err(format!("\"per-user\" is {NOT_YET_SUPPORTED}").into()),
            _ => Err("must be \"shared\" or \"per-user\"".into()),
        });
    }
    table.ignore(|name| name.starts_with("x-") || name.starts_with("X-"));
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
