//! What is asked of addresses. A client's in IPv4 that is mapped into IPv6 is the one in IPv4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

/// Whom something is counted against: the address; in IPv6 its /64, which is one network's to use
/// as it likes.
pub(crate) fn neighbourhood(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// The network that holds the address and its [`neighbourhood`], in IPv6: what the log shows of a
/// client beside its address.
pub(crate) fn network(from: IpAddr) -> Option<String> {
    match neighbourhood(from) {
        IpAddr::V4(_) => None,
        network @ IpAddr::V6(_) => Some(format!("{network}/64")),
    }
}

/// The first address of a wider network: a site's /48 in IPv6, a /24 in IPv4.
pub(crate) fn wider(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() >> 8 << 8).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 80 << 80).into(),
    }
}

/// Whether it is in one of these networks.
pub(crate) fn is_in(address: IpAddr, networks: &[IpNet]) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// The address to dial: loopback for a listener on every address.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_in_ipv4_and_one_network_in_ipv6() {
        let of = |text: &str| neighbourhood(text.parse().unwrap()).to_string();
        assert_eq!(of("10.1.2.3"), "10.1.2.3");
        assert_eq!(of("::ffff:10.1.2.3"), "10.1.2.3");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_ne!(of("2001:db8:1:3::"), of("2001:db8:1:2::"));
        let of = |text: &str| wider(text.parse().unwrap()).to_string();
        assert_eq!((&*of("10.1.2.3"), &*of("2001:db8:1:2:3:4:5:6")), ("10.1.2.0", "2001:db8:1::"));
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!((of("10.1.2.3"), of("::ffff:10.1.2.3")), (None, None));
        assert_eq!(of("2001:db8:1:2:3:4:5:6").as_deref(), Some("2001:db8:1:2::/64"));
    }

    #[test]
    fn a_mapped_address_is_in_the_networks_of_ipv4() {
        let networks = ["10.1.0.0/16", "2001:db8::/32"].map(|text| text.parse().unwrap());
        let has = |text: &str| is_in(text.parse().unwrap(), &networks);
        assert!(has("10.1.2.3") && has("::ffff:10.1.2.3") && has("2001:db8::7"));
        assert!(!has("10.2.0.1") && !has("::ffff:10.2.0.1") && !has("2001:db9::"));
        assert!(!is_in("10.1.2.3".parse().unwrap(), &[]));
    }

    #[test]
    fn a_listener_on_every_address_is_asked_on_loopback() {
        for (address, want) in [
            ("0.0.0.0:5439", "127.0.0.1:5439"),
            ("[::]:5439", "[::1]:5439"),
            ("10.0.0.1:1", "10.0.0.1:1"),
            ("[::1]:1", "[::1]:1"),
        ] {
            assert_eq!(reachable(address.parse().unwrap()), want.parse().unwrap());
        }
    }
}
