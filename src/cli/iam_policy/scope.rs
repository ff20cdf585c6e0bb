//! Partition, Region and account, and the ARNs made of them.

use crate::aws::{Arn, partition};
use crate::config;

/// The placeholder for the proxy's own account, where nothing tells it.
pub(super) const PROXY_ACCOUNT: &str = "ACCOUNT";
/// The placeholder for a Region that nothing tells.
pub(super) const REGION: &str = "REGION";

/// A Region of an account in a partition: what ARNs begin with.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct ArnScope {
    /// The partition: `aws`, `aws-cn`, ……
    pub(super) partition: String,
    /// The Region, as `ap-southeast-2`, or a placeholder for it.
    pub(super) region: String,
    /// The number of the account.
    pub(super) account: String,
}

impl ArnScope {
    /// The ARN of a resource in this scope.
    pub(super) fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition, self.region, self.account)
    }

    /// The service's host name, as `kms:ViaService` has it.
    pub(super) fn service_host(&self, service: &str) -> String {
        let suffix = match (&*self.region, &*self.partition) {
            // The Region is for the reader to fill in.
            (REGION, "aws-cn") => "amazonaws.com.cn".to_owned(),
            (region, _) => partition::dns_suffix(region),
        };
        format!("{service}.{}.{suffix}", self.region)
    }

    /// The scope that an ARN names.
    pub(super) fn of_arn(arn: Arn<'_>) -> Self {
        Self { partition: arn.partition.to_owned(), region: arn.region.to_owned(), account: arn.account.to_owned() }
    }
}

/// The name escaped, so that a policy takes it literally: `*`, `?` and variables would mean more
/// (IAM User Guide, "Policy variables").
pub(super) fn literal(name: &str) -> String {
    let special = |c: char| matches!(c, '*' | '?' | '$');
    name.chars()
        .map(|c| if special(c) { format!("${{{c}}}") } else { c.to_string() })
        .collect()
}

/// The parts of a Redshift endpoint's host name.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct WarehouseEndpoint {
    /// The workgroup's or the cluster's name.
    pub(super) name: String,
    /// The account, which only endpoints of Serverless name.
    pub(super) account: Option<String>,
    /// The Region that the host name has.
    pub(super) region: String,
}

/// Reads a Redshift endpoint's name, as sessions do. `None`: some other name.
pub(super) fn endpoint(host: &str) -> Option<WarehouseEndpoint> {
    let is_account = |label: &&str| label.len() == 12 && label.bytes().all(|b| b.is_ascii_digit());
    Some(match config::endpoint(host)? {
        config::Endpoint::Serverless { workgroup, region } => {
            let account = host.split('.').nth(1).filter(is_account).map(str::to_owned);
            WarehouseEndpoint { name: workgroup, account, region }
        }
        config::Endpoint::Provisioned { cluster, region } => WarehouseEndpoint { name: cluster, account: None, region },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_tell_region_and_account() {
        let told = |name: &str, account: Option<&str>, region: &str| {
            Some(WarehouseEndpoint { name: name.into(), account: account.map(str::to_owned), region: region.into() })
        };
        for (host, want) in [
            (
                "Wg.123456789012.us-east-1.redshift-serverless.amazonaws.com.",
                told("wg", Some("123456789012"), "us-east-1"),
            ),
            (
                "wg.123456789012.cn-north-1.redshift-serverless.amazonaws.com.cn",
                told("wg", Some("123456789012"), "cn-north-1"),
            ),
            ("dw1.abc123xyz.us-east-1.redshift.amazonaws.com", told("dw1", None, "us-east-1")),
            ("dw.example.com", None),
            ("a.b.c.us-east-1.redshift.amazonaws.com", None),
            ("10.0.0.1", None),
        ] {
            assert_eq!(endpoint(host), want, "{host}");
        }
    }

    #[test]
    fn names_have_no_wildcards() {
        assert_eq!(literal("etl.2@x"), "etl.2@x");
        assert_eq!(literal("a*?${x}"), "a${*}${?}${$}{x}");
    }

    #[test]
    fn partitions_are_honoured() {
        let scope = |region: &str| ArnScope {
            partition: partition::name(region),
            region: region.to_owned(),
            account: PROXY_ACCOUNT.to_owned(),
        };
        for (region, arn, host) in [
            ("eu-west-1", "arn:aws:ssm:eu-west-1:ACCOUNT:x", "ssm.eu-west-1.amazonaws.com"),
            ("cn-north-1", "arn:aws-cn:ssm:cn-north-1:ACCOUNT:x", "ssm.cn-north-1.amazonaws.com.cn"),
            ("us-gov-west-1", "arn:aws-us-gov:ssm:us-gov-west-1:ACCOUNT:x", "ssm.us-gov-west-1.amazonaws.com"),
            ("eusc-de-east-1", "arn:aws-eusc:ssm:eusc-de-east-1:ACCOUNT:x", "ssm.eusc-de-east-1.amazonaws.eu"),
            ("us-iso-east-1", "arn:aws-iso:ssm:us-iso-east-1:ACCOUNT:x", "ssm.us-iso-east-1.c2s.ic.gov"),
        ] {
            assert_eq!(scope(region).arn("ssm", "x"), arn);
            assert_eq!(scope(region).service_host("ssm"), host);
        }
    }
}
