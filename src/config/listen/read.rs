//! Reads the keys of `[listen]` one by one.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::entrance::Entrance;
use super::identity::{BadIdentity, ClientCa, Identity};
use super::settings::{ChannelBinding, Listen, TlsMode};
use crate::config::reader::{Table, Value, if_given};
use crate::config::value::{self, BadPem, Parsed, Reference};

/// Reads `[listen]`, and what other tables need to know of it. A value that was refused is replaced
/// by the default.
pub(in crate::config) fn listen(mut table: Table<'_>) -> (Listen, Entrance) {
    let places = addresses(&mut table);
    let public_name = table
        .take("public_name")
        .and_then(|name| name.parse(value::public_name));
    let mut tls = table.table("tls");
    let modes = [("require", TlsMode::Require), ("prefer", TlsMode::Prefer), ("disable", TlsMode::Disable)];
    // What a refused mode stood for is not known: then nothing is said about what it would have
    // needed.
    let mode = tls
        .take("mode")
        .map_or(Some(TlsMode::Require), |mode| mode.choice(&modes));
    let bindings = [("auto", ChannelBinding::Auto), ("off", ChannelBinding::Off)];
    let binding = tls.take("channel_binding");
    let channel_binding = binding
        .as_ref()
        .and_then(|how| how.choice(&bindings))
        .unwrap_or(ChannelBinding::Auto);
    let (cert, key) = (tls.take("cert"), tls.take("key"));
    let has_identity = cert.is_some() || key.is_some();
    let identity = identity(cert, key);
    let (ca, crl) = (tls.take("client_ca"), tls.take("client_crl"));
    let asks_for_certificates = ca.is_some();
    let without_tls = |value: &Option<Value<'_>>| {
        if let Some(value) = value.as_ref().filter(|_| mode == Some(TlsMode::Disable)) {
            value.warn("has no effect: listen.tls.mode is disable");
        }
    };
    without_tls(&binding);
    without_tls(&ca);
    let clients = clients(ca.as_ref(), crl.as_ref());
    tls.finish();
    let proxy_protocol_from = balancers(&mut table);
    let suffix = table.take("sni_suffix");
    without_tls(&suffix);
    let sni_suffix = suffix.and_then(|suffix| suffix.parse(value::dns_suffix));
    let reuse_port = table
        .take("reuse_port")
        .and_then(|is| is.bool())
        .unwrap_or(false);
    table.finish();
    let entrance = Entrance { mode, has_identity, asks_for_certificates };
    for (address, place) in &places {
        if let Some(place) = place {
            entrance.check(*address, place);
        }
    }
    let addresses = places.into_iter().map(|(address, _)| address).collect();
    let tls = entrance.tls();
    let listen = Listen {
        addresses,
        public_name,
        tls,
        channel_binding,
        identity,
        clients,
        proxy_protocol_from,
        sni_suffix,
        reuse_port,
    };
    (listen, entrance)
}

/// Reads `listen.tls.client_ca` and `client_crl`.
fn clients(ca: Option<&Value<'_>>, crl: Option<&Value<'_>>) -> Option<ClientCa> {
    if let (None, Some(crl)) = (ca, crl) {
        crl.report("needs listen.tls.client_ca beside it");
        return None;
    }
    let ca = ca?.referenced(|pem| checked(value::roots(pem)));
    let crl = if_given(crl, |crl| crl.referenced(|pem| checked(value::crls(pem))));
    Some(ClientCa { ca: ca?, crl: crl.ok()? })
}

/// Reads the addresses, each with its place in the file. The default has none.
fn addresses<'a>(table: &mut Table<'a>) -> Vec<(SocketAddr, Option<Value<'a>>)> {
    let default = || vec![(SocketAddr::from(([127, 0, 0, 1], 5439)), None)];
    let Some(given) = table.take("address") else { return default() };
    let each = if given.is_list() { given.list().unwrap_or_default() } else { vec![given.clone()] };
    if each.is_empty() {
        given.report("must hold at least one address");
    }
    let mut places: Vec<(SocketAddr, Option<Value<'a>>)> = Vec::new();
    for place in each {
        let Some(address) = place.parse(value::socket_address) else { continue };
        if address.port() != 0 && places.iter().any(|(other, _)| *other == address) {
            place.report(format_args!("{address} is here twice"));
        }
        places.push((address, Some(place)));
    }
    places
}

/// Turns a flaw of a PEM text into a problem of the key that refers to it.
fn checked<T>(read: Result<T, BadPem>) -> Parsed<()> {
    read.map(drop).map_err(|why| why.to_string().into())
}

fn identity(cert: Option<Value<'_>>, key: Option<Value<'_>>) -> Option<Identity> {
    match (cert, key) {
        (Some(cert), Some(key)) => {
            let cert = cert.referenced(|pem| checked(value::chain(pem)));
            let key_material = key.referenced(|pem| checked(value::private_key(pem)));
            let (cert, key_material) = (cert?, key_material?);
            if let Reference::File(path) = &key_material.from
                && let Some(what) = value::readers(path)
            {
                key.warn(what);
            }
            // Each by itself will do, so that what is wrong now is wrong with the pair.
            if let (Some(cert_pem), Some(key_pem)) = (&cert.text, &key_material.text)
                && let Err(BadIdentity::Cert(why) | BadIdentity::Key(why)) = Identity::check(cert_pem, key_pem)
            {
                key.report(why);
            }
            Some(Identity { cert, key: key_material })
        }
        (Some(cert), None) => {
            cert.report("needs listen.tls.key beside it");
            None
        }
        (None, Some(key)) => {
            key.report("needs listen.tls.cert beside it");
            None
        }
        (None, None) => None,
    }
}

/// Reads the networks of `listen.proxy_protocol_from`.
fn balancers(table: &mut Table<'_>) -> Vec<IpNet> {
    let Some(place) = table.take("proxy_protocol_from") else { return Vec::new() };
    let networks = place.texts(value::network);
    if networks.iter().any(|network| network.prefix_len() == 0) {
        place.warn("whoever connects may say who it is: bans and users.*.from mean nothing");
    }
    networks
}
