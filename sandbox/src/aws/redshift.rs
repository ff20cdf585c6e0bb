//! Redshift GetClusterCredentials, GetClusterCredentialsWithIAM and DescribeClusters (Amazon
//! Redshift API reference, Version 2012-12-01).
//!
//! Custom domain names are not modelled: none is registered. Nor is it checked that a name is no
//! reserved word. Who may call for a cluster may do so for each database, user and group of it.

mod bounds;

use std::time::Duration;

use self::bounds::Bounds;
use super::call::Call;
use super::encoding::xml_escape;
use super::identity::Caller;
use super::operation::Operation;
use super::options::Cluster;
use super::refusal::Refusal;
use super::service::Protocol;
use super::timestamp::extended;
use super::world::World;
use crate::logins::Login;

/// How long before its expiry a password gives way to a new one; see
/// [`Logins::mint`](crate::logins::Logins::mint).
const REFRESHED_BEFORE: Duration = Duration::from_secs(60);

/// A status in which there is no endpoint yet.
const CREATING: &str = "creating";

/// Answers GetClusterCredentials with a login that the warehouse honours, if there is such a
/// database user; without, with one that it does not. XML, without the envelope.
///
/// # Errors
/// MissingParameter, InvalidParameterValue, ClusterNotFound, AccessDenied.
pub(super) async fn get_credentials(
    world: &World,
    caller: &Caller,
    region: &str,
    call: &Call,
) -> Result<String, Refusal> {
    let bounds = Bounds(call);
    let user = bounds.user()?;
    bounds.database()?;
    let groups = bounds.groups()?;
    let create = bounds.flag("AutoCreate")?.unwrap_or(false);
    let life = bounds.duration()?;
    let (name, cluster) = cluster(world, Operation::GetClusterCredentials, caller, region, call)?;

    let prefix = if create { "IAMA" } else { "IAM" };
    let shown = groups
        .iter()
        .fold(format!("{prefix}:{user}"), |shown, group| format!("{shown}:{group}"));
    if create {
        world.create_user(name, user);
    }
    let login = if create || cluster.users.contains(user) {
        world.logins.mint_as(&shown, user, life).await
    } else {
        world.logins.hollow(&shown, user, life)
    };
    Ok(told(world, &login))
}

/// Answers GetClusterCredentialsWithIAM, for the database user that the caller's identity gives. It
/// is made at the first login. XML, without the envelope.
///
/// # Errors
/// As [`get_credentials`].
pub(super) async fn get_credentials_with_iam(
    world: &World,
    caller: &Caller,
    region: &str,
    call: &Call,
) -> Result<String, Refusal> {
    let bounds = Bounds(call);
    bounds.database()?;
    let life = bounds.duration()?;
    cluster(world, Operation::GetClusterCredentialsWithIam, caller, region, call)?;
    let login = world.logins.mint(&caller.database_user(), life).await;
    let refresh = extended(world.by_its_clock(login.expires_at - REFRESHED_BEFORE));
    Ok(format!("{}<NextRefreshTime>{refresh}</NextRefreshTime>", told(world, &login)))
}

/// Answers DescribeClusters: the one that is asked for, or all that the caller may ask about, a
/// page at a time. XML, without the envelope.
///
/// # Errors
/// InvalidParameterValue, ClusterNotFound, AccessDenied.
pub(super) fn describe_clusters(world: &World, caller: &Caller, region: &str, call: &Call) -> Result<String, Refusal> {
    let most = Bounds(call).max_records()?;
    if call.field("ClusterIdentifier").is_some() {
        let (name, cluster) = cluster(world, Operation::DescribeClusters, caller, region, call)?;
        return Ok(format!("<Clusters>{}</Clusters>", described(world, region, name, &cluster)));
    }
    let marker = call.field("Marker").unwrap_or_default();
    let all = world.clusters();
    let mut seen = all
        .iter()
        .filter(|(name, cluster)| name.as_str() > marker && cluster.callers.contains(&caller.policy_arn()))
        .peekable();
    let (mut clusters, mut last) = (String::new(), "");
    for (name, cluster) in seen.by_ref().take(most) {
        clusters.push_str(&described(world, region, name, cluster));
        last = name;
    }
    let marker = seen
        .peek()
        .map(|_| format!("<Marker>{}</Marker>", xml_escape(last)))
        .unwrap_or_default();
    Ok(format!("{marker}<Clusters>{clusters}</Clusters>"))
}

/// The resource of the operation, as a refusal names it: the database user or the database of a
/// cluster, or itself.
pub(super) fn resource(world: &World, operation: Operation, region: &str, call: &Call) -> String {
    let field = |name: &str| call.field(name).unwrap_or_default();
    let (cluster, account) = (field("ClusterIdentifier"), &world.account);
    let resource = match operation {
        Operation::GetClusterCredentials => format!("dbuser:{cluster}/{}", field("DbUser")),
        Operation::GetClusterCredentialsWithIam => {
            format!("dbname:{cluster}/{}", call.field("DbName").unwrap_or("*"))
        }
        _ => format!("cluster:{}", call.field("ClusterIdentifier").unwrap_or("*")),
    };
    format!("arn:aws:redshift:{region}:{account}:{resource}")
}

/// The cluster that is named, if it exists and the caller may use it.
fn cluster<'a>(
    world: &World,
    operation: Operation,
    caller: &Caller,
    region: &str,
    call: &'a Call,
) -> Result<(&'a str, Cluster), Refusal> {
    let name = match (call.field("ClusterIdentifier"), call.field("CustomDomainName")) {
        (Some(name), _) => name,
        (None, Some(domain)) => {
            return Err(Refusal::cluster_not_found(format!("Cluster with custom domain name {domain} not found.")));
        }
        (None, None) => return Err(Refusal::missing_parameter("ClusterIdentifier")),
    };
    let cluster = world
        .cluster(name)
        .ok_or_else(|| Refusal::cluster_not_found(format!("Cluster {name} not found.")))?;
    if cluster.callers.contains(&caller.policy_arn()) {
        return Ok((name, cluster));
    }
    let resource = resource(world, operation, region, call);
    Err(Refusal::denied(Protocol::Query, &operation.action(), &caller.arn(), &resource))
}

fn told(world: &World, login: &Login) -> String {
    let (user, password) = (xml_escape(&login.user), xml_escape(&login.password));
    let expiration = extended(world.by_its_clock(login.expires_at));
    format!("<DbUser>{user}</DbUser><DbPassword>{password}</DbPassword><Expiration>{expiration}</Expiration>")
}

fn described(world: &World, region: &str, name: &str, cluster: &Cluster) -> String {
    let Cluster { host, port, status, .. } = cluster;
    let endpoint = if status == CREATING {
        String::new()
    } else {
        format!("<Endpoint><Address>{}</Address><Port>{port}</Port></Endpoint>", xml_escape(host))
    };
    let availability = if status == "available" { "Available" } else { "Unavailable" };
    let (account, name, status) = (&world.account, xml_escape(name), xml_escape(status));
    format!(
        "<Cluster><ClusterIdentifier>{name}</ClusterIdentifier><NodeType>ra3.large</NodeType>\
         <ClusterStatus>{status}</ClusterStatus><ClusterAvailabilityStatus>{availability}</ClusterAvailabilityStatus>\
         <MasterUsername>awsuser</MasterUsername><DBName>dev</DBName>{endpoint}\
         <ClusterNamespaceArn>arn:aws:redshift:{region}:{account}:namespace:{name}</ClusterNamespaceArn>\
         <PubliclyAccessible>false</PubliclyAccessible></Cluster>"
    )
}

#[cfg(test)]
mod tests;
