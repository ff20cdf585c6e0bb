//! One connection: the spec that a conn_id stands for.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
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

    let host = host?;
    // A name in a certificate has no dot at its end.
    let tls_server_name = match tls_name {
        Some(name) => name?,
        None => host.trim_end_matches('.').to_owned(),
    };
    kind?;
    Some(ConnSpec {
        id: id?,
        enabled,
        host,
        port: port?,
        tls_server_name,
        ca: ca?,
        database: database?,
        workgroup: workgroup?,
        region: region?,
        role: role?,
        password_duration: password_duration?,
        max_sessions: max_sessions?,
    })
}

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
fn role(table: &mut Table<'_>) -> Option<Option<Role>> {
    let external_id = table.take("external_id");
    let checked = external_id.as_ref().map(|name| name.parse(value::parameter_name));
    let Some(arn) = table.take("role_arn") else {
        if let Some(external_id) = external_id {
            external_id.warn("without effect: there is no role_arn");
        }
        return checked.is_none_or(|name| name.is_some()).then_some(None);
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
    Some(Some(Role { arn: arn?, external_id }))
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
