//! The endpoints of warehouses, looked up at AWS.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_redshift::operation::describe_clusters::DescribeClustersOutput;
use aws_sdk_redshiftserverless::operation::get_workgroup::GetWorkgroupOutput;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::chain::Chain;
use super::roles::{Roles, as_caller};
use super::signer::{Signer, send_as};
use crate::aws::{AwsError, Call, Calls, Operation};
use crate::cache::{Cache, Fetch, Perishable};

/// How long an endpoint is used before it is looked up again.
pub(crate) const ENDPOINT_MAX_AGE: Duration = Duration::from_secs(600);

/// Everything that shapes an endpoint: the key of the cache of endpoints.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct EndpointKey {
    /// The identity that looks the endpoint up.
    pub(crate) caller: Chain,
    /// The warehouse's region. `None`: the base identity's own.
    pub(crate) region: Option<String>,
    /// The name to look up.
    pub(crate) name: WarehouseName,
}

/// A warehouse's name at AWS.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum WarehouseName {
    /// A workgroup of Redshift Serverless, by its `workgroupName`.
    Workgroup(String),
    /// A provisioned cluster, by its `ClusterIdentifier`.
    Cluster(String),
}

/// The host and port of a warehouse, as AWS gave them.
#[derive(Debug)]
pub(crate) struct FoundEndpoint {
    /// The DNS name of the endpoint.
    pub(crate) host: String,
    /// The TCP port of the endpoint.
    pub(crate) port: u16,
}

/// The source of endpoints: GetWorkgroup and DescribeClusters.
pub(crate) struct EndpointFinder {
    /// The way to call AWS.
    pub(crate) calls: Arc<Calls>,
    /// The role sessions to call as.
    pub(crate) sessions: Arc<Cache<Roles>>,
}

impl WarehouseName {
    /// The call that looks the warehouse up.
    fn call(&self) -> Call {
        match self {
            Self::Workgroup(name) => Call::new(Operation::GetWorkgroup, name),
            Self::Cluster(name) => Call::new(Operation::DescribeClusters, name),
        }
    }
}

impl Perishable for FoundEndpoint {
    fn expires_at(&self) -> Option<SystemTime> {
        None
    }
}

impl EndpointFinder {
    async fn find(&self, key: &EndpointKey, signer: Signer) -> Result<FoundEndpoint, AwsError> {
        let region = key.region.as_deref();
        let clients = self.calls.clients(region);
        let quota = (key.caller.account(), region);
        let (calls, call, signer) = (&self.calls, key.name.call(), &signer);
        match &key.name {
            WarehouseName::Workgroup(name) => {
                let request = clients.redshift_serverless().get_workgroup();
                let request = request.workgroup_name(name);
                let send = send_as!(aws_sdk_redshiftserverless, request, signer);
                let read = |answer: GetWorkgroupOutput| {
                    let endpoint = answer.workgroup.and_then(|workgroup| workgroup.endpoint);
                    let endpoint = endpoint.ok_or("the workgroup has no endpoint (yet)")?;
                    endpoint_at(endpoint.address, endpoint.port)
                };
                calls.make(&call, quota, None, send, read).await
            }
            WarehouseName::Cluster(name) => {
                let request = clients.redshift().describe_clusters();
                let request = request.cluster_identifier(name);
                let send = send_as!(aws_sdk_redshift, request, signer);
                let read = |answer: DescribeClustersOutput| {
                    let cluster = answer.clusters.unwrap_or_default().into_iter().next();
                    let cluster = cluster.ok_or("the answer has no cluster")?;
                    let endpoint = cluster
                        .endpoint
                        .ok_or("the cluster has no endpoint (yet)")?;
                    endpoint_at(endpoint.address, endpoint.port)
                };
                calls.make(&call, quota, None, send, read).await
            }
        }
    }
}

/// Checks the endpoint of an answer.
fn endpoint_at(host: Option<String>, port: Option<i32>) -> Result<FoundEndpoint, &'static str> {
    let host = host
        .filter(|host| !host.is_empty())
        .ok_or("the endpoint has no address")?;
    let port = port
        .and_then(|port| u16::try_from(port).ok())
        .filter(|port| *port != 0);
    Ok(FoundEndpoint { host, port: port.ok_or("the endpoint has no port")? })
}

impl Fetch for EndpointFinder {
    type Key = EndpointKey;
    type Value = FoundEndpoint;
    type Error = AwsError;

    fn fetch<'a>(
        &'a self,
        key: &'a EndpointKey,
        _cache: &'a Arc<Cache<Self>>,
    ) -> BoxFuture<'a, Result<FoundEndpoint, AwsError>> {
        let region = self.calls.home(key.region.as_deref());
        as_caller(&self.sessions, &key.caller, region, |signer| self.find(key, signer)).boxed()
    }

    fn name(&self, key: &EndpointKey) -> String {
        key.name.call().to_string()
    }
}
