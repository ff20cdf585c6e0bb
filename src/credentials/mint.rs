//! The three calls that mint a login, and the two that find a warehouse, each under the identity
//! that the spec says.

use std::sync::Arc;

use aws_sdk_redshift::operation::describe_clusters::DescribeClustersOutput;
use aws_sdk_redshift::operation::get_cluster_credentials::GetClusterCredentialsOutput;
use aws_sdk_redshift::operation::get_cluster_credentials_with_iam::GetClusterCredentialsWithIamOutput;
use aws_sdk_redshiftserverless::operation::get_credentials::GetCredentialsOutput;
use aws_sdk_redshiftserverless::operation::get_workgroup::GetWorkgroupOutput;
use aws_sdk_sts::config::Credentials;
use aws_sdk_sts::primitives::DateTime;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::endpoint::{FoundAt, Wanted, WarehouseName};
use super::login::DbLogin;
use super::order::{Chain, LoginCall, Order};
use super::roles::{Identity, SessionKey, under_session};
use crate::aws::{AwsError, Calls};
use crate::cache::{Cache, Fetch};
use crate::secret::Secret;

/// Mints logins and finds warehouses.
pub(crate) struct Minter {
    pub(crate) calls: Arc<Calls>,
    pub(crate) sessions: Arc<Cache<SessionKey, Identity>>,
}

impl Minter {
    /// Asks under the identity of `caller`.
    async fn under<T, F>(
        &self,
        caller: &Chain,
        region: Option<&str>,
        ask: impl Fn(Option<Credentials>) -> F,
    ) -> Result<T, AwsError>
    where
        F: Future<Output = Result<T, AwsError>>,
    {
        if caller.hops.is_empty() {
            return ask(None).await;
        }
        let key = SessionKey::new(caller, self.calls.home(region));
        under_session(&self.sessions, &key, ask).await
    }

    async fn mint(&self, order: &Order) -> Result<DbLogin, AwsError> {
        self.under(&order.caller, order.region.as_deref(), |keys| self.ask_login(order, keys))
            .await
    }

    async fn ask_login(&self, order: &Order, keys: Option<Credentials>) -> Result<DbLogin, AwsError> {
        let region = order.region.as_deref();
        let clients = self.calls.clients(region);
        let quota = (order.caller.account(), region);
        // 900–3600 fits.
        let secs = i32::try_from(order.password_duration.as_secs()).unwrap_or(900);
        let call = order.call.call();
        match &order.call {
            LoginCall::Workgroup { workgroup, database } => {
                let send = || {
                    let request = clients.redshift_serverless().get_credentials();
                    let request = request
                        .workgroup_name(workgroup)
                        .db_name(database)
                        .duration_seconds(secs);
                    request
                        .customize()
                        .config_override(under!(aws_sdk_redshiftserverless, keys.as_ref()))
                        .send()
                };
                let read = |answer: GetCredentialsOutput| login(answer.db_user, answer.db_password, answer.expiration);
                self.calls.make(&call, quota, None, send, read).await
            }
            LoginCall::Cluster { cluster_id, database, user, auto_create, groups } => {
                let send = || {
                    let request = clients
                        .redshift()
                        .get_cluster_credentials()
                        .cluster_identifier(cluster_id);
                    let request = request
                        .db_name(database)
                        .db_user(user)
                        .auto_create(*auto_create);
                    let groups = Some(groups.clone()).filter(|groups| !groups.is_empty());
                    let request = request.set_db_groups(groups).duration_seconds(secs);
                    request
                        .customize()
                        .config_override(under!(aws_sdk_redshift, keys.as_ref()))
                        .send()
                };
                let read =
                    |answer: GetClusterCredentialsOutput| login(answer.db_user, answer.db_password, answer.expiration);
                self.calls.make(&call, quota, None, send, read).await
            }
            LoginCall::ClusterByIam { cluster_id, database } => {
                let send = || {
                    let request = clients
                        .redshift()
                        .get_cluster_credentials_with_iam()
                        .cluster_identifier(cluster_id);
                    let request = request.db_name(database).duration_seconds(secs);
                    request
                        .customize()
                        .config_override(under!(aws_sdk_redshift, keys.as_ref()))
                        .send()
                };
                let read = |answer: GetClusterCredentialsWithIamOutput| {
                    login(answer.db_user, answer.db_password, answer.expiration)
                };
                self.calls.make(&call, quota, None, send, read).await
            }
        }
    }

    async fn find(&self, wanted: &Wanted) -> Result<FoundAt, AwsError> {
        self.under(&wanted.caller, wanted.region.as_deref(), |keys| self.ask_endpoint(wanted, keys))
            .await
    }

    async fn ask_endpoint(&self, wanted: &Wanted, keys: Option<Credentials>) -> Result<FoundAt, AwsError> {
        let region = wanted.region.as_deref();
        let clients = self.calls.clients(region);
        let quota = (wanted.caller.account(), region);
        let call = wanted.name.call();
        match &wanted.name {
            WarehouseName::Workgroup(name) => {
                let send = || {
                    let request = clients
                        .redshift_serverless()
                        .get_workgroup()
                        .workgroup_name(name);
                    request
                        .customize()
                        .config_override(under!(aws_sdk_redshiftserverless, keys.as_ref()))
                        .send()
                };
                let read = |answer: GetWorkgroupOutput| {
                    let endpoint = answer.workgroup.and_then(|workgroup| workgroup.endpoint);
                    let endpoint = endpoint.ok_or("the workgroup has no endpoint (yet)")?;
                    found_at(endpoint.address, endpoint.port)
                };
                self.calls.make(&call, quota, None, send, read).await
            }
            WarehouseName::Cluster(name) => {
                let send = || {
                    let request = clients
                        .redshift()
                        .describe_clusters()
                        .cluster_identifier(name);
                    request
                        .customize()
                        .config_override(under!(aws_sdk_redshift, keys.as_ref()))
                        .send()
                };
                let read = |answer: DescribeClustersOutput| {
                    let cluster = answer.clusters.unwrap_or_default().into_iter().next();
                    let cluster = cluster.ok_or("the answer has no cluster")?;
                    let endpoint = cluster
                        .endpoint
                        .ok_or("the cluster has no endpoint (yet)")?;
                    found_at(endpoint.address, endpoint.port)
                };
                self.calls.make(&call, quota, None, send, read).await
            }
        }
    }
}

fn login(user: Option<String>, password: Option<String>, until: Option<DateTime>) -> Result<DbLogin, &'static str> {
    let until = until.ok_or("the answer has no expiration")?;
    Ok(DbLogin {
        user: user.ok_or("the answer has no database user")?,
        password: Secret::new(password.ok_or("the answer has no password")?),
        expires_at: Some(
            until
                .try_into()
                .map_err(|_range| "an expiration out of range")?,
        ),
    })
}

fn found_at(host: Option<String>, port: Option<i32>) -> Result<FoundAt, &'static str> {
    let host = host
        .filter(|host| !host.is_empty())
        .ok_or("the endpoint has no address")?;
    let port = port
        .and_then(|port| u16::try_from(port).ok())
        .filter(|port| *port != 0);
    Ok(FoundAt { host, port: port.ok_or("the endpoint has no port")? })
}

impl Fetch<Order, DbLogin> for Minter {
    fn fetch<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<DbLogin, AwsError>> {
        self.mint(order).boxed()
    }

    fn name(&self, order: &Order) -> String {
        order.call.call().to_string()
    }
}

impl Fetch<Wanted, FoundAt> for Minter {
    fn fetch<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<FoundAt, AwsError>> {
        self.find(wanted).boxed()
    }

    fn name(&self, wanted: &Wanted) -> String {
        wanted.name.call().to_string()
    }
}
