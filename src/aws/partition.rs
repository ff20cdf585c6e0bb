//! Which partition of AWS a Region is in, and the DNS names that its services end with.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use aws_sdk_redshiftserverless::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use futures_util::FutureExt;

/// The suffix of each Region that was asked for: the configuration names a host for each of
/// thousands of connections.
static SUFFIXES: LazyLock<RwLock<HashMap<String, String>>> = LazyLock::new(RwLock::default);

/// Regions that are remembered: more than AWS has, fewer than a writer of specs can make up.
const MAX_REGIONS: usize = 256;

/// What follows `SERVICE.REGION.` in the names of a Region's services, `amazonaws.com` or another.
/// The SDK's own data says so; a Region that it does not know is in `aws`.
pub(crate) fn dns_suffix(region: &str) -> String {
    let known = SUFFIXES
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(region)
        .cloned();
    known.unwrap_or_else(|| {
        let suffix = resolve(region).unwrap_or_else(|| "amazonaws.com".to_owned());
        let mut suffixes = SUFFIXES.write().unwrap_or_else(PoisonError::into_inner);
        if suffixes.len() < MAX_REGIONS {
            suffixes.insert(region.to_owned(), suffix.clone());
        }
        suffix
    })
}

/// Out of the name of a service's endpoint: the data behind the SDK's rules is private.
fn resolve(region: &str) -> Option<String> {
    let params = Params::builder().region(region).build().ok()?;
    // The rules ask nobody, so that the answer is there at once.
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

/// The partition, as ARNs name it. Its name is in that of the Region ("Partitions", AWS Fault
/// Isolation Boundaries).
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
