//! The operations that are here, their names and their parameters.

use super::service::Service;

/// The operations that are here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Operation {
    GetParameter,
    GetParametersByPath,
    GetSecretValue,
    GetItem,
    Scan,
    AssumeRole,
    AssumeRoleWithWebIdentity,
    GetCallerIdentity,
    GetCredentials,
    GetWorkgroup,
    GetClusterCredentials,
    GetClusterCredentialsWithIam,
    DescribeClusters,
}

/// The name, service and parameters of an operation.
struct Row {
    service: Service,
    name: &'static str,
    /// The names of its parameters, without what a list or a structure has behind the first dot.
    /// The parameters; those of the API reference that have no counterpart here are left out.
    parameters: &'static [&'static str],
}

const ALL: [Operation; 13] = [
    Operation::GetParameter,
    Operation::GetParametersByPath,
    Operation::GetSecretValue,
    Operation::GetItem,
    Operation::Scan,
    Operation::AssumeRole,
    Operation::AssumeRoleWithWebIdentity,
    Operation::GetCallerIdentity,
    Operation::GetCredentials,
    Operation::GetWorkgroup,
    Operation::GetClusterCredentials,
    Operation::GetClusterCredentialsWithIam,
    Operation::DescribeClusters,
];

impl Operation {
    /// Finds an operation by its service and its name.
    pub(super) fn find(service: Service, name: &str) -> Option<Self> {
        ALL.into_iter()
            .find(|operation| operation.service() == service && operation.name() == name)
    }

    pub(super) fn service(self) -> Service {
        self.row().service
    }

    pub(super) fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether it has a parameter of this name.
    pub(super) fn takes(self, parameter: &str) -> bool {
        self.row().parameters.contains(&parameter)
    }

    /// Whether it is asked for without a signature: what it is given is the proof.
    pub(super) fn is_unsigned(self) -> bool {
        self == Self::AssumeRoleWithWebIdentity
    }

    /// The IAM action, for example `sts:AssumeRole`.
    pub(super) fn action(self) -> String {
        format!("{}:{}", self.service().signing_name(), self.name())
    }

    fn row(self) -> Row {
        let row = |service, name, parameters| Row { service, name, parameters };
        match self {
            Self::GetParameter => row(Service::Ssm, "GetParameter", &["Name", "WithDecryption"]),
            Self::GetParametersByPath => row(
                Service::Ssm,
                "GetParametersByPath",
                &["Path", "Recursive", "WithDecryption", "MaxResults", "NextToken"],
            ),
            Self::GetSecretValue => {
                row(Service::SecretsManager, "GetSecretValue", &["SecretId", "VersionId", "VersionStage"])
            }
            Self::GetItem => {
                row(Service::DynamoDb, "GetItem", &["TableName", "Key", "ConsistentRead", "ReturnConsumedCapacity"])
            }
            Self::Scan => row(
                Service::DynamoDb,
                "Scan",
                &["TableName", "ConsistentRead", "ExclusiveStartKey", "Limit", "ReturnConsumedCapacity", "Select"],
            ),
            Self::AssumeRole => row(
                Service::Sts,
                "AssumeRole",
                &[
                    "RoleArn",
                    "RoleSessionName",
                    "DurationSeconds",
                    "ExternalId",
                    "Policy",
                    "PolicyArns",
                    "Tags",
                    "TransitiveTagKeys",
                ],
            ),
            Self::AssumeRoleWithWebIdentity => row(
                Service::Sts,
                "AssumeRoleWithWebIdentity",
                &[
                    "RoleArn",
                    "RoleSessionName",
                    "WebIdentityToken",
                    "ProviderId",
                    "DurationSeconds",
                    "Policy",
                    "PolicyArns",
                ],
            ),
            Self::GetCallerIdentity => row(Service::Sts, "GetCallerIdentity", &[]),
            Self::GetCredentials => row(
                Service::RedshiftServerless,
                "GetCredentials",
                &["workgroupName", "customDomainName", "dbName", "durationSeconds"],
            ),
            Self::GetWorkgroup => row(Service::RedshiftServerless, "GetWorkgroup", &["workgroupName"]),
            Self::GetClusterCredentials => row(
                Service::Redshift,
                "GetClusterCredentials",
                &[
                    "DbUser",
                    "DbName",
                    "ClusterIdentifier",
                    "CustomDomainName",
                    "DurationSeconds",
                    "AutoCreate",
                    "DbGroups",
                ],
            ),
            Self::GetClusterCredentialsWithIam => row(
                Service::Redshift,
                "GetClusterCredentialsWithIAM",
                &["DbName", "ClusterIdentifier", "CustomDomainName", "DurationSeconds"],
            ),
            Self::DescribeClusters => {
                row(Service::Redshift, "DescribeClusters", &["ClusterIdentifier", "MaxRecords", "Marker"])
            }
        }
    }
}
