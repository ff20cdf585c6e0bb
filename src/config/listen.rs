//! `[listen]`: where and how clients are accepted.

use std::net::SocketAddr;

use ipnet::IpNet;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

pub(super) use self::entrance::{Entrance, check_ports};
use super::reader::{Table, Value};
use super::value::{self, BadPem, Parsed, Reference};
use crate::secret::Secret;

mod entrance;

/// Where clients are accepted.
#[derive(Clone, Debug)]
pub struct Listen {
    /// At least one.
    pub addresses: Vec<SocketAddr>,
    /// What clients call this proxy, for `url`. `None`: as its certificate says.
    pub public_name: Option<PublicName>,
    /// Whether clients must, may or cannot use TLS.
    pub tls: TlsMode,
    /// Whether clients may bind their proof to the certificate that they were shown. Unused with
    /// `Disable`.
    pub channel_binding: ChannelBinding,
    /// `None`: a self-signed certificate is made at start (loopback addresses only; checked here).
    /// Unused with `Disable`.
    pub identity: Option<Identity>,
    /// Whose PROXY header is required and believed; elsewhere one is refused.
    pub proxy_protocol_from: Vec<IpNet>,
    /// `CONN_ID.suffix` as TLS server name is that conn_id's. In lower case.
    pub sni_suffix: Option<String>,
    /// Other processes may listen on the same addresses.
    pub reuse_port: bool,
    /// Whose certificates clients may show. `None`: they are not asked for one. Unused with
    /// `Disable`.
    pub clients: Option<ClientCa>,
}

/// `listen.public_name`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicName {
    /// A DNS name or an IP address without brackets.
    pub host: String,
    /// `None`: that of the first address.
    pub port: Option<u16>,
}

/// `listen.tls.mode`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsMode {
    /// Sessions without TLS are refused (default).
    Require,
    /// Both are served.
    Prefer,
    /// An SSLRequest is answered with `N`.
    Disable,
}

/// `listen.tls.channel_binding`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChannelBinding {
    /// SCRAM-SHA-256-PLUS is offered inside TLS, where the certificate allows for it (default).
    Auto,
    /// It is never offered: TLS ends in front of the proxy or is encrypted anew there, so that
    /// clients see another certificate than the proxy's, or none.
    Off,
}

/// The listener's certificate chain and key, each in PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Leaf first.
    pub cert: Material,
    /// PKCS#8, PKCS#1 or SEC1.
    pub key: Material,
}

impl Identity {
    /// The chain and the key of two texts, whenever they were read: each well-formed, and of each
    /// other.
    ///
    /// # Errors
    /// See [`BadIdentity`].
    pub(crate) fn read(cert_pem: &Secret, key_pem: &Secret) -> Result<CertifiedIdentity, BadIdentity> {
        let chain = value::chain(cert_pem.expose()).map_err(BadIdentity::Cert)?;
        let key = value::private_key(key_pem.expose()).map_err(BadIdentity::Key)?;
        let pair = value::key_pair(&chain, &key).map_err(BadIdentity::Key)?;
        Ok(CertifiedIdentity { pair, key })
    }

    /// What is wrong with two texts that are to be certificate and key.
    ///
    /// # Errors
    /// See [`BadIdentity`].
    pub fn check(cert_pem: &Secret, key_pem: &Secret) -> Result<(), BadIdentity> {
        Self::read(cert_pem, key_pem).map(drop)
    }
}

/// A certificate chain and its key, which belong together.
pub(crate) struct CertifiedIdentity {
    /// Ready for handshakes.
    pub(crate) pair: CertifiedKey,
    /// The key itself.
    pub(crate) key: PrivateKeyDer<'static>,
}

/// Why a certificate or its key cannot be used. Holds nothing of either.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadIdentity {
    /// The chain.
    #[error("listen.tls.cert: {0}")]
    Cert(BadPem),
    /// The key, or that it is another certificate's.
    #[error("listen.tls.key: {0}")]
    Key(BadPem),
}

/// `listen.tls.client_ca` and `client_crl`
#[derive(Clone, Debug)]
pub struct ClientCa {
    /// PEM bundle.
    pub ca: Material,
    /// PEM, one list or more. `None`: no certificate is revoked.
    pub crl: Option<Material>,
}

/// A text that the file refers to.
#[derive(Clone, Debug)]
pub struct Material {
    /// Where it is, so that it can be read again; paths are absolute.
    pub from: Reference,
    /// As it was at load, and checked. `None`: AWS keeps it, and it was not read.
    pub text: Option<Secret>,
}

/// `[listen]`, and what other tables are held to by it. Behind a fault, reading goes on with the
/// default.
pub(super) fn listen(mut table: Table<'_>) -> (Listen, Entrance) {
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
    let clients = clients(ca, crl);
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

/// `listen.tls.client_ca` and `client_crl`.
fn clients(ca: Option<Value<'_>>, crl: Option<Value<'_>>) -> Option<ClientCa> {
    if let (None, Some(crl)) = (&ca, &crl) {
        crl.fault("needs listen.tls.client_ca beside it");
        return None;
    }
    let ca = ca?.referenced(|pem| checked(value::roots(pem)));
    let crl = crl.map_or(Some(None), |crl| crl.referenced(|pem| checked(value::crls(pem))).map(Some));
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

/// As a fault of the key that refers to the text.
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
                key.fault(why);
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

/// `listen.proxy_protocol_from`
pub(super) fn balancers(table: &mut Table<'_>) -> Vec<IpNet> {
    let Some(place) = table.take("proxy_protocol_from") else { return Vec::new() };
    let networks = place.texts(value::network);
    if networks.iter().any(|network| network.prefix_len() == 0) {
        place.warn("whoever connects may say who it is: bans and users.*.from mean nothing");
    }
    networks
}
