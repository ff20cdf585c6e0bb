//! Version 1: a line of text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::super::peer::Peer;
use super::header::{Parsed, Progress, ProxyError, missing_of};

/// The first bytes of a header of version 1.
pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// Longest line, CRLF included (section 2.1).
const MAX_BYTES: usize = 107;

/// `PROXY TCP4|TCP6 SOURCE DESTINATION PORT PORT` or `PROXY UNKNOWN …`, and CRLF.
pub(super) fn parse(header: &[u8]) -> Parsed {
    if let Some(missing) = missing_of(SIGNATURE, header)? {
        return Ok(Progress::Incomplete(missing));
    }
    let Some(line) = header.strip_suffix(b"\r\n") else {
        if header.ends_with(b"\n") {
            return Err(ProxyError::Malformed("a line that does not end in CRLF"));
        }
        // The end of the line is what is certainly to come.
        let missing = if header.ends_with(b"\r") { 1 } else { 2 };
        if header.len() + missing > MAX_BYTES {
            return Err(ProxyError::Malformed("a line over 107 bytes"));
        }
        return Ok(Progress::Incomplete(missing));
    };
    match named(line) {
        Line::Names(peer) => Ok(Progress::Complete(Some(peer))),
        Line::NamesNobody => Ok(Progress::Complete(None)),
        Line::Malformed => Err(ProxyError::Malformed("a line of another form")),
    }
}

/// The outcome of reading a whole line of version 1.
#[derive(Debug)]
enum Line {
    /// The line names the client.
    Names(Peer),
    /// The line is of the form `PROXY UNKNOWN …`, and names nobody.
    NamesNobody,
    /// The line has neither form.
    Malformed,
}

/// Reads a whole line, without its CRLF.
fn named(line: &[u8]) -> Line {
    let words = line
        .strip_prefix(SIGNATURE)
        .and_then(|words| std::str::from_utf8(words).ok());
    match words {
        Some(words) if words == "UNKNOWN" || words.starts_with("UNKNOWN ") => Line::NamesNobody,
        Some(words) => client(words).map_or(Line::Malformed, Line::Names),
        None => Line::Malformed,
    }
}

/// Reads the client out of `TCP4|TCP6 SOURCE DESTINATION PORT PORT`. `None`: the line has another
/// form.
fn client(line: &str) -> Option<Peer> {
    let mut words = line.split(' ');
    let parse: fn(&str) -> Option<IpAddr> = match words.next()? {
        "TCP4" => |text| text.parse().ok().map(|ip: Ipv4Addr| ip.into()),
        "TCP6" => |text| text.parse().ok().map(|ip: Ipv6Addr| ip.into()),
        _ => return None,
    };
    let (source, _destination) = (parse(words.next()?)?, parse(words.next()?)?);
    let (port, _port) = (port(words.next()?)?, port(words.next()?)?);
    words
        .next()
        .is_none()
        .then(|| Peer::at(SocketAddr::new(source, port)))
}

/// Reads a port: 0–65535, in digits, without zeros in front.
fn port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_strictly() {
        for line in [
            "TCP4 10.1.2.3 10.0.0.1 54321",
            "TCP4 10.1.2.3 10.0.0.1 54321 5439 1",
            "TCP4 10.1.2.3 10.0.0.1 54321 5439 ",
            "TCP4  10.1.2.3 10.0.0.1 54321 5439",
            "TCP4 10.1.2.3\t10.0.0.1 54321 5439",
            "TCP4 10.1.2.3 10.0.0.1 65536 5439",
            "TCP4 10.1.2.3 10.0.0.1 +1 5439",
            "TCP4 10.1.2.3 10.0.0.1 01 5439",
            "TCP4 10.1.2.3 10.0.0.1  5439",
            "TCP4 10.1.2.03 10.0.0.1 1 5439",
            "TCP4 ::1 ::1 1 5439",
            "TCP6 10.1.2.3 10.0.0.1 1 5439",
            "TCP6 [::1] [::1] 1 5439",
            "TCP6 ::1%lo ::1 1 5439",
            "TCP 10.1.2.3 10.0.0.1 1 5439",
            "UDP4 10.1.2.3 10.0.0.1 1 5439",
            "tcp4 10.1.2.3 10.0.0.1 1 5439",
            "UNKNOWNS",
            "",
        ] {
            assert!(matches!(named(format!("PROXY {line}").as_bytes()), Line::Malformed), "{line}");
        }
        assert!(matches!(named(b"PROXY TCP4 10.1.2.3 10.0.0.1 1 5439\xff"), Line::Malformed));
    }

    #[test]
    fn lines_have_an_end_and_a_greatest_length() {
        let line = |bytes: usize| [b"PROXY UNKNOWN ", &vec![b'x'; bytes - 16][..], b"\r\n"].concat();
        assert!(matches!(parse(&line(107)), Ok(Progress::Complete(None))));
        assert!(matches!(parse(&line(108)[..106]), Err(ProxyError::Malformed(_))));
        assert!(matches!(parse(b"PROXY UNKNOWN\n"), Err(ProxyError::Malformed(_))));
    }
}
