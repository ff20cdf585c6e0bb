//! The places that clients may come from.

use std::fmt;
use std::net::IpAddr;
use std::slice;

use ipnet::IpNet;

use super::Parsed;
use crate::address::is_in;

/// An element of `from`: a place that clients may come from.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum AllowedFrom {
    /// A network, in CIDR; a single address is one of its full length.
    Network(IpNet),
    /// `vpce-…`: the VPC endpoint that an AWS load balancer names in a PROXY v2 header.
    VpcEndpoint(String),
}

impl AllowedFrom {
    /// Whether a client at this address, that came through this VPC endpoint, comes from this
    /// place.
    #[must_use]
    pub fn covers(&self, address: IpAddr, vpc_endpoint: Option<&str>) -> bool {
        match self {
            Self::Network(network) => is_in(address, slice::from_ref(network)),
            Self::VpcEndpoint(id) => vpc_endpoint == Some(id),
        }
    }
}

impl fmt::Display for AllowedFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::VpcEndpoint(id) => f.write_str(id),
        }
    }
}

/// Reads `10.1.0.0/16`, `2001:db8::/32`, or one address. Bits behind the prefix are a mistake, as
/// in PostgreSQL's `cidr`.
pub(crate) fn network(text: &str) -> Parsed<IpNet> {
    const EXPECTED: &str = "must be a network, such as \"10.1.0.0/16\", or an address";
    let network = match text.parse::<IpNet>() {
        Ok(network) => network,
        Err(_) => IpNet::from(text.parse::<IpAddr>().map_err(|_why| EXPECTED)?),
    };
    // Clients' addresses are compared in their canonical form, in which no mapped one is left.
    if matches!(network, IpNet::V6(network) if network.network().to_ipv4_mapped().is_some()) {
        return Err("must be written as IPv4, not as IPv4 mapped into IPv6".into());
    }
    if network.addr() != network.network() {
        return Err("has bits set to the right of its prefix".into());
    }
    Ok(network)
}

/// Reads a network or a VPC endpoint.
pub(crate) fn allowed_from(text: &str) -> Parsed<AllowedFrom> {
    if text.starts_with(VPC_ENDPOINT) {
        vpc_endpoint(text).map(AllowedFrom::VpcEndpoint)
    } else {
        network(text).map(AllowedFrom::Network)
    }
}

/// The prefix of the ids of VPC endpoints.
const VPC_ENDPOINT: &str = "vpce-";

/// Reads the id of a VPC endpoint: `vpce-` and 8 to 17 hexadecimal digits (EC2 API,
/// `VpcEndpointId`).
pub(crate) fn vpc_endpoint(text: &str) -> Parsed<String> {
    let digits = text.strip_prefix(VPC_ENDPOINT).unwrap_or_default();
    let is_hex = digits
        .bytes()
        .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if is_hex && (8..=17).contains(&digits.len()) {
        Ok(text.to_owned())
    } else {
        Err("must be \"vpce-\" and 8 to 17 hexadecimal digits in lower case".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_endpoints() {
        for (text, ok) in [
            ("10.1.0.0/16", true),
            ("10.1.0.1", true),
            ("0.0.0.0/0", true),
            ("2001:db8::/32", true),
            ("::1", true),
            ("vpce-0123456789abcdef0", true),
            ("vpce-01234567", true),
            ("10.1.0.1/16", false),
            ("10.1.0.0/33", false),
            ("::ffff:10.0.0.1", false),
            ("10.1", false),
            ("localhost", false),
            ("vpce-", false),
            ("vpce-XYZ", false),
            ("vpce-0123456789abcdef01", false),
            ("", false),
        ] {
            assert_eq!(allowed_from(text).is_ok(), ok, "{text:?}");
        }
    }

    #[test]
    fn an_address_is_covered_in_its_canonical_form() {
        let from = allowed_from("10.1.0.0/16").unwrap();
        assert!(from.covers("10.1.2.3".parse().unwrap(), None));
        assert!(from.covers("::ffff:10.1.2.3".parse().unwrap(), None));
        assert!(!from.covers("10.2.0.1".parse().unwrap(), Some("vpce-01234567")));
        let endpoint = allowed_from("vpce-01234567").unwrap();
        assert!(endpoint.covers("10.2.0.1".parse().unwrap(), Some("vpce-01234567")));
        assert!(!endpoint.covers("10.2.0.1".parse().unwrap(), None));
    }
}
