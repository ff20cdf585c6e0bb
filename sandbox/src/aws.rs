//! The AWS endpoint: all of AWS that leads to a login, on one loopback address.
//!
//! One HTTP/1.1 endpoint for all services, to be given to SDKs and the CLI as `endpoint_url` (or
//! `AWS_ENDPOINT_URL`). It answers
//! * SSM GetParameter and GetParametersByPath, Secrets Manager GetSecretValue, DynamoDB GetItem and
//!   Scan,
//! * STS AssumeRole, AssumeRoleWithWebIdentity and GetCallerIdentity,
//! * Redshift Serverless GetCredentials and GetWorkgroup,
//! * Redshift GetClusterCredentials, GetClusterCredentialsWithIAM and DescribeClusters.
//!
//! Everything else is refused as AWS refuses an unknown operation, and so are parameters that have
//! no counterpart here. Signatures (Version 4, in the `Authorization` header) are checked, and so
//! are the documented bounds of parameters. There are no IAM policies, but a rule per role and a
//! list of callers per workgroup and cluster. Every signed caller may read every parameter, secret
//! and table; session policies, MFA, presigned URLs and custom domain names have no counterpart
//! here.
//!
//! Beside it there can be the endpoints that a container or an instance gets its credentials from,
//! whose sessions are callers here. Tests order faults, and look at what arrived.

mod authenticate;
mod call;
mod constraint;
mod container;
mod dispatch;
mod dynamodb;
mod encoding;
mod faults;
mod http;
mod identity;
mod instance;
mod journal;
mod keys;
mod operation;
mod options;
mod redshift;
mod refusal;
mod reply;
mod secrets;
mod server;
mod serverless;
mod service;
mod sigv4;
mod ssm;
mod sts;
mod timestamp;
mod vending;
mod world;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use self::container::Agent;
pub use self::container::ContainerCredentials;
use self::faults::Faults;
pub use self::faults::{Fault, Times};
use self::http::Serving;
pub use self::instance::InstanceMetadata;
use self::journal::Journal;
pub use self::journal::Request;
pub use self::options::{
    AwsOptions, Cluster, Parameter, ParameterKind, RoleRule, SecretValue, Skew, WebIdentity, Workgroup,
};
use self::server::Server;
use self::world::World;
use crate::logins::Logins;

/// A running endpoint. Dropping it ends the server and its connections.
pub struct Aws {
    address: SocketAddr,
    server: Arc<Server>,
    _serving: Serving,
}

impl Aws {
    /// Starts it on the current tokio runtime, which needs I/O and time enabled. Passwords come
    /// from `logins`.
    ///
    /// # Errors
    /// `InvalidInput` if the address is not a loopback one; otherwise what binding it says.
    pub async fn start(options: AwsOptions, logins: Arc<Logins>) -> io::Result<Self> {
        let listen = options.listen;
        let world = World::new(options, logins);
        let server = Arc::new(Server { world, faults: Faults::default(), journal: Journal::default() });
        let at = Arc::clone(&server);
        let serving = Serving::start(listen, move |request| {
            let at = Arc::clone(&at);
            async move { at.respond(request).await }
        });
        let serving = serving.await?;
        Ok(Self { address: serving.address, server, _serving: serving })
    }

    /// The endpoint's URL, `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests for this operation (`AssumeRole`, …) have arrived, refused ones included.
    /// Operations that are not served here are counted as well, under the name by which they were
    /// asked for.
    #[must_use]
    pub fn calls(&self, operation: &str) -> usize {
        self.server.journal.count(operation)
    }

    /// The requests for this operation, oldest first, refused ones included: the last 10,000.
    #[must_use]
    pub fn requests(&self, operation: &str) -> Vec<Request> {
        self.server.journal.requests(operation)
    }

    /// The requests for all operations, in the order of their arrival, refused ones included: the
    /// last 10,000 of each.
    #[must_use]
    pub fn journal(&self) -> Vec<Request> {
        self.server.journal.all()
    }

    /// Resolves as soon as `count` requests for this operation have arrived since the start. Cancel
    /// safe.
    pub async fn wait_for_calls(&self, operation: &str, count: usize) {
        self.server.journal.wait_for(operation, count).await;
    }

    /// Orders a fault. Of several that match a request, the one ordered first strikes, until it is
    /// used up.
    pub fn fault(&self, operation: &str, fault: Fault, times: Times) {
        self.server.faults.add(operation, None, fault, times);
    }

    /// Orders a fault for requests that have this parameter with this value, as in
    /// [`Request::parameters`].
    pub fn fault_where(&self, operation: &str, parameter: (&str, &str), fault: Fault, times: Times) {
        self.server
            .faults
            .add(operation, Some(parameter), fault, times);
    }

    /// From now on this operation is answered once in `interval`, by tokio's clock; other requests
    /// for it are throttled.
    pub fn admit_every(&self, operation: &str, interval: Duration) {
        self.server.faults.admit_every(operation, interval);
    }

    /// Forgets all faults and limits, and lets the requests that hang go on.
    pub fn clear_faults(&self) {
        self.server.faults.clear();
    }

    /// Adds or replaces a SecureString.
    pub fn put_parameter(&self, name: &str, value: &str) {
        self.put_parameter_of(name, Parameter { value: value.to_owned(), kind: ParameterKind::SecureString });
    }

    /// Adds or replaces a parameter of any kind.
    pub fn put_parameter_of(&self, name: &str, parameter: Parameter) {
        self.server.world.put_parameter(name, parameter);
    }

    /// Removes a parameter; nothing happens if there is none.
    pub fn remove_parameter(&self, name: &str) {
        self.server.world.remove_parameter(name);
    }

    /// Adds a secret, or a new version of it.
    pub fn put_secret(&self, name: &str, value: SecretValue) {
        self.server.world.put_secret(name, value);
    }

    /// Removes a secret; nothing happens if there is none.
    pub fn remove_secret(&self, name: &str) {
        self.server.world.remove_secret(name);
    }

    /// Adds an empty DynamoDB table with the partition key `conn_id`, in place of one of that name.
    pub fn put_table(&self, name: &str) {
        self.server.world.put_table(name);
    }

    /// Removes a DynamoDB table; nothing happens if there is none.
    pub fn remove_table(&self, name: &str) {
        self.server.world.remove_table(name);
    }

    /// Adds or replaces an item, which is in DynamoDB's typed form: `{"conn_id": {"S": "sales"},
    /// …}`.
    ///
    /// # Panics
    /// When there is no such table, or the item has no `conn_id` of type S.
    pub fn put_item(&self, table: &str, item: serde_json::Value) {
        let put = self.server.world.with_table(table, |table| table.put(item));
        assert_eq!(put, Some(true), "{table} is no table, or the item has no conn_id");
    }

    /// Removes the item with this `conn_id`; nothing happens if there is none.
    pub fn delete_item(&self, table: &str, conn_id: &str) {
        self.server
            .world
            .with_table(table, |table| table.remove(conn_id));
    }

    /// From now on a Scan of this table answers with at most so many items. `None`: as many as fit
    /// into 1 MiB.
    pub fn set_page_size(&self, table: &str, items: Option<usize>) {
        self.server
            .world
            .with_table(table, |table| table.page(items));
    }

    /// Adds or replaces a cluster.
    pub fn put_cluster(&self, name: &str, cluster: Cluster) {
        self.server.world.put_cluster(name, cluster);
    }

    /// Adds or replaces a web identity token, for AssumeRoleWithWebIdentity: 4 to 20,000
    /// characters.
    pub fn put_web_identity(&self, token: &str, identity: WebIdentity) {
        self.server.world.put_web_identity(token, identity);
    }

    /// Starts an EKS Pod Identity Agent that hands out sessions of this role to who knows the
    /// token. They have the tags of such sessions, which are transitive: a role that is assumed
    /// from there has to allow `sts:TagSession`.
    ///
    /// # Errors
    /// `InvalidInput` if it is not the ARN of a role; otherwise what binding a port says.
    pub async fn pod_identity(&self, role_arn: &str, token: &str) -> io::Result<ContainerCredentials> {
        ContainerCredentials::start(Arc::clone(&self.server), Agent::PodIdentity, role_arn, token).await
    }

    /// Starts a container credentials endpoint as ECS has it, which hands out sessions of this role
    /// to who knows the token. They have no tags.
    ///
    /// # Errors
    /// As [`Aws::pod_identity`].
    pub async fn container_credentials(&self, role_arn: &str, token: &str) -> io::Result<ContainerCredentials> {
        ContainerCredentials::start(Arc::clone(&self.server), Agent::Ecs, role_arn, token).await
    }

    /// Starts the metadata service of an EC2 instance whose profile has this role.
    ///
    /// # Errors
    /// As [`Aws::pod_identity`].
    pub async fn instance_metadata(&self, role_arn: &str) -> io::Result<InstanceMetadata> {
        InstanceMetadata::start(Arc::clone(&self.server), role_arn).await
    }

    /// Sets the endpoint's clock: from five minutes on, what is signed by the machine's clock is
    /// refused. Keys and web identities are judged by it too, and the `Date` of answers is of it.
    pub fn skew(&self, skew: Skew) {
        self.server.world.skew(skew);
    }

    /// Adds or replaces a workgroup.
    pub fn put_workgroup(&self, name: &str, workgroup: Workgroup) {
        self.server.world.put_workgroup(name, workgroup);
    }

    /// Adds or replaces a role. Sessions of the old one stay valid.
    pub fn put_role(&self, arn: &str, rule: RoleRule) {
        self.server.world.put_role(arn, rule);
    }

    /// From now on requests may be signed for this Region as well.
    pub fn put_region(&self, region: &str) {
        self.server.world.put_region(region);
    }

    /// Gives the base user other access keys: requests with the old ones are refused as unknown
    /// from now on. Sessions stay valid.
    pub fn replace_keys(&self, access_key_id: &str, secret_access_key: &str) {
        self.server
            .world
            .replace_keys(access_key_id, secret_access_key);
    }

    /// Ends all role sessions: requests with their keys are refused as expired from now on.
    /// (Sessions go by the wall clock, as SDKs see it, and not by [`Logins::advance`].)
    pub fn expire_sessions(&self) {
        self.server.world.expire_sessions();
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
