//! The way of a request to its answer: authenticated, noted, struck by its fault, performed.

use hyper::Method;
use hyper::header::USER_AGENT;
use hyper::http::request::Parts;

use super::authenticate::{authenticate, claimed_region};
use super::call::Call;
use super::faults::Fault;
use super::identity::Caller;
use super::journal::Request;
use super::operation::Operation;
use super::refusal::Refusal;
use super::reply::Reply;
use super::server::Server;
use super::service::Protocol;
use super::{dynamodb, redshift, secrets, serverless, ssm, sts};

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
        let user_agent = head
            .headers
            .get(USER_AGENT)
            .map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        let caller = admitted
            .as_ref()
            .map_or(&Caller::Anonymous, |(_, caller)| caller);
        let request = Request {
            operation: call.name.clone(),
            caller: caller.arn(),
            caller_tags: caller.tags().all,
            region: region.to_owned(),
            parameters: call.parameters.clone(),
            user_agent: user_agent.unwrap_or_default().into_owned(),
        };
        self.journal.arrived(request);

        let (operation, caller) = admitted?;
        if let Some(garbage) = self.suffer(operation, &caller, region, call).await? {
            return Ok(garbage);
        }
        self.perform(operation, &caller, region, call, id)
            .await
            .map_err(Ended::Refused)
    }

    /// Finds the operation and the caller of a request.
    fn admit(&self, head: &Parts, body: &[u8], call: &Call) -> Result<(Operation, Caller), Refusal> {
        let operation = call.known()?;
        let protocol = call.service.protocol();
        if head.uri.path() != "/" || (protocol == Protocol::Json && head.method != Method::POST) {
            return Err(Refusal::unknown_operation(protocol, &call.name, ""));
        }
        if operation.is_unsigned() {
            return Ok((operation, Caller::Anonymous));
        }
        let caller = authenticate(&self.world, operation.service(), head, body, self.world.now())?;
        Ok((operation, caller))
    }

    /// Lets the request meet the fault that waits for it, if any. An answer is the fault's; without
    /// one it goes on.
    async fn suffer(
        &self,
        operation: Operation,
        caller: &Caller,
        region: &str,
        call: &Call,
    ) -> Result<Option<Reply>, Ended> {
        if self.faults.is_too_early(&call.name) {
            return Err(Refusal::throttled(call.service.protocol()).into());
        }
        let Some((fault, release)) = self.faults.strike(&call.name, &call.parameters) else {
            return Ok(None);
        };
        match fault {
            Fault::Throttle => Err(Refusal::throttled(call.service.protocol()).into()),
            Fault::Deny => {
                let resource = self.resource(operation, region, call);
                Err(Refusal::denied(call.service.protocol(), &operation.action(), &caller.arn(), &resource).into())
            }
            Fault::DenyKms => Err(Refusal::denied_kms(operation, &caller.arn()).into()),
            Fault::InternalError => Err(Refusal::internal(operation.service()).into()),
            Fault::Garbage => Ok(Some(Reply::garbage(call.service))),
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
        call.check(operation)?;
        let json = |value: serde_json::Value| Reply::ok(call.service, value.to_string());
        let xml = |result: &str| Reply::xml_result(operation, result, id);
        Ok(match operation {
            Operation::GetParameter => json(ssm::get_parameter(world, region, call)?),
            Operation::GetParametersByPath => json(ssm::get_parameters_by_path(world, region, call)?),
            Operation::GetSecretValue => json(secrets::get_secret_value(world, region, call)?),
            Operation::GetItem => json(dynamodb::get_item(world, call)?),
            Operation::Scan => json(dynamodb::scan(world, call)?),
            Operation::AssumeRole => xml(&sts::assume_role(world, caller, call)?),
            Operation::AssumeRoleWithWebIdentity => xml(&sts::assume_role_with_web_identity(world, call)?),
            Operation::GetCallerIdentity => xml(&sts::get_caller_identity(caller)),
            Operation::GetCredentials => json(serverless::get_credentials(world, caller, region, call).await?),
            Operation::GetWorkgroup => json(serverless::get_workgroup(world, caller, region, call)?),
            Operation::GetClusterCredentials => xml(&redshift::get_credentials(world, caller, region, call).await?),
            Operation::GetClusterCredentialsWithIam => {
                xml(&redshift::get_credentials_with_iam(world, caller, region, call).await?)
            }
            Operation::DescribeClusters => xml(&redshift::describe_clusters(world, caller, region, call)?),
        })
    }

    /// The resource of an operation, as a refusal names it.
    fn resource(&self, operation: Operation, region: &str, call: &Call) -> String {
        let field = |name: &str| call.field(name).unwrap_or_default();
        match operation {
            Operation::GetParameter => ssm::arn(&self.world, region, field("Name")),
            Operation::GetParametersByPath => ssm::arn(&self.world, region, field("Path")),
            Operation::GetSecretValue => secrets::arn(&self.world, region, field("SecretId")),
            Operation::GetItem | Operation::Scan => dynamodb::arn(&self.world, region, field("TableName")),
            Operation::AssumeRole | Operation::AssumeRoleWithWebIdentity => field("RoleArn").to_owned(),
            Operation::GetCallerIdentity => "*".to_owned(),
            Operation::GetCredentials | Operation::GetWorkgroup => {
                serverless::arn(&self.world, region, field("workgroupName"))
            }
            Operation::GetClusterCredentials
            | Operation::GetClusterCredentialsWithIam
            | Operation::DescribeClusters => redshift::resource(&self.world, operation, region, call),
        }
    }
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
