//! Reads which warehouse a connection means: host, workgroup or cluster, Region.

use super::kind::{Warehouse, is_of_another, type_name};
use super::login::LoginFields;
use crate::config::reader::{Table, Value};
use crate::config::value::{self, Endpoint, Parsed, endpoint};

/// The place of the database, as far as the spec says.
#[derive(Debug)]
pub(super) struct Located {
    /// The host, as written.
    pub(super) host: Option<String>,
    /// The name of the workgroup or cluster.
    pub(super) name: Option<String>,
    /// The Region in the host's name.
    pub(super) region: Option<String>,
}

/// Reads `host`, `workgroup` and `cluster_id`. `None`: a problem was reported.
pub(super) fn located(table: &mut Table<'_>, warehouse: Option<Warehouse>, login: &LoginFields<'_>) -> Option<Located> {
    let host_place = table.take("host");
    let workgroup = named(table, "workgroup", warehouse, Warehouse::Serverless, value::workgroup);
    let cluster_id = named(table, "cluster_id", warehouse, Warehouse::Provisioned, value::cluster_id);
    let is_named = workgroup != Named::Missing || cluster_id != Named::Missing;
    let host = host_place
        .as_ref()
        .map(|place| place.parse(value::warehouse_host));
    if host.is_none() && !is_named && !login.has_secret() {
        let name = if warehouse == Some(Warehouse::Provisioned) { "cluster_id" } else { "workgroup" };
        table.report("host", format_args!("required: without it, {name} or secret_id has to say where"));
        return None;
    }
    let host = match host {
        Some(host) => Some(host?),
        None => None,
    };
    let warehouse = warehouse?;
    // One of them is missing: the name that the other type has was refused.
    let name = match (workgroup, cluster_id) {
        (Named::Unusable, _) | (_, Named::Unusable) => return None,
        (Named::Missing, Named::Missing) => None,
        (Named::Is(name), _) | (_, Named::Is(name)) => Some(name),
    };
    let mut located = Located { host: None, name, region: None };
    if let (Some(host), Some(place)) = (&host, &host_place) {
        learn(&mut located, table, (host, place), warehouse, login)?;
    }
    located.host = host;
    Some(located)
}

/// The name of a workgroup or cluster, as the spec gives it.
#[derive(Debug, Eq, PartialEq)]
enum Named {
    Missing,
    /// The name was refused, and a problem reported.
    Unusable,
    Is(String),
}

/// Reads a name that only one type has.
fn named<'a>(
    table: &mut Table<'a>,
    key: &'static str,
    warehouse: Option<Warehouse>,
    owner: Warehouse,
    parser: fn(&str) -> Parsed<String>,
) -> Named {
    let Some(given) = table.take(key) else { return Named::Missing };
    if is_of_another(&given, warehouse, owner) {
        return Named::Unusable;
    }
    given.parse(parser).map_or(Named::Unusable, Named::Is)
}

/// Learns the name and the Region from the host, by lava's first-label rule, where the host is an
/// endpoint of Redshift. Elsewhere a guess would only show at the first login, as "not found".
fn learn(
    located: &mut Located,
    table: &Table<'_>,
    (host, place): (&str, &Value<'_>),
    warehouse: Warehouse,
    login: &LoginFields<'_>,
) -> Option<()> {
    let (key, check): (_, fn(&str) -> Parsed<String>) = match warehouse {
        Warehouse::Serverless => ("workgroup", value::workgroup),
        Warehouse::Provisioned => ("cluster_id", value::cluster_id),
    };
    let (guess, of, region) = match endpoint(host) {
        Some(Endpoint::Serverless { workgroup, region }) => (workgroup, Warehouse::Serverless, region),
        Some(Endpoint::Provisioned { cluster, region }) => (cluster, Warehouse::Provisioned, region),
        None => {
            if located.name.is_none() && login.is_iam() {
                match value::unknown_suffix(host) {
                    Some(why) => place.report(why),
                    None => table.report(key, format_args!("{key} is required for a host that is no Redshift name")),
                }
                return None;
            }
            return Some(());
        }
    };
    located.region = Some(region);
    if of != warehouse {
        // With a stored password either type reaches either. GetClusterCredentials knows workgroups
        // under names of their own, which cluster_id can give.
        let by_name = warehouse == Warehouse::Provisioned && located.name.is_some();
        if login.is_iam() && !by_name {
            let what = match of {
                Warehouse::Serverless => "a workgroup",
                Warehouse::Provisioned => "a provisioned cluster",
            };
            let kind = type_name(warehouse);
            place.report(format_args!("is {what}'s name, which the type {kind} has no IAM credentials for"));
            return None;
        }
        return Some(());
    }
    if located.name.is_some() {
        return Some(());
    }
    if guess.contains("-endpoint-") && login.may_be_iam() {
        place.warn(format_args!("looks like a VPC endpoint's name; \"{guess}\" is taken for the {key}"));
    }
    match check(&guess) {
        Ok(name) => located.name = Some(name),
        Err(_) if !login.is_iam() => {}
        Err(why) => {
            place.report(format_args!("its first label is no {key}, which {why}"));
            return None;
        }
    }
    Some(())
}
