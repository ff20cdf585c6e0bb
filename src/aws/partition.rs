//! Which partition of AWS a Region is in, and the DNS names that its services end with.

use std::collections::HashMap;
use std::sync::LazyLock;

use aws_sdk_redshiftserverless::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use futures_util::FutureExt;
use parking_lot::RwLock;

/// The suffix of each Region that was asked for, since a configuration may name the hosts of
/// thousands of connections. The lock is held for one look-up or insertion.
static SUFFIXES: LazyLock<RwLock<HashMap<String, String>>> = LazyLock::new(RwLock::default);

/// The most Regions that are remembered: more than AWS has, fewer than a writer of specs can make
/// up.
const MAX_REGIONS: usize = 256;

/// The DNS suffix that follows `SERVICE.REGION.` in the names of a Region's services,
/// `amazonaws.com` or another, by the SDK's own data. A Region that the SDK does not know is taken
/// to be in `aws`.
pub(crate) fn dns_suffix(region: &str) -> String {
    let known = SUFFIXES.read().get(region).cloned();
    known.unwrap_or_else(|| {
        let suffix = resolve(region).unwrap_or_else(|| "amazonaws.com".to_owned());
        let mut suffixes = SUFFIXES.write();
        if suffixes.len() < MAX_REGIONS {
            suffixes.insert(region.to_owned(), suffix.clone());
        }
        suffix
    })
}

/// Cuts the suffix out of the name of a service's endpoint, since the data behind the SDK's rules
/// is private.
fn resolve(region: &str) -> Option<String> {
    let params = Params::builder().region(region).build().ok()?;
    // The rules make no call, so that the answer is there at once.
    let endpoint = DefaultResolver::new()
        .resolve_endpoint(&params)
        .now_or_never()?
        .ok()?;
    Some(
        endpoint
            .url()
            .strip_prefix(&format!("https://redshift-serverless.{region}."))?
            .to_owned(),
    )
}

/// The name of a Region's partition in ARNs. The name of the Region says it ("Partitions", AWS
/// Fault Isolation Boundaries).
pub(crate) fn name(region: &str) -> String {
    let mut labels = region.split('-');
    match (labels.next(), labels.next()) {
        (Some("cn"), _) => "aws-cn".to_owned(),
        (Some("eusc"), _) => "aws-eusc".to_owned(),
        (Some("us"), Some("gov")) => "aws-us-gov".to_owned(),
        (_, Some(iso)) if iso.starts_with("iso") => match iso.trim_start_matches("iso") {
            "" => "aws-iso".to_owned(),
            letter => format!("aws-iso-{letter}"),
        },
        _ => "aws".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_in_their_partitions() {
        for (region, partition, suffix) in [
            ("eu-west-1", "aws", "amazonaws.com"),
            ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
            ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
            ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
            ("us-iso-east-1", "aws-iso", "c2s.ic.gov"),
            ("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov"),
            ("eu-isoe-west-1", "aws-iso-e", "cloud.adc-e.uk"),
            ("us-isof-south-1", "aws-iso-f", "csp.hci.ic.gov"),
            ("xx-newly-1", "aws", "amazonaws.com"),
            ("*", "aws", "amazonaws.com"),
        ] {
            assert_eq!((&*name(region), &*dns_suffix(region)), (partition, suffix), "{region}");
        }
    }
}
