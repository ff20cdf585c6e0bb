//! Whether a request is allowed: by whom it was meant for, where it comes from, and its token.

use std::net::IpAddr;

use hyper::header::{ACCEPT_LANGUAGE, AUTHORIZATION, HeaderMap, HeaderName};
use hyper::http::request::Parts;

use super::host::{BadHost, Meant, meant};
use super::route::{Face, Needs};
use crate::operations::{AdminAccess, TokenVerdict};

/// Why a request is not allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Denied {
    /// The Host is missing or cannot be read.
    BadHost,
    /// The Host is a name that is not ours.
    OtherHost,
    /// A page of another site sent the request.
    Origin,
    /// A browser says that a page of another site had the request sent.
    CrossSite,
    /// The configuration has no token, without which this is not allowed.
    NoTokenConfigured,
    /// The token has not been read yet.
    TokenUnread,
    /// The request has no token, and needs one.
    TokenMissing,
    /// The request has another token than ours.
    TokenWrong,
}

/// The proof of its sender that an allowed request has brought.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Caller {
    /// The request has no token, or may have had a wrong one that it does not need.
    Unproven,
    /// The request has the token.
    Proven,
}

/// Decides about a request that comes from this address. `is_data`: a page of another site must not
/// read the answer, though the request may need no token.
///
/// # Errors
/// See [`Denied`].
pub(super) fn check(
    face: Face,
    (needs, is_data): (Needs, bool),
    head: &Parts,
    from: IpAddr,
    access: &AdminAccess,
) -> Result<Caller, Denied> {
    if is_cross_site(&head.headers) {
        return Err(Denied::CrossSite);
    }
    let meant = match meant(head) {
        Ok(meant) => meant,
        Err(BadHost::Origin) => return Err(Denied::Origin),
        // Probes send what they like, and there is nothing to protect.
        Err(BadHost::Unreadable) if face == Face::Health => Meant::Address,
        Err(BadHost::Unreadable) => return Err(Denied::BadHost),
    };
    let verdict = access.judge(bearer(&head.headers));
    match meant {
        // A page that has led its own name here does not know the token.
        Meant::Name(name) if face == Face::Full && !access.is_ours(&name) && verdict != TokenVerdict::Right => {
            return Err(if verdict == TokenVerdict::Wrong { Denied::TokenWrong } else { Denied::OtherHost });
        }
        // Scrapers come by whatever name a service has, and browsers by one that was led here.
        Meant::Name(name) if is_data && !access.is_ours(&name) && is_of_browser(&head.headers) => {
            return Err(Denied::OtherHost);
        }
        Meant::Name(_) | Meant::Address => {}
    }
    match (needs, verdict) {
        (_, TokenVerdict::Right) => Ok(Caller::Proven),
        (Needs::Nothing, _) => Ok(Caller::Unproven),
        // A token that is sent has to be right, wherever it comes from.
        (_, TokenVerdict::Wrong) => Err(Denied::TokenWrong),
        (Needs::TokenOffLoopback, _) if is_of_this_host(from, &head.headers) => Ok(Caller::Unproven),
        (_, TokenVerdict::Missing) => Err(Denied::TokenMissing),
        (_, TokenVerdict::NotConfigured) => Err(Denied::NoTokenConfigured),
        (_, TokenVerdict::Unread) => Err(Denied::TokenUnread),
    }
}

/// The token of a request. `None`: it has none, or more than one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_start_matches(' '))
}

/// Tells whether a request was made on this host. A request that another server has passed on was
/// not, even if that server is on this host.
fn is_of_this_host(from: IpAddr, headers: &HeaderMap) -> bool {
    from.to_canonical().is_loopback() && !headers.keys().any(is_of_forwarder)
}

/// Tells whether a header of this name is one that proxies add to the requests that they forward.
fn is_of_forwarder(name: &HeaderName) -> bool {
    let name = name.as_str();
    let begins = ["x-forwarded", "x-envoy-", "cf-"]
        .iter()
        .any(|start| name.starts_with(start));
    let names = ["forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip"];
    begins || names.contains(&name)
}

/// Whether a browser says that a page of another site, or of another port, had the request sent. A
/// page cannot change what it says.
fn is_cross_site(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").iter();
    sites.any(|site| site != "none" && site != "same-origin")
}

/// Whether a browser sent the request. It says `Accept-Language` also where it says nothing else,
/// over plain HTTP, and a page cannot leave it out.
fn is_of_browser(headers: &HeaderMap) -> bool {
    let is_sign = |name: &HeaderName| name == ACCEPT_LANGUAGE || name.as_str().starts_with("sec-fetch-");
    headers.keys().any(is_sign)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use hyper::Request;

    use super::*;
    use crate::config::{self, UnknownKeys};

    const RIGHT: &str = "Bearer 0123456789abcdef";
    const WRONG: &str = "Bearer 0123456789abcdeX";

    fn access(token: &str) -> AdminAccess {
        let text = format!("[listen]\npublic_name = \"dw.example.com\"\n[admin]\n{token}");
        let env = |name: &str| (name == "TOKEN").then(|| "0123456789abcdef".to_owned());
        AdminAccess::new(&config::parse(&text, Path::new("p"), &env, UnknownKeys::Refuse).unwrap(), None)
    }

    fn head(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn judged(
        access: &AdminAccess,
        face: Face,
        needs: Needs,
        from: &str,
        headers: &[(&str, &str)],
    ) -> Result<(), Denied> {
        check(face, (needs, true), &head(headers), from.parse().unwrap(), access).map(drop)
    }

    #[test]
    fn tokens_by_route_and_peer() {
        let (configured, unread, none) = (access("token = \"env:TOKEN\""), access("token = \"ssm:/t\""), access(""));
        let (nothing, data, action) = (Needs::Nothing, Needs::TokenOffLoopback, Needs::Token);
        let (here, there) = ("127.0.0.1", "10.0.0.1");
        for (access, needs, from, authorization, want) in [
            (&configured, nothing, here, None, Ok(())),
            (&configured, nothing, there, None, Ok(())),
            (&configured, nothing, there, Some(WRONG), Ok(())),
            (&configured, data, here, None, Ok(())),
            (&configured, data, "::1", None, Ok(())),
            (&configured, data, "::ffff:127.0.0.1", None, Ok(())),
            (&configured, data, "127.9.9.9", None, Ok(())),
            (&configured, data, here, Some(WRONG), Err(Denied::TokenWrong)),
            (&configured, data, there, None, Err(Denied::TokenMissing)),
            (&configured, data, "::ffff:10.0.0.1", None, Err(Denied::TokenMissing)),
            (&configured, data, there, Some(WRONG), Err(Denied::TokenWrong)),
            (&configured, data, there, Some(RIGHT), Ok(())),
            (&configured, action, here, None, Err(Denied::TokenMissing)),
            (&configured, action, here, Some(WRONG), Err(Denied::TokenWrong)),
            (&configured, action, here, Some(RIGHT), Ok(())),
            (&configured, action, there, Some(RIGHT), Ok(())),
            (&unread, data, here, None, Ok(())),
            (&unread, data, there, Some(RIGHT), Err(Denied::TokenUnread)),
            (&unread, action, here, Some(RIGHT), Err(Denied::TokenUnread)),
            (&none, nothing, there, None, Ok(())),
            (&none, data, here, None, Ok(())),
            (&none, data, there, None, Err(Denied::NoTokenConfigured)),
            (&none, data, there, Some("Bearer "), Err(Denied::NoTokenConfigured)),
            (&none, action, here, None, Err(Denied::NoTokenConfigured)),
            (&none, action, here, Some("Bearer "), Err(Denied::NoTokenConfigured)),
        ] {
            let headers: Vec<_> = [("host", "[::1]:1")]
                .into_iter()
                .chain(authorization.map(|value| ("authorization", value)))
                .collect();
            let judged = judged(access, Face::Full, needs, from, &headers);
            assert_eq!(judged, want, "{needs:?} from {from}, {authorization:?}");
        }
    }

    #[test]
    fn authorizations() {
        let access = access("token = \"env:TOKEN\"");
        let action = |all: &[&str]| {
            let headers: Vec<_> = [("host", "[::1]:1")]
                .into_iter()
                .chain(all.iter().map(|value| ("authorization", *value)))
                .collect();
            judged(&access, Face::Full, Needs::Token, "::1", &headers)
        };
        for right in [RIGHT, "bearer 0123456789abcdef", "BEARER   0123456789abcdef"] {
            assert_eq!(action(&[right]), Ok(()), "{right}");
        }
        for (wrong, want) in [
            (&["0123456789abcdef"][..], Denied::TokenMissing),
            (&["Basic 0123456789abcdef"], Denied::TokenMissing),
            (&["Bearer"], Denied::TokenMissing),
            (&["Bearer\t0123456789abcdef"], Denied::TokenMissing),
            (&[""], Denied::TokenMissing),
            (&["Bearer "], Denied::TokenWrong),
            (&["Bearer 0123456789abcde"], Denied::TokenWrong),
            (&["Bearer 0123456789abcdef0"], Denied::TokenWrong),
            (&["Bearer 0123456789abcdef, x"], Denied::TokenWrong),
            (&[RIGHT, WRONG], Denied::TokenMissing),
            (&[RIGHT, RIGHT], Denied::TokenMissing),
        ] {
            assert_eq!(action(wrong), Err(want), "{wrong:?}");
        }
    }

    #[test]
    fn names_that_are_not_ours_need_the_token() {
        let access = access("token = \"env:TOKEN\"");
        let asked = |face, needs, host: &str, more: &[(&str, &str)]| {
            judged(&access, face, needs, "127.0.0.1", &[&[("host", host)], more].concat())
        };
        let (right, wrong) = ([("authorization", RIGHT)], [("authorization", WRONG)]);
        for needs in [Needs::Nothing, Needs::TokenOffLoopback] {
            for host in ["127.0.0.1:9439", "10.0.0.7", "[::1]", "localhost:9439", "dw.example.com", "DW.example.com.:1"]
            {
                assert_eq!(asked(Face::Full, needs, host, &[]), Ok(()), "{host}");
            }
            for host in ["evil.example:9439", "dw.example.com.evil.test", "localhost.evil.test"] {
                assert_eq!(asked(Face::Full, needs, host, &[]), Err(Denied::OtherHost), "{host}");
                assert_eq!(asked(Face::Full, needs, host, &right), Ok(()), "{host}");
                assert_eq!(asked(Face::Full, needs, host, &wrong), Err(Denied::TokenWrong), "{host}");
                assert_eq!(asked(Face::Health, Needs::Nothing, host, &[]), Ok(()), "{host}");
            }
            assert_eq!(asked(Face::Full, needs, "a b", &right), Err(Denied::BadHost));
            assert_eq!(asked(Face::Health, Needs::Nothing, "a b", &[]), Ok(()));
            for face in [Face::Full, Face::Health] {
                let page = [("origin", "https://evil.example")];
                assert_eq!(asked(face, needs, "127.0.0.1:1", &page), Err(Denied::Origin));
                let page = [("origin", "https://evil.example"), right[0]];
                assert_eq!(asked(face, needs, "127.0.0.1:1", &page), Err(Denied::Origin), "whatever it knows");
            }
        }
    }

    #[test]
    fn a_server_on_this_host_that_forwards_is_not_this_host() {
        let access = access("token = \"env:TOKEN\"");
        for name in [
            "x-forwarded-for",
            "x-forwarded-host",
            "forwarded",
            "via",
            "x-real-ip",
            "x-client-ip",
            "x-envoy-external-address",
            "cf-connecting-ip",
            "true-client-ip",
        ] {
            let headers = [("host", "localhost"), (name, "10.0.0.1")];
            let judged = judged(&access, Face::Full, Needs::TokenOffLoopback, "127.0.0.1", &headers);
            assert_eq!(judged, Err(Denied::TokenMissing), "{name}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_refused_by_what_its_browser_says() {
        let access = access("token = \"env:TOKEN\"");
        for face in [Face::Full, Face::Health] {
            let asked = |headers: &[(&str, &str)]| judged(&access, face, Needs::Nothing, "127.0.0.1", headers);
            for (site, want) in [
                ("none", Ok(())),
                ("same-origin", Ok(())),
                ("same-site", Err(Denied::CrossSite)),
                ("cross-site", Err(Denied::CrossSite)),
                ("", Err(Denied::CrossSite)),
            ] {
                let headers = [("host", "127.0.0.1"), ("sec-fetch-site", site), ("authorization", RIGHT)];
                assert_eq!(asked(&headers), want, "{site}");
            }
        }
        let asked = |host: &str, more: (&str, &str)| {
            judged(&access, Face::Health, Needs::Nothing, "127.0.0.1", &[("host", host), more])
        };
        for browser in [("accept-language", "de"), ("accept-language", ""), ("sec-fetch-mode", "cors")] {
            assert_eq!(asked("evil.example:9440", browser), Err(Denied::OtherHost), "{browser:?}");
            for ours in ["10.0.0.7:9440", "[::1]:9440", "localhost:9440", "dw.example.com"] {
                assert_eq!(asked(ours, browser), Ok(()), "{ours}");
            }
        }
        assert_eq!(asked("proxy.monitoring.svc:9440", ("user-agent", "Prometheus/3.5.0")), Ok(()));
    }
}
