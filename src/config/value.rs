//! One parser per kind of value. Messages say what is expected and never repeat the text they were given: any value may
//! have come out of the environment.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;

use super::keys::NOT_YET_SUPPORTED;

/// A value, or what is wrong with it: lower case, no full stop.
pub(super) type Parsed<T> = Result<T, Cow<'static, str>>;

/// Where a value is kept, when it is not in the file itself.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Reference {
    /// `file:PATH`
    File(PathBuf),
    /// A path without `file:`. In a user's `password` this may be a mistyped password, so it is never shown.
    Bare(PathBuf),
    /// `env:NAME`
    Env(String),
}

/// `file:PATH`, `env:NAME` or a bare path. Relative paths are left as they are.
pub(super) fn reference(text: &str) -> Parsed<Reference> {
    match text.split_once(':') {
        Some(("ssm" | "secret", _)) => Err(NOT_YET_SUPPORTED.into()),
        Some(("file" | "env", "")) => Err("must name a file or a variable behind the colon".into()),
        Some(("file", path)) => Ok(Reference::File(path.into())),
        Some(("env", name)) => Ok(Reference::Env(name.to_owned())),
        _ if text.is_empty() => Err("must not be empty".into()),
        // Taken for a path it would be shown, and it may be a private key.
        _ if text.contains("-----BEGIN") => Err("must refer to a PEM text, not be one".into()),
        _ => Ok(Reference::Bare(text.into())),
    }
}

/// Puts environment variables in for `${NAME}`. One pass: what a variable holds is taken as it is.
pub(super) fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Parsed<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let name = after.split_once('}').filter(|(name, _)| is_variable(name));
        let (name, behind) = name.ok_or("${ must be followed by the name of an environment variable and }")?;
        let value = env(name).ok_or_else(|| format!("environment variable {name} is not set"))?;
        out.push_str(before);
        out.push_str(&value);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// lava's grammar without sign and exponent: optional blanks, a decimal number, optional blanks, an optional unit out of
/// `w d h m s` (none = seconds), optional blanks. At most 1,000,000,000 s, so that adding it to a time cannot overflow.
pub(super) fn duration(text: &str) -> Parsed<Duration> {
    const EXPECTED: &str = "must be a duration, such as \"90s\", \"15m\", \"0.5h\" or a number of seconds";
    let text = text.trim_matches([' ', '\t']);
    let (number, unit_secs) = match text.as_bytes().last() {
        Some(b'w') => (text.strip_suffix('w'), 604_800),
        Some(b'd') => (text.strip_suffix('d'), 86_400),
        Some(b'h') => (text.strip_suffix('h'), 3_600),
        Some(b'm') => (text.strip_suffix('m'), 60),
        Some(b's') => (text.strip_suffix('s'), 1),
        _ => (Some(text), 1),
    };
    let number = number.unwrap_or(text).trim_end_matches([' ', '\t']);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return Err(EXPECTED.into());
    }
    let too_long = || Cow::Borrowed("must be at most 1000000000 seconds");
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().map_err(|_why| too_long())? };
    // Nine digits are nanoseconds; what is finer is cut.
    let nanos: u64 = format!("{:0<9}", fraction).chars().take(9).collect::<String>().parse().unwrap_or(0);
    let total = (u128::from(whole) * 1_000_000_000 + u128::from(nanos)) * unit_secs;
    if total > 1_000_000_000_000_000_000 {
        return Err(too_long());
    }
    Ok(Duration::from_nanos(u64::try_from(total).unwrap_or(u64::MAX)))
}

/// A duration that is not zero.
pub(super) fn positive(duration: Duration) -> Parsed<Duration> {
    if duration.is_zero() { Err("must be longer than 0".into()) } else { Ok(duration) }
}

/// `durationSeconds` of GetCredentials: 900–3600 s, cut to whole seconds as lava does.
pub(super) fn password_duration(duration: Duration) -> Parsed<Duration> {
    match duration.as_secs() {
        secs @ 900..=3600 => Ok(Duration::from_secs(secs)),
        secs => Err(format!("{secs} s is out of range: AWS grants 900 to 3600 s (\"15m\" to \"1h\")").into()),
    }
}

/// `IP:PORT`; IPv6 in brackets.
pub(super) fn socket_address(text: &str) -> Parsed<SocketAddr> {
    text.parse().map_err(|_why| "must be IP:PORT, such as \"127.0.0.1:5439\" or \"[::1]:5439\"".into())
}

/// 1–65535, in digits.
pub(super) fn port(text: &str) -> Parsed<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let port = if digits { text.parse().ok().filter(|port| *port != 0) } else { None };
    port.ok_or("must be a port, 1 to 65535".into())
}

/// An AWS Region's name, by its shape.
pub(super) fn region(text: &str) -> Parsed<String> {
    let shape = (1..=63).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if shape { Ok(text.to_owned()) } else { Err("must be the name of a Region, such as \"ap-southeast-2\"".into()) }
}

/// `https://HOST[:PORT][/PATH]`, or `http://` to this host: what is sent there are signed requests and their answers,
/// which are passwords.
pub(super) fn endpoint_url(text: &str) -> Parsed<String> {
    const EXPECTED: &str = "must be a URL, such as \"https://vpce.example.com\", without user, query or fragment";
    let (scheme, rest) = text.split_once("://").ok_or(EXPECTED)?;
    if rest.contains(|c: char| !c.is_ascii_graphic() || matches!(c, '@' | '\\' | '?' | '#' | '%' | '"' | '<' | '>')) {
        return Err(EXPECTED.into());
    }
    let authority = rest.split('/').next().unwrap_or(rest);
    let (host, after) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
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
pub(super) fn host(text: &str) -> Parsed<String> {
    match ServerName::try_from(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("must be a DNS name or an IP address, without port or brackets".into()),
    }
}

/// A database's name, as GetCredentials takes it.
pub(super) fn database(text: &str) -> Parsed<String> {
    let shape = (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.+@-".contains(&b));
    let expected = "must be 1 to 64 characters: a letter or _, then letters, digits and _ . + @ -";
    if shape { Ok(text.to_owned()) } else { Err(expected.into()) }
}

/// A workgroup's name: 3–64 of `[a-z0-9-]` (Redshift Serverless API, `WorkgroupName`).
pub(super) fn workgroup(text: &str) -> Parsed<String> {
    let shape = (3..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if shape { Ok(text.to_owned()) } else { Err("must be 3 to 64 of a-z, 0-9 and -".into()) }
}

/// `arn:aws…:iam::ACCOUNT:role/[PATH/]NAME`
pub(super) fn role_arn(text: &str) -> Parsed<String> {
    const EXPECTED: &str = "must be the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME";
    let mut parts = text.splitn(6, ':');
    let mut part = || parts.next().unwrap_or_default();
    let (arn, partition, service, region, account, resource) = (part(), part(), part(), part(), part(), part());
    let partition = partition == "aws"
        || partition.strip_prefix("aws-").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
    let account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let role = resource.strip_prefix("role/").is_some_and(|path| {
        let name = path.rsplit('/').next().unwrap_or_default();
        (1..=64).contains(&name.len())
            && path.len() <= 576
            && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&b))
    });
    let shape = arn == "arn" && partition && service == "iam" && region.is_empty() && account && role;
    if shape { Ok(text.to_owned()) } else { Err(EXPECTED.into()) }
}

/// The name or ARN of an SSM parameter.
pub(super) fn parameter_name(text: &str) -> Parsed<String> {
    let shape =
        (1..=2048).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-/:".contains(&b));
    let expected = "must be the name of an SSM parameter that holds the external id, not the id itself";
    if shape { Ok(text.to_owned()) } else { Err(expected.into()) }
}

/// What may stand in a name that people read and type: 1–63 bytes, all visible but for blanks within.
pub(super) fn visible_name(text: &str) -> Parsed<()> {
    // Controls, all blanks but the plain one, and what shows nothing or turns the direction of writing.
    let hidden = |c: char| {
        c.is_control()
            || (c.is_whitespace() && c != ' ')
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if !(1..=63).contains(&text.len()) {
        Err("a name is 1 to 63 bytes long".into())
    } else if text.contains(hidden) || text.trim() != text {
        Err("a name is made of visible characters, with no blanks at its ends".into())
    } else {
        Ok(())
    }
}

/// What a Redshift endpoint's name tells. `None`: some other name, or an address.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Endpoint {
    /// `WORKGROUP.ACCOUNT.REGION.redshift-serverless[-dev].amazonaws.com[.cn]`
    Serverless {
        /// The first label, in lower case: DNS does not care, the API does.
        workgroup: String,
        /// The third.
        region: String,
    },
    /// `CLUSTER.ID.REGION.redshift.amazonaws.com[.cn]`
    Provisioned,
}

/// Reads a host's name as a Redshift endpoint's.
pub(super) fn endpoint(host: &str) -> Option<Endpoint> {
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let host = host.strip_suffix(".cn").unwrap_or(host).strip_suffix(".amazonaws.com")?;
    let mut labels = host.split('.');
    match (labels.next(), labels.next(), labels.next(), labels.next(), labels.next()) {
        (Some(first), Some(_), Some(region), Some("redshift-serverless" | "redshift-serverless-dev"), None) => {
            Some(Endpoint::Serverless { workgroup: first.to_owned(), region: region.to_owned() })
        }
        (Some(_), Some(_), Some(_), Some("redshift"), None) => Some(Endpoint::Provisioned),
        _ => None,
    }
}

/// A CA bundle in PEM with at least one certificate that can vouch. Others in it are passed over, as rustls does.
pub(super) fn ca_bundle(pem: &str) -> Parsed<()> {
    let mut store = RootCertStore::empty();
    for cert in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let cert = cert.map_err(|_why| "holds PEM that is broken")?;
        // One that cannot be used is not a fault as long as another can.
        let _unusable = store.add(cert);
    }
    if store.is_empty() { Err("holds no certificate in PEM".into()) } else { Ok(()) }
}

/// A certificate chain in PEM, each certificate well-formed.
pub(super) fn cert_chain(pem: &str) -> Parsed<()> {
    let mut count = 0;
    for cert in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let cert = cert.map_err(|_why| "holds PEM that is broken")?;
        ParsedCertificate::try_from(&cert).map_err(|_why| "holds a certificate that is malformed")?;
        count += 1;
    }
    if count == 0 { Err("holds no certificate in PEM".into()) } else { Ok(()) }
}

/// A private key in PEM. The fault tells nothing of what was there.
pub(super) fn private_key(pem: &str) -> Parsed<()> {
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(_) => Ok(()),
        Err(_) => Err("holds no private key in PEM (PKCS#8, PKCS#1 or SEC1, not encrypted)".into()),
    }
}

/// Whether `name` matches `pattern`: `*` is any run of characters, `?` is one, all else itself.
pub(super) fn glob_matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Behind the last `*`: where to go on in the pattern, and where in the name it was last tried.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match (pattern.get(p), retry) {
            (Some('*'), _) => {
                p += 1;
                retry = Some((p, n));
            }
            (Some(c), _) if *c == '?' || name.get(n) == Some(c) => {
                p += 1;
                n += 1;
            }
            (_, Some((behind, tried))) => {
                p = behind;
                n = tried + 1;
                retry = Some((behind, n));
            }
            (_, None) => return false,
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

/// The candidate that was probably meant.
pub(super) fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let within = (name.chars().count() / 3).clamp(1, 2);
    let scored = candidates.into_iter().map(|candidate| (edits(name, candidate), candidate));
    scored.filter(|(edits, _)| *edits <= within).min().map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, where two neighbours in the wrong order are one edit (optimal string alignment).
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let at = |row: &[usize], n: usize| row.get(n).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let left = at(&next, j) + 1;
            let mut least = left.min(at(&row, j + 1) + 1).min(at(&row, j) + usize::from(x != y));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                least = least.min(at(&before, j - 1) + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    at(&row, b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let ok = [
            ("0", 0.0),
            ("900", 900.0),
            ("90s", 90.0),
            ("15m", 900.0),
            ("1h", 3600.0),
            ("0.5h", 1800.0),
            (" 20 m ", 1200.0),
            ("\t1d", 86_400.0),
            ("2w", 1_209_600.0),
            ("1.s", 1.0),
            (".5", 0.5),
            ("0.25s", 0.25),
            ("0.1234567891", 0.123_456_789),
        ];
        for (text, secs) in ok {
            assert_eq!(duration(text), Ok(Duration::from_secs_f64(secs)), "{text:?}");
        }
        for text in ["", " ", ".", "s", "-1s", "+1s", "1e3s", "1S", "1H", "1ms", "1m30s", "1 0s", "1,5h", "inf", "٣s"]
        {
            assert!(duration(text).unwrap_err().contains("must be a duration"), "{text:?}");
        }
        for text in ["1000000001", "99999999999999999999999", "18446744073709551615w"] {
            assert!(duration(text).unwrap_err().contains("at most"), "{text:?}");
        }
    }

    #[test]
    fn password_durations_are_in_the_range_of_aws() {
        for (secs, ok) in [(899.9, false), (900.0, true), (900.9, true), (3600.9, true), (3601.0, false), (0.0, false)]
        {
            assert_eq!(password_duration(Duration::from_secs_f64(secs)).is_ok(), ok, "{secs}");
        }
        assert_eq!(password_duration(Duration::from_secs_f64(900.9)), Ok(Duration::from_secs(900)));
        assert!(password_duration(Duration::from_secs(7200)).unwrap_err().contains("7200 s"));
    }

    #[test]
    fn references() {
        assert_eq!(reference("file:a b"), Ok(Reference::File("a b".into())));
        assert_eq!(reference("/etc/x"), Ok(Reference::Bare("/etc/x".into())));
        assert_eq!(reference("c:/x"), Ok(Reference::Bare("c:/x".into())));
        assert_eq!(reference("env:PW"), Ok(Reference::Env("PW".into())));
        for text in ["ssm:/a", "secret:x#y"] {
            assert_eq!(reference(text), Err(NOT_YET_SUPPORTED.into()));
        }
        for text in ["", "file:", "env:"] {
            assert!(reference(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn variables_are_put_in_once() {
        let env = |name: &str| match name {
            "A" => Some("x${B}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        for (text, want) in [("", ""), ("$A {A} $", "$A {A} $"), ("${A}", "x${B}"), ("1${A}2${EMPTY}3", "1x${B}23")] {
            assert_eq!(expand(text, &env).as_deref(), Ok(want));
        }
        assert!(expand("a${NOPE}", &env).unwrap_err().contains("NOPE is not set"));
        for text in ["${", "${}", "${A", "${1}", "${A B}", "${A-x}"] {
            assert!(expand(text, &env).unwrap_err().contains("must be followed"), "{text}");
        }
    }

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
    fn names() {
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
        for (text, ok) in [
            ("dev", true),
            ("_d.e+f@g-1", true),
            ("", false),
            ("1dev", false),
            ("a:b", false),
            ("a/b", false),
            ("é", false),
            (&"d".repeat(64), true),
            (&"d".repeat(65), false),
        ] {
            assert_eq!(database(text).is_ok(), ok, "{text:?}");
        }
        for (text, ok) in [("abc", true), ("a-1", true), ("ab", false), ("Abc", false), ("a_b", false)] {
            assert_eq!(workgroup(text).is_ok(), ok, "{text:?}");
        }
        assert!(workgroup(&"w".repeat(64)).is_ok() && workgroup(&"w".repeat(65)).is_err());
        for (text, ok) in [("eu-west-1", true), ("", false), ("EU", false), ("eu west", false), ("-eu", false)] {
            assert_eq!(region(text).is_ok(), ok, "{text:?}");
        }
        for (text, ok) in [
            ("sales", true),
            ("Sales Mart 2", true),
            ("größe", true),
            ("", false),
            (" a", false),
            ("a ", false),
            ("a\tb", false),
            ("a\0", false),
            ("a\u{a0}b", false),
            ("a\u{202e}b", false),
        ] {
            assert_eq!(visible_name(text).is_ok(), ok, "{text:?}");
        }
        assert!(visible_name(&"n".repeat(63)).is_ok() && visible_name(&"n".repeat(64)).is_err());
    }

    #[test]
    fn roles_and_parameters() {
        for text in [
            "arn:aws:iam::123456789012:role/rs01",
            "arn:aws-cn:iam::123456789012:role/a/b/rs_01+=,.@-x",
            "arn:aws-us-gov:iam::123456789012:role/r",
        ] {
            assert_eq!(role_arn(text).as_deref(), Ok(text));
        }
        for text in [
            "",
            "rs01",
            "arn:aws:iam::123456789012:user/rs01",
            "arn:aws:iam::12345678901:role/rs01",
            "arn:aws:iam:us-east-1:123456789012:role/rs01",
            "arn:aws:sts::123456789012:role/rs01",
            "arn:gcp:iam::123456789012:role/rs01",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/a/",
            "arn:aws:iam::123456789012:role/a:b",
            "arn:aws:iam::123456789012:role/a b",
            " arn:aws:iam::123456789012:role/a",
        ] {
            assert!(role_arn(text).is_err(), "{text:?}");
        }
        for (text, ok) in [("/lava/x", true), ("arn:aws:ssm:r:1:parameter/x", true), ("", false), ("s3cr+t=", false)] {
            assert_eq!(parameter_name(text).is_ok(), ok, "{text:?}");
        }
    }

    #[test]
    fn redshift_endpoints_are_read() {
        let serverless = |workgroup: &str, region: &str| {
            Some(Endpoint::Serverless { workgroup: workgroup.into(), region: region.into() })
        };
        for (host, want) in [
            ("Wg.123456789012.us-east-1.redshift-serverless.amazonaws.com", serverless("wg", "us-east-1")),
            ("wg.1.eu-west-1.redshift-serverless-dev.amazonaws.com.", serverless("wg", "eu-west-1")),
            ("wg.1.cn-north-1.redshift-serverless.amazonaws.com.cn", serverless("wg", "cn-north-1")),
            ("c1.abc.us-east-1.redshift.amazonaws.com", Some(Endpoint::Provisioned)),
            ("wg.us-east-1.redshift-serverless.amazonaws.com", None),
            ("a.wg.1.us-east-1.redshift-serverless.amazonaws.com", None),
            ("wg.1.us-east-1.redshift-serverless.amazonaws.com.example.com", None),
            ("localhost", None),
            ("10.0.0.1", None),
        ] {
            assert_eq!(endpoint(host), want, "{host}");
        }
    }

    #[test]
    fn globs() {
        for (pattern, name, want) in [
            ("sales", "sales", true),
            ("sales", "sale", false),
            ("*", "", true),
            ("*", "anything", true),
            ("fin-*", "fin-1", true),
            ("fin-*", "fin", false),
            ("*-prod", "a-prod-prod", true),
            ("a*b*c", "axxbyybzc", true),
            ("a*b*c", "axxbyybz", false),
            ("?", "ü", true),
            ("?", "", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(glob_matches(pattern, name), want, "{pattern} {name}");
        }
    }

    #[test]
    fn the_nearest_name_is_offered() {
        let keys = ["max_sessions", "max_handshakes", "host", "port"];
        for (name, want) in [
            ("max_session", Some("max_sessions")),
            ("hots", Some("host")),
            ("prot", Some("port")),
            ("hos", Some("host")),
            ("zzz", None),
        ] {
            assert_eq!(nearest(name, keys), want, "{name}");
        }
    }

    #[test]
    fn pem_is_looked_into() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        assert!(ca_bundle(&cert).is_ok() && cert_chain(&cert).is_ok() && private_key(&key).is_ok());
        assert!(ca_bundle(&key).is_err() && cert_chain(&key).is_err() && private_key(&cert).is_err());
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(ca_bundle(broken).is_err() && cert_chain(broken).is_err());
        assert!(ca_bundle(&format!("{broken}{cert}")).is_ok(), "one usable root is enough");
        for text in ["", "nothing", "-----BEGIN CERTIFICATE-----\n"] {
            assert!(ca_bundle(text).is_err() && cert_chain(text).is_err() && private_key(text).is_err());
        }
    }
}
