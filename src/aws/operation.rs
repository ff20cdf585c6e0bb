//! The operations of AWS that the proxy calls.

use std::fmt;

/// An operation of AWS that the proxy calls.
///
/// It is an enum, so that a new one cannot be forgotten where `check` and `iam-policy` say what
/// each of them needs.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Operation {
    AssumeRole,
    AssumeRoleWithWebIdentity,
    DescribeClusters,
    GetCallerIdentity,
    GetClusterCredentials,
    GetClusterCredentialsWithIam,
    GetCredentials,
    GetItem,
    GetParameter,
    GetParametersByPath,
    GetSecretValue,
    GetWorkgroup,
    Scan,
}

impl Operation {
    /// All operations, by name.
    pub(crate) const ALL: &'static [Self] = &[
        Self::AssumeRole,
        Self::AssumeRoleWithWebIdentity,
        Self::DescribeClusters,
        Self::GetCallerIdentity,
        Self::GetClusterCredentials,
        Self::GetClusterCredentialsWithIam,
        Self::GetCredentials,
        Self::GetItem,
        Self::GetParameter,
        Self::GetParametersByPath,
        Self::GetSecretValue,
        Self::GetWorkgroup,
        Self::Scan,
    ];

    /// The IAM action that permits the operation, `SERVICE:NAME`.
    pub(crate) const fn action(self) -> &'static str {
        match self {
            Self::AssumeRole => "sts:AssumeRole",
            Self::AssumeRoleWithWebIdentity => "sts:AssumeRoleWithWebIdentity",
            Self::DescribeClusters => "redshift:DescribeClusters",
            Self::GetCallerIdentity => "sts:GetCallerIdentity",
            Self::GetClusterCredentials => "redshift:GetClusterCredentials",
            Self::GetClusterCredentialsWithIam => "redshift:GetClusterCredentialsWithIAM",
            Self::GetCredentials => "redshift-serverless:GetCredentials",
            Self::GetItem => "dynamodb:GetItem",
            Self::GetParameter => "ssm:GetParameter",
            Self::GetParametersByPath => "ssm:GetParametersByPath",
            Self::GetSecretValue => "secretsmanager:GetSecretValue",
            Self::GetWorkgroup => "redshift-serverless:GetWorkgroup",
            Self::Scan => "dynamodb:Scan",
        }
    }

    /// The service that the operation is one of, as IAM and the names of endpoints have it.
    pub(crate) fn service(self) -> &'static str {
        self.action()
            .split_once(':')
            .map_or("", |(service, _)| service)
    }

    /// The operation's name in its service's API.
    pub(crate) fn name(self) -> &'static str {
        self.action().split_once(':').map_or("", |(_, name)| name)
    }

    /// Whether the operation's answer is a database login.
    pub(crate) fn is_login(self) -> bool {
        matches!(self, Self::GetCredentials | Self::GetClusterCredentials | Self::GetClusterCredentialsWithIam)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
