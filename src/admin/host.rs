//! For whom a request was meant, by its Host, and which page sent it, by its Origin.
//!
//! A page of another site can make a browser send requests here, and read the answers once its own
//! name leads to our address (DNS rebinding). The browser then sends the name of that site as Host.
//! So a name that is not ours is refused; an IP address is no name, and cannot be led anywhere.

use std::net::{IpAddr, Ipv6Addr};

use hyper::Version;
use hyper::header::{HOST, HeaderValue, ORIGIN};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, Uri};

/// The host that a request was meant for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Meant {
    /// An IP address, or no host at all, as programs of HTTP/1.0 send it, which no browser does.
    Address,
    /// A name, in lower case and without a final dot.
    Name(String),
}

/// Why a request is not taken as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BadHost {
    /// There is no Host, more than one, or one that cannot be read.
    Unreadable,
    /// A page of another site sent the request.
    Origin,
}

/// Finds the host that a request was meant for, and checks that no page of another host sent it.
///
/// # Errors
/// See [`BadHost`].
pub(super) fn meant(head: &Parts) -> Result<Meant, BadHost> {
    let authority = authority(head)?;
    let mut origins = head.headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next(), &authority) {
        (None, ..) => {}
        (Some(origin), None, Some(authority)) if is_same(origin, authority) => {}
        _ => return Err(BadHost::Origin),
    }
    let Some(authority) = authority else { return Ok(Meant::Address) };
    let host = host(&authority);
    let is_address = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(host) => host.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<IpAddr>().is_ok(),
    };
    Ok(if is_address { Meant::Address } else { Meant::Name(host) })
}

/// The host and port of a request: those of an absolute target, else the Host. `None`: HTTP/1.0
/// without one.
fn authority(head: &Parts) -> Result<Option<Authority>, BadHost> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Some(readable(host)?),
        (None, _) if head.version == Version::HTTP_10 => None,
        _ => return Err(BadHost::Unreadable),
    };
    let target = head.uri.authority().cloned();
    // RFC 9112, 3.2.2: the target wins, and both have to be the same.
    match (target, host) {
        (Some(target), Some(host)) if !target.as_str().eq_ignore_ascii_case(host.as_str()) => Err(BadHost::Unreadable),
        (Some(target), _) if target.as_str().contains('@') => Err(BadHost::Unreadable),
        (Some(target), _) => Ok(Some(target)),
        (None, host) => Ok(host),
    }
}

fn readable(host: &HeaderValue) -> Result<Authority, BadHost> {
    let host = host.to_str().ok().filter(|host| !host.contains('@'));
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    host.filter(|host| !host.host().is_empty())
        .ok_or(BadHost::Unreadable)
}

/// The host of an authority, in lower case and without a final dot.
fn host(authority: &Authority) -> String {
    let host = authority.host().to_ascii_lowercase();
    host.strip_suffix('.').map(str::to_owned).unwrap_or(host)
}

/// Tells whether the `Origin` of a page names the same host and port as its request was sent to.
fn is_same(origin: &HeaderValue, meant: &Authority) -> bool {
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.parse::<Uri>().ok());
    let Some(origin) = origin else { return false };
    let default = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return false,
    };
    let Some(from) = origin.authority() else { return false };
    let port = |of: &Authority| of.port_u16().unwrap_or(default);
    host(from) == host(meant) && port(from) == port(meant) && !from.as_str().contains('@')
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn head(version: Version, target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().version(version).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn hosts() {
        let name = |name: &str| Ok(Meant::Name(name.to_owned()));
        for (hosts, want) in [
            (&["127.0.0.1:9439"][..], Ok(Meant::Address)),
            (&["127.0.0.1"], Ok(Meant::Address)),
            (&["10.1.2.3:9439"], Ok(Meant::Address)),
            (&["[::1]:9439"], Ok(Meant::Address)),
            (&["[2001:db8::1]"], Ok(Meant::Address)),
            (&["localhost:9439"], name("localhost")),
            (&["LOCALHOST."], name("localhost")),
            (&["evil.example"], name("evil.example")),
            // Names that some resolvers take for addresses, and browsers do not.
            (&["127.0.0.1.evil.example"], name("127.0.0.1.evil.example")),
            (&["127.1"], name("127.1")),
            (&["0x7f000001"], name("0x7f000001")),
            (&["2130706433"], name("2130706433")),
            (&[], Err(BadHost::Unreadable)),
            (&[""], Err(BadHost::Unreadable)),
            (&[":9439"], Err(BadHost::Unreadable)),
            (&["a b"], Err(BadHost::Unreadable)),
            (&["evil@127.0.0.1"], Err(BadHost::Unreadable)),
            (&["127.0.0.1/x"], Err(BadHost::Unreadable)),
            (&["127.0.0.1", "127.0.0.1"], Err(BadHost::Unreadable)),
            (&["127.0.0.1", "evil.example"], Err(BadHost::Unreadable)),
        ] {
            let headers: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
            assert_eq!(meant(&head(Version::HTTP_11, "/", &headers)), want, "{hosts:?}");
        }
        assert_eq!(meant(&head(Version::HTTP_10, "/", &[])), Ok(Meant::Address));
        assert_eq!(meant(&head(Version::HTTP_10, "/", &[("host", "evil.example")])), name("evil.example"));
        for (target, host, want) in [
            ("http://127.0.0.1/x", "127.0.0.1", Ok(Meant::Address)),
            ("http://evil.example/x", "evil.example", name("evil.example")),
            ("http://evil.example/x", "127.0.0.1", Err(BadHost::Unreadable)),
            ("http://127.0.0.1/x", "evil.example", Err(BadHost::Unreadable)),
            ("http://u@127.0.0.1/x", "u@127.0.0.1", Err(BadHost::Unreadable)),
        ] {
            assert_eq!(meant(&head(Version::HTTP_11, target, &[("host", host)])), want, "{target} {host}");
        }
    }

    #[test]
    fn origins() {
        for (host, origin, is_right) in [
            ("127.0.0.1:9439", "http://127.0.0.1:9439", true),
            ("127.0.0.1:9439", "https://127.0.0.1:9439", true),
            ("LOCALHOST:9439", "http://localhost:9439", true),
            ("dw.example.com", "https://dw.example.com", true),
            ("dw.example.com:443", "https://dw.example.com", true),
            ("[::1]:9439", "http://[::1]:9439", true),
            ("127.0.0.1:9439", "http://127.0.0.1:9440", false),
            ("127.0.0.1:9439", "http://127.0.0.1", false),
            ("127.0.0.1:9439", "http://localhost:9439", false),
            ("127.0.0.1:9439", "http://evil.example:9439", false),
            ("127.0.0.1:9439", "http://u@127.0.0.1:9439", false),
            ("127.0.0.1:9439", "null", false),
            ("127.0.0.1:9439", "", false),
            ("127.0.0.1:9439", "file://", false),
            ("127.0.0.1:9439", "chrome-extension://127.0.0.1:9439", false),
            ("127.0.0.1:9439", "127.0.0.1:9439", false),
        ] {
            let judged = meant(&head(Version::HTTP_11, "/", &[("host", host), ("origin", origin)]));
            assert_eq!(judged.is_ok(), is_right, "{host} {origin} {judged:?}");
        }
        let twice = [("host", "[::1]:1"), ("origin", "http://[::1]:1"), ("origin", "http://[::1]:1")];
        assert_eq!(meant(&head(Version::HTTP_11, "/", &twice)), Err(BadHost::Origin));
        assert_eq!(meant(&head(Version::HTTP_10, "/", &[("origin", "http://[::1]:1")])), Err(BadHost::Origin));
    }
}
