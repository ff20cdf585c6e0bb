//! The way of a request to its answer: authenticated, noted, struck by its fault, performed.

use std::time::SystemTime;

use hyper::Method;
use hyper::header::USER_AGENT;
use hyper::http::request::Parts;

use super::authenticate::{authenticate, claimed_region};
use super::call::Call;
use super::faults::Fault;
use super::identity::Caller;
use super::journal::Request;
use super::operation::{Operation, Protocol};
use super::refusal::Refusal;
use super::reply::Reply;
use super::server::Server;
use super::{redshift, ssm, sts};

/// Why a request gets no result.
pub(super) enum Ended {
    Refused(Refusal),
    /// The connection is to be closed without an answer.
    Closed,
}

impl Server {
    /// Finds out who sent the request, notes it, lets it meet its fault and performs it.
    pub(super) async fn answer(&self, head: &Parts, body: &[u8], call: &Call, id: &str) -> Result<Reply, Ended> {
        let region = claimed_region(head);
        let admitted = self.admit(head, body, call);
        let user_agent = head.headers.get(USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        let request = Request {
            caller: admitted.as_ref().map_or_else(|_| String::new(), |(_, caller)| caller.arn()),
            region: region.to_owned(),
            parameters: call.parameters.clone(),
            user_agent: user_agent.unwrap_or_default().into_owned(),
        };
        self.journal.arrived(&call.name, request);

        let (operation, caller) = admitted?;
        if let Some(garbage) = self.suffer(operation, &caller, region, call).await? {
            return Ok(garbage);
        }
        self.perform(operation, &caller, region, call, id).await.map_err(Ended::Refused)
    }

    /// Which operation it is, and who asks for it.
    fn admit(&self, head: &Parts, body: &[u8], call: &Call) -> Result<(Operation, Caller), Refusal> {
        let operation = call.known()?;
        if head.uri.path() != "/" || (call.protocol == Protocol::Json && head.method != Method::POST) {
            return Err(Refusal::unknown_operation(call.protocol, &call.name, ""));
        }
        let caller = authenticate(&self.world, operation.service(), head, body, SystemTime::now())?;
        Ok((operation, caller))
    }

    /// Lets the request meet the fault that waits for it, if any. An answer is the fault's; without one it goes on.
    async fn suffer(
        &self,
        operation: Operation,
        caller: &Caller,
        region: &str,
        call: &Call,
    ) -> Result<Option<Reply>, Ended> {
        let Some((fault, release)) = self.faults.strike(&call.name, &call.parameters) else {
            return Ok(None);
        };
        match fault {
            Fault::Throttle => Err(Refusal::throttled(call.protocol).into()),
            Fault::Deny => {
                let resource = self.resource(operation, region, call);
                Err(Refusal::denied(operation, &caller.arn(), &resource).into())
            }
            Fault::InternalError => Err(Refusal::internal(operation.service()).into()),
            Fault::Garbage => Ok(Some(Reply::garbage(call.protocol))),
            Fault::Close => Err(Ended::Closed),
            Fault::Delay(time) => {
                tokio::time::sleep(time).await;
                Ok(None)
            }
            Fault::Hang => {
                release.wait().await;
                Ok(None)
            }
        }
    }

    async fn perform(
        &self,
        operation: Operation,
        caller: &Caller,
        region: &str,
        call: &Call,
        id: &str,
    ) -> Result<Reply, Refusal> {
        let world = &self.world;
        if call.body.is_none() {
            return Err(Refusal::unreadable("The body is not a JSON object"));
        }
        let json = |value: serde_json::Value| Reply::ok(Protocol::Json, value.to_string());
        let xml = |result: &str| Reply::xml_result(operation.name(), result, id);
        Ok(match operation {
            Operation::GetParameter => json(ssm::get_parameter(world, region, call)?),
            Operation::AssumeRole => xml(&sts::assume_role(world, caller, call)?),
            Operation::GetCallerIdentity => xml(&sts::get_caller_identity(caller)),
            Operation::GetCredentials => json(redshift::get_credentials(world, caller, region, call).await?),
            Operation::GetWorkgroup => json(redshift::get_workgroup(world, caller, region, call)?),
        })
    }

    /// What the operation is about, as a refusal names it.
    fn resource(&self, operation: Operation, region: &str, call: &Call) -> String {
        let field = |name: &str| call.field(name).unwrap_or_default();
        match operation {
            Operation::GetParameter => ssm::arn(&self.world, region, field("Name")),
            Operation::AssumeRole => field("RoleArn").to_owned(),
            Operation::GetCallerIdentity => "*".to_owned(),
            Operation::GetCredentials | Operation::GetWorkgroup => {
                redshift::arn(&self.world, region, field("workgroupName"))
            }
        }
    }
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
