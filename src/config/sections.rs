//! The fixed tables of proxy.toml: meaning, default and range of each key. Behind a fault, reading goes on with the default.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::reader::{Table, Value, read_file};
use super::users::Entrance;
use super::value::{self, Parsed, Reference};
use super::{
    Aws, BanLimits, Ca, ClientCa, Credentials, Identity, Limits, Listen, Log, LogFormat, LogLevel, TlsMode, Upstream,
};

/// `[listen]`, and what users ask of it.
pub(super) fn listen(mut table: Table<'_>) -> (Listen, Entrance) {
    let places = addresses(&mut table);
    let public_name = table.take("public_name").and_then(|name| name.parse(value::public_name));
    let mut tls = table.table("tls");
    let modes = [("require", TlsMode::Require), ("prefer", TlsMode::Prefer), ("disable", TlsMode::Disable)];
    // What a refused mode stood for is not known: then nothing is said about what it would have needed.
    let mode = tls.take("mode").map_or(Some(TlsMode::Require), |mode| mode.choice(&modes));
    let (cert, key) = (tls.take("cert"), tls.take("key"));
    let has_identity = cert.is_some() || key.is_some();
    let identity = identity(cert, key);
    let (ca, crl) = (tls.take("client_ca"), tls.take("client_crl"));
    let asks_for_certificates = ca.is_some();
    let clients = clients(ca, crl);
    tls.finish();
    table.finish();
    for (address, place) in &places {
        let Some(place) = place.as_ref().filter(|_| !address.ip().is_loopback()) else { continue };
        match mode {
            Some(TlsMode::Disable) => place.warn("clients are served without TLS on an address that is not loopback"),
            Some(_) if !has_identity => {
                place.fault(format_args!(
                    "{address} is not a loopback address: it needs listen.tls.cert and listen.tls.key"
                ));
            }
            _ => {}
        }
    }
    let addresses = places.into_iter().map(|(address, _)| address).collect();
    let tls = mode.unwrap_or(TlsMode::Require);
    (Listen { addresses, public_name, tls, identity, clients }, Entrance { tls, asks_for_certificates })
}

/// `listen.tls.client_ca` and `client_crl`.
fn clients(ca: Option<Value<'_>>, crl: Option<Value<'_>>) -> Option<ClientCa> {
    if let (None, Some(crl)) = (&ca, &crl) {
        crl.fault("needs listen.tls.client_ca beside it");
        return None;
    }
    let ca = ca?.referenced(value::ca_bundle);
    let crl = crl.map_or(Some(None), |crl| crl.referenced(value::revocation_lists).map(Some));
    Some(ClientCa { ca: ca?, crl: crl? })
}

/// With where the file says so; the default is said nowhere.
fn addresses<'a>(table: &mut Table<'a>) -> Vec<(SocketAddr, Option<Value<'a>>)> {
    let default = || vec![(SocketAddr::from(([127, 0, 0, 1], 5439)), None)];
    let Some(given) = table.take("address") else { return default() };
    let each = if given.is_list() { given.list().unwrap_or_default() } else { vec![given.clone()] };
    if each.is_empty() {
        given.fault("must hold at least one address");
    }
    let mut places: Vec<(SocketAddr, Option<Value<'a>>)> = Vec::new();
    for place in each {
        let Some(address) = place.parse(value::socket_address) else { continue };
        if address.port() != 0 && places.iter().any(|(other, _)| *other == address) {
            place.fault(format_args!("{address} is here twice"));
        }
        places.push((address, Some(place)));
    }
    places
}

fn identity(cert: Option<Value<'_>>, key: Option<Value<'_>>) -> Option<Identity> {
    match (cert, key) {
        (Some(cert), Some(key)) => {
            let (cert, key_material) = (cert.referenced(value::cert_chain), key.referenced(value::private_key));
            let (cert, key_material) = (cert?, key_material?);
            if let (Some(cert_pem), Some(key_pem)) = (&cert.text, &key_material.text)
                && let Err(message) = value::key_pair(cert_pem.expose(), key_pem.expose())
            {
                key.fault(message);
            }
            Some(Identity { cert, key: key_material })
        }
        (Some(cert), None) => {
            cert.fault("needs listen.tls.key beside it");
            None
        }
        (None, Some(key)) => {
            key.fault("needs listen.tls.cert beside it");
            None
        }
        (None, None) => None,
    }
}

/// `[log]`
pub(super) fn log(mut table: Table<'_>) -> Log {
    let formats = [("auto", LogFormat::Auto), ("json", LogFormat::Json), ("text", LogFormat::Text)];
    let levels = [
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
    let format = table.take("format").and_then(|format| format.choice(&formats)).unwrap_or(LogFormat::Auto);
    let level = table.take("level").and_then(|level| level.choice(&levels)).unwrap_or(LogLevel::Info);
    table.finish();
    Log { format, level }
}

/// `[aws]`
pub(super) fn aws(mut table: Table<'_>) -> Aws {
    let region = table.take("region").and_then(|region| region.parse(value::region));
    let endpoint = table.take("endpoint_url");
    if let Some(endpoint) = &endpoint {
        endpoint.warn("AWS is called at this address, not at its own");
    }
    let endpoint_url = endpoint.and_then(|url| url.parse(value::endpoint_url));
    table.finish();
    Aws { region, endpoint_url }
}

/// `[upstream]`
pub(super) fn upstream(mut table: Table<'_>) -> Upstream {
    let upstream = Upstream {
        ca: table.take("ca").and_then(|value| ca(&value)).unwrap_or(Ca::Aws),
        connect_timeout: duration(&mut table, "connect_timeout", 10, value::positive),
        tls_timeout: duration(&mut table, "tls_timeout", 10, value::positive),
        login_timeout: duration(&mut table, "login_timeout", 120, value::positive),
        keepalive: or_off(duration(&mut table, "keepalive", 60, keepalive)),
    };
    table.finish();
    upstream
}

/// `aws`, `system` or a file with a PEM bundle.
pub(super) fn ca(value: &Value<'_>) -> Option<Ca> {
    let text = value.text()?;
    match text.as_str() {
        "aws" => return Some(Ca::Aws),
        "system" => return Some(Ca::System),
        _ => {}
    }
    let path = match value.parse(value::reference)? {
        Reference::File(path) => value.beside(&path),
        Reference::Env(_) | Reference::Remote(_) => {
            value.fault("must be \"aws\", \"system\" or a file");
            return None;
        }
    };
    let pem = match read_file(&path) {
        Ok(pem) => pem,
        Err(why) => {
            value.fault(format_args!("cannot read {}: {why}", path.display()));
            return None;
        }
    };
    if let Err(message) = value::ca_bundle(&pem) {
        value.fault(format_args!("{}: {message}", path.display()));
        return None;
    }
    Some(Ca::File { path, pem: Arc::from(pem) })
}

/// Kernels count it in whole seconds.
fn keepalive(interval: Duration) -> Parsed<Duration> {
    if interval.as_secs() > 32_767 { Err("must be at most 32767 s".into()) } else { off_or_a_second(interval) }
}

/// Less would be a mistake.
fn off_or_a_second(limit: Duration) -> Parsed<Duration> {
    match limit.as_secs() {
        0 if !limit.is_zero() => Err("must be 0 (off) or at least 1 s".into()),
        _ => Ok(limit),
    }
}

/// `[limits]`
pub(super) fn limits(mut table: Table<'_>) -> Limits {
    let limits = Limits {
        max_sessions: count(&mut table, "max_sessions", 10_000),
        max_handshakes: count(&mut table, "max_handshakes", 2_000),
        max_handshakes_per_address: count_or_off(&mut table, "max_handshakes_per_address", 0, 1_000_000),
        startup_timeout: duration(&mut table, "startup_timeout", 15, value::positive),
        idle_timeout: or_off(duration(&mut table, "idle_timeout", 0, off_or_a_second)),
        session_lifetime: or_off(duration(&mut table, "session_lifetime", 0, off_or_a_second)),
        drain_delay: duration(&mut table, "drain_delay", 0, Ok),
        drain_timeout: duration(&mut table, "drain_timeout", 25, Ok),
        bans: BanLimits {
            after: count_or_off(&mut table, "ban_after", 10, 1_000),
            window: duration(&mut table, "ban_window", 60, value::positive),
            time: duration(&mut table, "ban_time", 300, value::positive),
            exempt: table.take("ban_exempt").map(|list| list.texts(value::network)).unwrap_or_default(),
        },
    };
    table.finish();
    limits
}

/// `[credentials]`, and the default that connections take from it.
pub(super) fn credentials(mut table: Table<'_>) -> (Credentials, Duration) {
    let password_duration = duration(&mut table, "password_duration", 900, value::password_duration);
    let credentials = Credentials {
        refresh_margin: duration(&mut table, "refresh_margin", 120, value::positive),
        negative_ttl: duration(&mut table, "negative_ttl", 10, value::positive),
        timeout: duration(&mut table, "timeout", 20, value::positive),
    };
    table.finish();
    (credentials, password_duration)
}

fn count(table: &mut Table<'_>, name: &'static str, default: usize) -> usize {
    table.take(name).and_then(|value| value.count()).unwrap_or(default)
}

/// 0 = off.
fn count_or_off(table: &mut Table<'_>, name: &'static str, default: usize, most: usize) -> usize {
    table.take(name).and_then(|value| value.number(0, most)).unwrap_or(default)
}

fn duration(
    table: &mut Table<'_>,
    name: &'static str,
    default_secs: u64,
    range: impl Fn(Duration) -> Parsed<Duration>,
) -> Duration {
    table.take(name).and_then(|value| value.duration(range)).unwrap_or(Duration::from_secs(default_secs))
}

/// 0 = off.
fn or_off(duration: Duration) -> Option<Duration> {
    Some(duration).filter(|duration| !duration.is_zero())
}
