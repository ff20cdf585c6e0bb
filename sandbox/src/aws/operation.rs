//! The operations that are here: their services, protocols and names.

use hyper::HeaderMap;

/// The API version of STS; it has had no other.
const STS_VERSION: &str = "2011-06-15";

/// The header that names the operation in the JSON protocol.
pub(super) const TARGET: &str = "x-amz-target";

/// How a service is spoken to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    /// AWS JSON 1.1: the operation in `X-Amz-Target`, a JSON body.
    Json,
    /// AWS Query: a form with `Action` and `Version`, answered in XML.
    Query,
}

/// The services that are here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Service {
    Ssm,
    Sts,
    RedshiftServerless,
}

/// The operations that are here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operation {
    GetParameter,
    AssumeRole,
    GetCallerIdentity,
    GetCredentials,
    GetWorkgroup,
}

impl Protocol {
    /// The protocol of a request with these headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        if headers.contains_key(TARGET) { Self::Json } else { Self::Query }
    }
}

impl Service {
    pub(super) fn protocol(self) -> Protocol {
        match self {
            Self::Ssm | Self::RedshiftServerless => Protocol::Json,
            Self::Sts => Protocol::Query,
        }
    }

    /// As in the credential scope of a signature, and before the colon of an IAM action.
    pub(super) fn signing_name(self) -> &'static str {
        match self {
            Self::Ssm => "ssm",
            Self::Sts => "sts",
            Self::RedshiftServerless => "redshift-serverless",
        }
    }
}

impl Operation {
    /// By `X-Amz-Target`.
    pub(super) fn by_target(target: &str) -> Option<Self> {
        match target {
            "AmazonSSM.GetParameter" => Some(Self::GetParameter),
            "RedshiftServerless.GetCredentials" => Some(Self::GetCredentials),
            "RedshiftServerless.GetWorkgroup" => Some(Self::GetWorkgroup),
            _ => None,
        }
    }

    /// By `Action` and `Version`.
    pub(super) fn by_action(action: &str, version: &str) -> Option<Self> {
        match (action, version) {
            ("AssumeRole", STS_VERSION) => Some(Self::AssumeRole),
            ("GetCallerIdentity", STS_VERSION) => Some(Self::GetCallerIdentity),
            _ => None,
        }
    }

    pub(super) fn service(self) -> Service {
        match self {
            Self::GetParameter => Service::Ssm,
            Self::AssumeRole | Self::GetCallerIdentity => Service::Sts,
            Self::GetCredentials | Self::GetWorkgroup => Service::RedshiftServerless,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::GetParameter => "GetParameter",
            Self::AssumeRole => "AssumeRole",
            Self::GetCallerIdentity => "GetCallerIdentity",
            Self::GetCredentials => "GetCredentials",
            Self::GetWorkgroup => "GetWorkgroup",
        }
    }

    /// The IAM action, for example `sts:AssumeRole`.
    pub(super) fn action(self) -> String {
        format!("{}:{}", self.service().signing_name(), self.name())
    }
}
