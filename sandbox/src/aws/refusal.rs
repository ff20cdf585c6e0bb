//! Errors as AWS words them, in the shapes of its two protocols.
//!
//! The same cause has another code and status in the JSON protocol than in the Query one; each
//! constructor knows both. Sources: "Common Error Types" in the API references, the service models
//! for the declared errors, AWS's messages.

use std::fmt::Display;

use hyper::StatusCode;
use serde_json::json;

use super::encoding::xml_escape;
use super::operation::Operation;
use super::reply::Reply;
use super::service::{Protocol, Service};

/// Why a request is not served.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    /// Empty where AWS gives none.
    message: String,
    /// A further member that the service's model demands of the error.
    member: Option<(&'static str, String)>,
}

impl Refusal {
    /// An error whose code is the same in every protocol, or that only one has.
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), member: None }
    }

    /// A 400 with this code.
    pub(super) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// Identity or signature not accepted: 400 in JSON, 403 in Query.
    pub(super) fn unauthenticated(
        protocol: Protocol,
        json: &'static str,
        query: &'static str,
        message: impl Into<String>,
    ) -> Self {
        match protocol {
            Protocol::Json => Self::bad_request(json, message),
            Protocol::Query => Self::new(StatusCode::FORBIDDEN, query, message),
        }
    }

    /// Refuses an action that no policy allows the caller. An empty caller did not sign.
    pub(super) fn denied(protocol: Protocol, action: &str, caller: &str, resource: &str) -> Self {
        let message = match caller {
            "" => format!("Not authorized to perform {action}"),
            _ => format!("User: {caller} is not authorized to perform: {action} on resource: {resource}"),
        };
        Self::unauthenticated(protocol, "AccessDeniedException", "AccessDenied", message)
    }

    /// The caller may read what is stored, but not decrypt it. Secrets Manager does not say who.
    pub(super) fn denied_kms(operation: Operation, caller: &str) -> Self {
        let service = operation.service();
        if service == Service::SecretsManager {
            return Self::bad_request("AccessDeniedException", "Access to KMS is not allowed");
        }
        let resource = "the resource associated with this ciphertext";
        Self::denied(service.protocol(), "kms:Decrypt", caller, resource)
    }

    /// A parameter is outside what the API reference allows.
    pub(super) fn invalid(protocol: Protocol, message: impl Into<String>) -> Self {
        match protocol {
            Protocol::Json => Self::bad_request("ValidationException", message),
            Protocol::Query => Self::bad_request("ValidationError", message),
        }
    }

    /// A member has the wrong type, or the body is not JSON.
    pub(super) fn unreadable(message: impl Into<String>) -> Self {
        Self::bad_request("SerializationException", message)
    }

    /// There is no such resource.
    pub(super) fn not_found(message: impl Into<String>, resource_name: &str) -> Self {
        let member = Some(("resourceName", resource_name.to_owned()));
        Self { member, ..Self::bad_request("ResourceNotFoundException", message) }
    }

    /// There is no such cluster.
    pub(super) fn cluster_not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "ClusterNotFound", message)
    }

    /// A mandatory parameter is not there, as Redshift tells it.
    pub(super) fn missing_parameter(name: &str) -> Self {
        Self::bad_request("MissingParameter", format!("The request must contain the parameter {name}"))
    }

    /// The operation has no such parameter. AWS ignores some that it does not know; here each is
    /// somebody's mistake.
    pub(super) fn unknown_parameter(service: Service, name: &str) -> Self {
        let message = format!("The parameter {name} is not recognized");
        match service.protocol() {
            Protocol::Json => Self::bad_request("ValidationException", message),
            Protocol::Query => Self::bad_request("UnknownParameter", message),
        }
    }

    /// There is no such operation.
    pub(super) fn unknown_operation(protocol: Protocol, operation: &str, version: impl Display) -> Self {
        match protocol {
            Protocol::Json => Self::bad_request("UnknownOperationException", ""),
            Protocol::Query => Self::bad_request(
                "InvalidAction",
                format!("Could not find operation {operation} for version {version}"),
            ),
        }
    }

    /// Too many requests.
    pub(super) fn throttled(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Json => Self::bad_request("ThrottlingException", "Rate exceeded"),
            Protocol::Query => Self::bad_request("Throttling", "Rate exceeded"),
        }
    }

    /// The service failed, not the caller.
    pub(super) fn internal(service: Service) -> Self {
        let code = match service {
            Service::Ssm | Service::DynamoDb => "InternalServerError",
            Service::SecretsManager => "InternalServiceError",
            Service::RedshiftServerless => "InternalServerException",
            Service::Sts | Service::Redshift => "InternalFailure",
        };
        let message = "The request processing has failed because of an unknown error, exception or failure.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, message)
    }

    /// The answer that tells it.
    pub(super) fn reply(&self, service: Service, request_id: &str) -> Reply {
        let body = match service.protocol() {
            Protocol::Json => self.json(service),
            Protocol::Query => self.xml(service, request_id),
        };
        Reply { status: self.status, error_type: Some(self.code), service, body }
    }

    fn json(&self, service: Service) -> String {
        let namespace = self.namespace(service);
        let message = if service == Service::SecretsManager { "Message" } else { "message" };
        let mut body = json!({ "__type": format!("{namespace}{}", self.code) });
        if let Some(members) = body.as_object_mut() {
            if !self.message.is_empty() {
                members.insert(message.to_owned(), self.message.as_str().into());
            }
            if let Some((name, value)) = &self.member {
                members.insert((*name).to_owned(), value.as_str().into());
            }
        }
        body.to_string()
    }

    /// The prefix of the code: DynamoDB names the document that defines its errors.
    fn namespace(&self, service: Service) -> &'static str {
        match (service, self.code) {
            (Service::DynamoDb, "ValidationException") => "com.amazon.coral.validate#",
            (Service::DynamoDb, "ResourceNotFoundException" | "InternalServerError") => {
                "com.amazonaws.dynamodb.v20120810#"
            }
            (Service::DynamoDb, _) => "com.amazon.coral.service#",
            _ => "",
        }
    }

    fn xml(&self, service: Service, request_id: &str) -> String {
        let xmlns = service.xmlns();
        let at_fault = if self.status.is_server_error() { "Receiver" } else { "Sender" };
        let (code, message) = (self.code, xml_escape(&self.message));
        format!(
            "<ErrorResponse xmlns=\"{xmlns}\"><Error><Type>{at_fault}</Type><Code>{code}</Code>\
             <Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    }
}

#[cfg(test)]
impl Refusal {
    /// The code and the message, for tests of the operations.
    pub(super) fn told(&self) -> (&'static str, &str) {
        (self.code, &self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_errors_name_their_type_in_body_and_header() {
        let reply = Refusal::throttled(Protocol::Json).reply(Service::Ssm, "id");
        assert_eq!(reply.status, 400);
        assert_eq!(reply.error_type, Some("ThrottlingException"));
        assert_eq!(reply.body, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#);

        let reply = Refusal::internal(Service::RedshiftServerless).reply(Service::RedshiftServerless, "id");
        assert_eq!((reply.status.as_u16(), reply.error_type), (500, Some("InternalServerException")));

        let reply = Refusal::not_found("gone", "wg").reply(Service::RedshiftServerless, "id");
        assert_eq!(reply.body, r#"{"__type":"ResourceNotFoundException","message":"gone","resourceName":"wg"}"#);
    }

    #[test]
    fn query_errors_say_who_is_at_fault_and_give_the_request_id() {
        let reply = Refusal::denied(Protocol::Query, "sts:AssumeRole", "arn:u", "arn:<r>").reply(Service::Sts, "id-1");
        assert_eq!(reply.status, 403);
        assert_eq!(
            reply.body,
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>AccessDenied</Code><Message>User: arn:u is not authorized to perform: sts:AssumeRole on resource: \
             arn:&lt;r&gt;</Message></Error><RequestId>id-1</RequestId></ErrorResponse>"
        );
        let reply = Refusal::internal(Service::Sts).reply(Service::Sts, "id");
        assert_eq!(reply.status, 500);
        assert!(
            reply
                .body
                .contains("<Type>Receiver</Type><Code>InternalFailure</Code>"),
            "{}",
            reply.body
        );
    }

    #[test]
    fn each_service_has_its_own_wording() {
        let reply = Refusal::throttled(Protocol::Json).reply(Service::DynamoDb, "id");
        let wanted = r#"{"__type":"com.amazon.coral.service#ThrottlingException","message":"Rate exceeded"}"#;
        assert_eq!(reply.body, wanted);
        let reply = Refusal::throttled(Protocol::Json).reply(Service::SecretsManager, "id");
        assert_eq!(reply.body, r#"{"Message":"Rate exceeded","__type":"ThrottlingException"}"#);
        let reply = Refusal::throttled(Protocol::Query).reply(Service::Redshift, "id");
        assert!(
            reply
                .body
                .contains("xmlns=\"http://redshift.amazonaws.com/doc/2012-12-01/\""),
            "{}",
            reply.body
        );
    }
}
