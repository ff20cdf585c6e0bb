//! The AWS endpoint: SSM, STS and Redshift Serverless on one loopback address, as far as a login needs them.
//!
//! One HTTP/1.1 endpoint for all three, to be given to SDKs and the CLI as `endpoint_url` (or `AWS_ENDPOINT_URL`).
//! It answers SSM GetParameter, STS AssumeRole and GetCallerIdentity, Redshift Serverless GetCredentials and
//! GetWorkgroup; everything else is refused as AWS refuses an unknown operation. Signatures (Version 4, in the
//! `Authorization` header) are checked, and so are the documented bounds of parameters. There are no IAM policies, but
//! an external id per role and a list of callers per workgroup. Every signed caller may read every parameter; session
//! policies, MFA, presigned URLs and custom domain names have no counterpart here.
//!
//! Tests order faults, and look at what arrived.

mod authenticate;
mod call;
mod constraint;
mod dispatch;
mod encoding;
mod faults;
mod identity;
mod journal;
mod keys;
mod operation;
mod options;
mod redshift;
mod refusal;
mod reply;
mod server;
mod sigv4;
mod ssm;
mod sts;
mod timestamp;
mod world;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::AbortHandle;

use self::faults::Faults;
pub use self::faults::{Fault, Times};
use self::journal::Journal;
pub use self::journal::Request;
pub use self::options::{AwsOptions, Parameter, ParameterKind, RoleRule, Workgroup};
use self::server::{Server, bind};
use self::world::World;
use crate::logins::Logins;

/// A running endpoint. Dropping it ends the server and its connections.
pub struct Aws {
    address: SocketAddr,
    server: Arc<Server>,
    task: AbortHandle,
}

impl Aws {
    /// Starts it on the current tokio runtime, which needs I/O and time enabled. Passwords come from `logins`.
    ///
    /// # Errors
    /// `InvalidInput` if the address is not a loopback one; otherwise what binding it says.
    pub async fn start(options: AwsOptions, logins: Arc<Logins>) -> io::Result<Self> {
        let listener = bind(options.listen).await?;
        let address = listener.local_addr()?;
        let world = World::new(options, logins);
        let server = Arc::new(Server { world, faults: Faults::default(), journal: Journal::default() });
        let task = tokio::spawn(Arc::clone(&server).run(listener)).abort_handle();
        Ok(Self { address, server, task })
    }

    /// The endpoint's URL, `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests for this operation (`AssumeRole`, …) have arrived, refused ones included. Operations that are
    /// not served here are counted as well, under the name by which they were asked for.
    #[must_use]
    pub fn calls(&self, operation: &str) -> usize {
        self.server.journal.count(operation)
    }

    /// The requests for this operation, oldest first, refused ones included: the last 10,000.
    #[must_use]
    pub fn requests(&self, operation: &str) -> Vec<Request> {
        self.server.journal.requests(operation)
    }

    /// Resolves as soon as `count` requests for this operation have arrived since the start. Cancel safe.
    pub async fn wait_for_calls(&self, operation: &str, count: usize) {
        self.server.journal.wait_for(operation, count).await;
    }

    /// Orders a fault. Of several that match a request, the one ordered first strikes, until it is used up.
    pub fn fault(&self, operation: &str, fault: Fault, times: Times) {
        self.server.faults.add(operation, None, fault, times);
    }

    /// Orders a fault for requests that have this parameter with this value, as in [`Request::parameters`].
    pub fn fault_where(&self, operation: &str, parameter: (&str, &str), fault: Fault, times: Times) {
        self.server.faults.add(operation, Some(parameter), fault, times);
    }

    /// Forgets all faults, and lets the requests that hang go on.
    pub fn clear_faults(&self) {
        self.server.faults.clear();
    }

    /// Adds or replaces a SecureString.
    pub fn put_parameter(&self, name: &str, value: &str) {
        let parameter = Parameter { value: value.to_owned(), kind: ParameterKind::SecureString };
        self.server.world.put_parameter(name, parameter);
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

    /// Ends all role sessions: requests with their keys are refused as expired from now on. (Sessions go by the wall
    /// clock, as SDKs see it, and not by [`Logins::advance`].)
    pub fn expire_sessions(&self) {
        self.server.world.expire_sessions();
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("address", &self.address).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
