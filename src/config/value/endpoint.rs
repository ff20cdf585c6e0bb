//! The names of Redshift's endpoints, and what they tell.

use crate::aws::partition;

/// The name of a Redshift endpoint, read label by label.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Endpoint {
    /// `WORKGROUP.ACCOUNT.REGION.redshift-serverless[-dev].amazonaws.com`, or what else the
    /// partition's names end with
    Serverless {
        /// The workgroup's name, which is the first label, in lower case: DNS does not care, the API does.
        workgroup: String,
        /// The Region, which is the third label.
        region: String,
    },
    /// `CLUSTER.ID.REGION.redshift.amazonaws.com`, or what else the partition's names end with
    Provisioned {
        /// The cluster's name, which is the first label, in lower case.
        cluster: String,
        /// The Region, which is the third label.
        region: String,
    },
}

impl Endpoint {
    /// The Region of the endpoint.
    pub(crate) fn region(&self) -> &str {
        match self {
            Self::Serverless { region, .. } | Self::Provisioned { region, .. } => region,
        }
    }
}

/// Reads a host's name as a Redshift endpoint's. It has to end as its Region's partition says.
/// `None`: some other name, or an address.
pub(crate) fn endpoint(host: &str) -> Option<Endpoint> {
    let (endpoint, suffix) = shape(host)?;
    (suffix == partition::dns_suffix(endpoint.region())).then_some(endpoint)
}

/// The message about a name that would be a Redshift endpoint's but for its end, which no Region of
/// that name has.
pub(crate) fn unknown_suffix(host: &str) -> Option<String> {
    let (endpoint, suffix) = shape(host)?;
    let (region, known) = (endpoint.region(), partition::dns_suffix(endpoint.region()));
    (suffix != known).then(|| format!("ends in {suffix}, which is unknown for {region}: its names end in {known}"))
}

/// Splits `NAME.ID.REGION.SERVICE` from what follows.
fn shape(host: &str) -> Option<(Endpoint, String)> {
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let mut labels = host.splitn(5, '.');
    let (first, _id, region) = (labels.next()?.to_owned(), labels.next()?, labels.next()?.to_owned());
    let endpoint = match labels.next()? {
        "redshift-serverless" | "redshift-serverless-dev" => Endpoint::Serverless { workgroup: first, region },
        "redshift" => Endpoint::Provisioned { cluster: first, region },
        _ => return None,
    };
    Some((endpoint, labels.next()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redshift_endpoints_are_read() {
        let serverless = |workgroup: &str, region: &str| {
            Some(Endpoint::Serverless { workgroup: workgroup.into(), region: region.into() })
        };
        let provisioned = |cluster: &str, region: &str| {
            Some(Endpoint::Provisioned { cluster: cluster.into(), region: region.into() })
        };
        for (host, want) in [
            ("Wg.123456789012.us-east-1.redshift-serverless.amazonaws.com", serverless("wg", "us-east-1")),
            ("wg.1.eu-west-1.redshift-serverless-dev.amazonaws.com.", serverless("wg", "eu-west-1")),
            ("wg.1.cn-north-1.redshift-serverless.amazonaws.com.cn", serverless("wg", "cn-north-1")),
            ("C1.abc.us-east-1.redshift.amazonaws.com", provisioned("c1", "us-east-1")),
            ("c1.abc.cn-north-1.redshift.amazonaws.com.cn.", provisioned("c1", "cn-north-1")),
            ("wg.1.eusc-de-east-1.redshift-serverless.amazonaws.eu", serverless("wg", "eusc-de-east-1")),
            ("c1.abc.us-iso-east-1.redshift.c2s.ic.gov", provisioned("c1", "us-iso-east-1")),
            ("c1.abc.us-isob-east-1.redshift.sc2s.sgov.gov", provisioned("c1", "us-isob-east-1")),
            ("c1.abc.us-east-1.redshift.amazonaws.eu", None),
            ("c1.abc.cn-north-1.redshift.amazonaws.com", None),
            ("c1.abc.us-east-1.redshift", None),
            ("c1.us-east-1.redshift.amazonaws.com", None),
            ("wg.us-east-1.redshift-serverless.amazonaws.com", None),
            ("a.wg.1.us-east-1.redshift-serverless.amazonaws.com", None),
            ("wg.1.us-east-1.redshift-serverless.amazonaws.com.example.com", None),
            ("localhost", None),
            ("10.0.0.1", None),
        ] {
            assert_eq!(endpoint(host), want, "{host}");
        }
        let told = unknown_suffix("wg.1.us-east-1.redshift-serverless.amazonaws.example").unwrap();
        assert_eq!(told, "ends in amazonaws.example, which is unknown for us-east-1: its names end in amazonaws.com");
        for host in ["wg.1.us-east-1.redshift-serverless.amazonaws.com", "dw.example.com", "10.0.0.1"] {
            assert_eq!(unknown_suffix(host), None, "{host}");
        }
    }
}
