//! Addresses that are never dialled, whatever a host name leads to.
//!
//! The writer of a spec or the answer to a DNS query chooses an address. None of these is a
//! warehouse's, and several are worth an attacker's while: a metadata service hands credentials to
//! any program that connects from this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is never dialled: link-local, multicast, unspecified and broadcast addresses,
/// and the metadata services of clouds. An IPv4 address inside an IPv6 one is judged too, since a
/// gateway on the way would unwrap it.
pub(super) fn is_forbidden(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_forbidden_v4(ip),
        IpAddr::V6(ip) => is_forbidden_v6(ip) || embedded(ip).into_iter().flatten().any(is_forbidden_v4),
    }
}

fn is_forbidden_v4(ip: Ipv4Addr) -> bool {
    // All of 0.0.0.0/8 is "this network" (RFC 1122 3.2.1.3), and reaches this machine on some
    // systems.
    let is_this_network = ip.octets().starts_with(&[0]);
    ip.is_link_local() || ip.is_multicast() || ip.is_broadcast() || is_this_network || METADATA_V4.contains(&ip)
}

fn is_forbidden_v6(ip: Ipv6Addr) -> bool {
    // fec0::/10, site-local, is link-local's deprecated sibling (RFC 3879).
    let is_site_local = ip
        .segments()
        .first()
        .is_some_and(|segment| segment & 0xffc0 == 0xfec0);
    let is_local = ip.is_unicast_link_local() || is_site_local;
    is_local || ip.is_multicast() || ip.is_unspecified() || METADATA_V6.contains(&ip)
}

/// Metadata and platform services whose IPv4 address is not link-local. AWS, Google, Azure and
/// OpenStack use 169.254.169.254, ECS and EKS their neighbours.
const METADATA_V4: [Ipv4Addr; 3] = [
    // Alibaba Cloud.
    Ipv4Addr::new(100, 100, 100, 200),
    // Oracle Cloud, of old.
    Ipv4Addr::new(192, 0, 0, 192),
    // Azure's WireServer, which hands out the configuration of a virtual machine with its secrets.
    Ipv4Addr::new(168, 63, 129, 16),
];

/// The services of cloud platforms at IPv6 addresses that are not link-local.
const METADATA_V6: [Ipv6Addr; 6] = [
    // EC2: instance metadata, EKS Pod Identity, the resolver, the clock.
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x123),
    // Google Cloud.
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    // Scaleway.
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];

/// The IPv4 addresses that an IPv6 address may stand for, by each way in which one is carried in
/// the other.
fn embedded(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 4] {
    let bytes = ip.octets();
    let at = |indices: [usize; 4]| {
        let [a, b, c, d] = indices.map(|index| bytes.get(index).copied().unwrap_or_default());
        Ipv4Addr::new(a, b, c, d)
    };
    let last = at([12, 13, 14, 15]);
    match ip.segments() {
        // ::1 is this machine, no IPv4-compatible address.
        [0, 0, 0, 0, 0, 0, 0, 1] => [None; 4],
        // IPv4-mapped, -compatible and -translated (RFC 4291 2.5.5, RFC 2765 2.1).
        [0, 0, 0, 0, 0, 0xffff | 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => [Some(last), None, None, None],
        // NAT64's well-known prefix (RFC 6052 2.1).
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => [Some(last), None, None, None],
        // NAT64's prefix for local use (RFC 8215). A network may use a /48, /56, /64 or /96 of it,
        // which carry the address in four places, around the byte 8 that stays zero (RFC 6052 2.2).
        // A place that begins with a zero byte is padding.
        [0x64, 0xff9b, 1, ..] => {
            let places = [at([6, 7, 9, 10]), at([7, 9, 10, 11]), at([9, 10, 11, 12]), last];
            places.map(|place| (!place.octets().starts_with(&[0])).then_some(place))
        }
        // 6to4 (RFC 3056 2).
        [0x2002, ..] => [Some(at([2, 3, 4, 5])), None, None, None],
        // Teredo: the server in clear, the client with its bits inverted (RFC 4380 4).
        [0x2001, 0, ..] => {
            let client = Ipv4Addr::from_bits(!last.to_bits());
            [Some(at([4, 5, 6, 7])), Some(client), None, None]
        }
        // ISATAP, behind any prefix (RFC 5214 6.1).
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => [Some(last), None, None, None],
        _ => [None; 4],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_never_dialled() {
        for ip in [
            // Link-local, multicast, and what is no host's.
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "224.0.0.1",
            "ff02::1",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "255.255.255.255",
            // Metadata elsewhere.
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd00:ec2::253",
            "fd00:ec2::123",
            "fd20:ce::254",
            "fd00:42::42",
            // Mapped, compatible, translated.
            "::ffff:169.254.169.254",
            "::ffff:100.100.100.200",
            "::ffff:0.0.0.0",
            "::169.254.169.254",
            "::224.0.0.1",
            "::ffff:0:169.254.169.254",
            // NAT64: the well-known prefix, and the four lengths of the local one.
            "64:ff9b::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::168.63.129.16",
            "64:ff9b:1::169.254.169.254",
            "64:ff9b:1:a9fe:a9:fe00::",
            "64:ff9b:1:ffa9:fe:a9fe::",
            "64:ff9b:1:ffff:a9:fea9:fe00:0",
            // 6to4, Teredo's server and client, ISATAP.
            "2002:a9fe:a9fe::1",
            "2002:6464:64c8::",
            "2001:0:a9fe:a9fe::",
            "2001:0:4136:e378:8000:63bf:5601:5601",
            "2001:db8::5efe:169.254.169.254",
            "2001:db8::200:5efe:169.254.169.254",
        ] {
            assert!(is_forbidden(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn addresses_that_a_warehouse_may_have() {
        for ip in [
            "127.0.0.1",
            "10.0.0.1",
            "100.64.0.1",
            "172.31.0.10",
            "52.1.2.3",
            "192.0.0.170",
            "::1",
            "fd00:1::254",
            "fd00:ec2:1::254",
            "2001:db8::1",
            "2600:1f18::1",
            "::ffff:10.0.0.1",
            "::10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::10.0.0.1",
            "64:ff9b:1:a00:0:100::",
            "2002:a00:1::1",
            "2001:0:4136:e378:8000:63bf:f5ff:fffe",
            "2001:db8::5efe:10.0.0.1",
        ] {
            assert!(!is_forbidden(ip.parse().unwrap()), "{ip}");
        }
    }
}
