//! Which warehouse a spec means: host, workgroup or cluster, Region.

use super::kind::{is_of_another, type_name};
use super::login::Login;
use super::spec::Warehouse;
use crate::config::reader::{Table, Value};
use crate::config::value::{self, Endpoint, Parsed, endpoint};

/// Where the database is, as far as the spec says.
#[derive(Debug, Default)]
pub(super) struct Target {
    pub(super) host: Option<String>,
    pub(super) workgroup: Option<String>,
    pub(super) cluster_id: Option<String>,
    /// The one in the host's name.
    pub(super) region: Option<String>,
}

/// `None`: a fault was told.
pub(super) fn target(table: &mut Table<'_>, warehouse: Option<Warehouse>, login: &Login<'_>) -> Option<Target> {
    let host_place = table.take("host");
    let workgroup = named(table, "workgroup", warehouse, Warehouse::Serverless, value::workgroup);
    let cluster_id = named(table, "cluster_id", warehouse, Warehouse::Provisioned, value::cluster_id);
    let is_named = workgroup.is_some() || cluster_id.is_some();
    let host = host_place
        .as_ref()
        .map(|place| place.parse(value::warehouse_host));
    if host.is_none() && !is_named && !login.has_secret() {
        let name = if warehouse == Some(Warehouse::Provisioned) { "cluster_id" } else { "workgroup" };
        table.fault("host", format_args!("required: without it, {name} or secret_id has to say where"));
        return None;
    }
    let host = match host {
        Some(host) => Some(host?),
        None => None,
    };
    let warehouse = warehouse?;
    let mut target = Target {
        workgroup: workgroup.map_or(Some(None), |name| name.map(Some))?,
        cluster_id: cluster_id.map_or(Some(None), |name| name.map(Some))?,
        ..Target::default()
    };
    if let (Some(host), Some(place)) = (&host, &host_place) {
        learn(&mut target, table, (host, place), warehouse, login)?;
    }
    target.host = host;
    Some(target)
}

/// A name that only one type has. `Some(None)`: it will not do.
fn named<'a>(
    table: &mut Table<'a>,
    key: &'static str,
    warehouse: Option<Warehouse>,
    owner: Warehouse,
    parser: fn(&str) -> Parsed<String>,
) -> Option<Option<String>> {
    let given = table.take(key)?;
    if is_of_another(&given, warehouse, owner) {
        return Some(None);
    }
    Some(given.parse(parser))
}

/// What the host's name tells. lava's first-label rule, where the host is an endpoint of Redshift;
/// elsewhere a guess would only show at the first login, as "not found".
fn learn(
    target: &mut Target,
    table: &Table<'_>,
    (host, place): (&str, &Value<'_>),
    warehouse: Warehouse,
    login: &Login<'_>,
) -> Option<()> {
    let (slot, key, check): (_, _, fn(&str) -> Parsed<String>) = match warehouse {
        Warehouse::Serverless => (&mut target.workgroup, "workgroup", value::workgroup),
        Warehouse::Provisioned => (&mut target.cluster_id, "cluster_id", value::cluster_id),
    };
    let (guess, of, region) = match endpoint(host) {
        Some(Endpoint::Serverless { workgroup, region }) => (workgroup, Warehouse::Serverless, region),
        Some(Endpoint::Provisioned { cluster, region }) => (cluster, Warehouse::Provisioned, region),
        None => {
            if slot.is_none() && login.is_iam() {
                match value::unknown_suffix(host) {
                    Some(why) => place.fault(why),
                    None => table.fault(key, format_args!("{key} is required for a host that is no Redshift name")),
                }
                return None;
            }
            return Some(());
        }
    };
    target.region = Some(region);
    if of != warehouse {
        // With a stored password either type reaches either. GetClusterCredentials knows workgroups
        // under names of their own, which cluster_id can give.
        let by_name = warehouse == Warehouse::Provisioned && slot.is_some();
        if login.is_iam() && !by_name {
            let what = match of {
                Warehouse::Serverless => "a workgroup",
                Warehouse::Provisioned => "a provisioned cluster",
            };
            let kind = type_name(warehouse);
            place.fault(format_args!("is {what}'s name, which the type {kind} has no IAM credentials for"));
            return None;
        }
        return Some(());
    }
    if slot.is_some() {
        return Some(());
    }
    if guess.contains("-endpoint-") && login.may_be_iam() {
        place.warn(format_args!("looks like a VPC endpoint's name; \"{guess}\" is taken for the {key}"));
    }
    match check(&guess) {
        Ok(name) => *slot = Some(name),
        Err(_) if !login.is_iam() => {}
        Err(why) => {
            place.fault(format_args!("its first label is no {key}, which {why}"));
            return None;
        }
    }
    Some(())
}
