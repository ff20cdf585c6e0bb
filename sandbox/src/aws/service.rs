//! The services that are here, and the manners of each: protocol, names, content types, namespaces.

use hyper::HeaderMap;

/// The header that names the operation in the JSON protocol.
pub(super) const TARGET: &str = "x-amz-target";

/// How a service is spoken to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    /// AWS JSON: the operation in `X-Amz-Target`, a JSON body.
    Json,
    /// AWS Query: a form with `Action` and `Version`, answered in XML.
    Query,
}

/// The services that are here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Service {
    Ssm,
    SecretsManager,
    DynamoDb,
    Sts,
    RedshiftServerless,
    Redshift,
}

impl Service {
    /// The service that a request with these headers and this API version is for. One that cannot
    /// be told is answered in the manner of SSM or STS.
    pub(super) fn of(headers: &HeaderMap, version: &str) -> Self {
        match (
            headers
                .get(TARGET)
                .map(|target| String::from_utf8_lossy(target.as_bytes())),
            version,
        ) {
            (Some(target), _) => Self::by_target(target.split('.').next().unwrap_or_default()).unwrap_or(Self::Ssm),
            (None, version) if version == Self::Redshift.version() => Self::Redshift,
            (None, _) => Self::Sts,
        }
    }

    /// Finds a service by the part of `X-Amz-Target` before its dot.
    pub(super) fn by_target(prefix: &str) -> Option<Self> {
        [Self::Ssm, Self::SecretsManager, Self::DynamoDb, Self::RedshiftServerless]
            .into_iter()
            .find(|service| service.target() == prefix)
    }

    /// The part of `X-Amz-Target` before its dot. Empty in the Query protocol.
    fn target(self) -> &'static str {
        match self {
            Self::Ssm => "AmazonSSM",
            Self::SecretsManager => "secretsmanager",
            Self::DynamoDb => "DynamoDB_20120810",
            Self::RedshiftServerless => "RedshiftServerless",
            Self::Sts | Self::Redshift => "",
        }
    }

    /// The API version that the Query protocol wants; each has had no other. Empty in JSON.
    pub(super) fn version(self) -> &'static str {
        match self {
            Self::Sts => "2011-06-15",
            Self::Redshift => "2012-12-01",
            Self::Ssm | Self::SecretsManager | Self::DynamoDb | Self::RedshiftServerless => "",
        }
    }

    pub(super) fn protocol(self) -> Protocol {
        match self {
            Self::Ssm | Self::SecretsManager | Self::DynamoDb | Self::RedshiftServerless => Protocol::Json,
            Self::Sts | Self::Redshift => Protocol::Query,
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::DynamoDb => "application/x-amz-json-1.0",
            Self::Ssm | Self::SecretsManager | Self::RedshiftServerless => "application/x-amz-json-1.1",
            Self::Sts | Self::Redshift => "text/xml",
        }
    }

    /// The namespace of XML answers (service models, `xmlNamespace`). Empty in JSON.
    pub(super) fn xmlns(self) -> &'static str {
        match self {
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::Redshift => "http://redshift.amazonaws.com/doc/2012-12-01/",
            Self::Ssm | Self::SecretsManager | Self::DynamoDb | Self::RedshiftServerless => "",
        }
    }

    /// The name in the credential scope of a signature, and before the colon of an IAM action.
    pub(super) fn signing_name(self) -> &'static str {
        match self {
            Self::Ssm => "ssm",
            Self::SecretsManager => "secretsmanager",
            Self::DynamoDb => "dynamodb",
            Self::Sts => "sts",
            Self::RedshiftServerless => "redshift-serverless",
            Self::Redshift => "redshift",
        }
    }
}
