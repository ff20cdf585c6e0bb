//! Parsers of addresses, ports, hosts and URLs.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use rustls::pki_types::ServerName;

use super::Parsed;

/// Reads `IP:PORT`, with IPv6 in brackets.
pub(crate) fn socket_address(text: &str) -> Parsed<SocketAddr> {
    text.parse()
        .map_err(|_why| "must be IP:PORT, such as \"127.0.0.1:5439\" or \"[::1]:5439\"".into())
}

/// Reads a port, 1–65535, in digits.
pub(crate) fn port(text: &str) -> Parsed<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let port = if digits { text.parse().ok().filter(|port| *port != 0) } else { None };
    port.ok_or("must be a port, 1 to 65535".into())
}

/// Reads `https://HOST[:PORT][/PATH]`, or `http://` to this host: signed requests are sent there,
/// and passwords come back.
pub(crate) fn endpoint_url(text: &str) -> Parsed<String> {
    const EXPECTED: &str = "must be a URL, such as \"https://vpce.example.com\", without user, query or fragment";
    let (scheme, rest) = text.split_once("://").ok_or(EXPECTED)?;
    if rest.contains(|c: char| !c.is_ascii_graphic() || matches!(c, '@' | '\\' | '?' | '#' | '%' | '"' | '<' | '>')) {
        return Err(EXPECTED.into());
    }
    let authority = rest.split('/').next().unwrap_or(rest);
    let (host, after) = match authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some(bracketed) => bracketed,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if !after.is_empty() {
        port(after.strip_prefix(':').ok_or(EXPECTED)?)?;
    }
    if authority.starts_with('[') != host.contains(':') || ServerName::try_from(host).is_err() {
        return Err(EXPECTED.into());
    }
    let loopback = host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    match scheme.to_ascii_lowercase().as_str() {
        "https" => Ok(text.to_owned()),
        "http" if loopback => Ok(text.to_owned()),
        "http" => Err("must be https: plain http only goes to a loopback host".into()),
        _ => Err(EXPECTED.into()),
    }
}

/// A DNS name or an IP address without brackets.
pub(crate) fn host(text: &str) -> Parsed<String> {
    match ServerName::try_from(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("must be a DNS name or an IP address, without port or brackets".into()),
    }
}

/// The value of `listen.public_name`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicName {
    /// A DNS name or an IP address without brackets.
    pub host: String,
    /// The port. `None`: that of the first address.
    pub port: Option<u16>,
}

impl fmt::Display for PublicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host),
            false => f.write_str(&self.host),
        }?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Reads `HOST` or `HOST:PORT`, with IPv6 in brackets.
pub(crate) fn public_name(text: &str) -> Parsed<PublicName> {
    const EXPECTED: &str = "must be HOST or HOST:PORT, such as \"redshift.example.com:5439\" or \"[2001:db8::1]\"";
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (name, after) = bracketed.unwrap_or_else(|| text.split_at(text.find(':').unwrap_or(text.len())));
    if bracketed.is_some() != name.parse::<Ipv6Addr>().is_ok() {
        return Err(EXPECTED.into());
    }
    let host = host(name).map_err(|_why| EXPECTED)?;
    let port = match after.strip_prefix(':') {
        Some(digits) => Some(port(digits)?),
        None if after.is_empty() => None,
        None => return Err(EXPECTED.into()),
    };
    Ok(PublicName { host, port })
}

/// Reads a DNS name, and turns it into lower case.
pub(crate) fn dns_suffix(text: &str) -> Parsed<String> {
    match ServerName::try_from(text) {
        Ok(ServerName::DnsName(name)) if !text.ends_with('.') => Ok(name.as_ref().to_ascii_lowercase()),
        _ => Err("must be a DNS name, such as \"redshift.example.com\", without dots at its ends".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_addresses() {
        for (text, want) in [("1", Some(1)), ("65535", Some(65535)), ("05439", Some(5439))] {
            assert_eq!(port(text).ok(), want);
        }
        for text in ["", "0", "65536", "+1", "-1", " 1", "5439x", "5.0"] {
            assert!(port(text).is_err(), "{text:?}");
        }
        for (text, ok) in [
            ("127.0.0.1:5439", true),
            ("[::1]:0", true),
            ("127.0.0.1", false),
            ("localhost:5439", false),
            ("::1:5439", false),
            ("", false),
        ] {
            assert_eq!(socket_address(text).is_ok(), ok, "{text:?}");
        }
    }

    #[test]
    fn endpoint_urls() {
        for text in [
            "https://vpce-1.sts.example.com",
            "HTTPS://example.com:8443/path",
            "https://10.0.0.1/",
            "http://127.0.0.1:4566",
            "http://127.9.9.9",
            "http://localhost",
            "http://LocalHost:80/",
            "http://[::1]:4566/x",
            "https://[2001:db8::1]",
        ] {
            assert_eq!(endpoint_url(text).as_deref(), Ok(text));
        }
        for text in [
            "",
            "localhost:4566",
            "https://",
            "https://:443",
            "ftp://localhost",
            "http://example.com",
            "http://10.0.0.1",
            "http://[2001:db8::1]",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://localhost@example.com",
            "http://localhost:80@example.com",
            "http://localhost\\.example.com",
            "http://localhost:0",
            "http://localhost:x",
            "http://localhost?x",
            "https://a b",
            "https://[::1",
            "https://[localhost]",
            "https://::1",
            "https://example.com#x",
        ] {
            assert!(endpoint_url(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn public_names() {
        for (text, host, port) in [
            ("redshift.example.com", "redshift.example.com", None),
            ("redshift.example.com:5440", "redshift.example.com", Some(5440)),
            ("10.0.0.1:1", "10.0.0.1", Some(1)),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("[::1]:65535", "::1", Some(65535)),
        ] {
            assert_eq!(public_name(text), Ok(PublicName { host: host.to_owned(), port }), "{text:?}");
        }
        for text in [
            "",
            ":5439",
            "a b",
            "host:",
            "host:0",
            "host:65536",
            "host:x",
            "host:1:2",
            "::1",
            "2001:db8::1",
            "[::1",
            "[::1]5",
            "[host]:1",
            "[10.0.0.1]",
            "*.example.com",
            "https://host",
            "host/",
        ] {
            assert!(public_name(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn suffixes_are_dns_names_in_lower_case() {
        for (text, want) in [
            ("redshift.example.com", Some("redshift.example.com")),
            ("Redshift.Example.COM", Some("redshift.example.com")),
            ("", None),
            (".example.com", None),
            ("example.com.", None),
            ("*.example.com", None),
            ("10.0.0.1", None),
            ("example.com:5439", None),
        ] {
            assert_eq!(dns_suffix(text).ok().as_deref(), want, "{text:?}");
        }
    }

    #[test]
    fn hosts() {
        for (text, ok) in [
            ("dw.example.com", true),
            ("localhost", true),
            ("10.0.0.1", true),
            ("::1", true),
            ("", false),
            ("[::1]", false),
            ("a b", false),
            ("host:5439", false),
            ("-a.example", false),
        ] {
            assert_eq!(host(text).is_ok(), ok, "{text:?}");
        }
    }
}
