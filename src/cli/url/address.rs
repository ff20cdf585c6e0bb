//! The host and port that a tool is given: `listen.public_name`, else those of the listener's
//! certificate and address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use x509_parser::extensions::GeneralName;

use super::error::{Nameless, UrlError};
use super::tls::SslMode;
use crate::config::Listen;

/// The address by which tools reach the proxy.
pub(super) struct ProxyAddress {
    /// A DNS name or an IP address without brackets.
    pub(super) host: String,
    /// The port that tools connect to.
    pub(super) port: u16,
    /// Notes on the address for people.
    pub(super) notes: Vec<String>,
}

/// The address that the configuration tells. The name in the certificate wins over the listener's
/// address, since clients verify it. `own_port` is the connection's own, if it has one.
pub(super) fn usual(listen: &Listen, own_port: Option<u16>) -> Result<ProxyAddress, UrlError> {
    let first = listen.addresses.first();
    let port = || own_port.map_or_else(|| port(listen), Ok);
    if let Some(public) = &listen.public_name {
        return Ok(ProxyAddress { host: public.host.clone(), port: port()?, notes: Vec::new() });
    }
    let why = match certificate(listen) {
        Certificate::Here(der) => match name_in(&der) {
            Some(host) => return Ok(ProxyAddress { host, port: port()?, notes: Vec::new() }),
            None => Nameless::NoName,
        },
        Certificate::Elsewhere => Nameless::Unread,
        Certificate::None => Nameless::NoCertificate,
    };
    let loopback = first
        .map(|address| address.ip())
        .filter(IpAddr::is_loopback)
        .ok_or(why)?;
    let usual = loopback == Ipv4Addr::LOCALHOST || loopback == Ipv6Addr::LOCALHOST;
    let host = if usual { "localhost".to_owned() } else { loopback.to_string() };
    let note = format!("{host} is this machine alone: for tools on others set listen.public_name");
    Ok(ProxyAddress { host, port: port()?, notes: vec![note] })
}

/// The listener under a name that selects a connection.
pub(super) fn named(listen: &Listen, host: &str) -> Result<ProxyAddress, UrlError> {
    Ok(ProxyAddress { host: host.to_owned(), port: port(listen)?, notes: Vec::new() })
}

/// The port that clients use: that of `listen.public_name`, else of the first address.
fn port(listen: &Listen) -> Result<u16, UrlError> {
    let public = listen.public_name.as_ref().and_then(|public| public.port);
    let first = || {
        listen
            .addresses
            .first()
            .map(std::net::SocketAddr::port)
            .filter(|port| *port != 0)
    };
    public.or_else(first).ok_or(UrlError::Portless)
}

/// The listener's certificate, as far as it is known without calling AWS.
enum Certificate {
    /// The certificate stands in a file or a variable.
    Here(CertificateDer<'static>),
    /// AWS keeps the certificate.
    Elsewhere,
    /// The listener has no certificate of its own.
    None,
}

fn certificate(listen: &Listen) -> Certificate {
    let Some(identity) = &listen.identity else { return Certificate::None };
    let Some(pem) = &identity.cert.text else { return Certificate::Elsewhere };
    // It was checked when the configuration was loaded.
    CertificateDer::from_pem_slice(pem.expose().as_bytes()).map_or(Certificate::None, Certificate::Here)
}

/// The first DNS name of a certificate that has no `*`.
fn name_in(der: &[u8]) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    let usable = |name: &&str| !name.contains('*') && ServerName::try_from(*name).is_ok();
    let names = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(*name),
            _ => None,
        });
    names.filter(usable).map(str::to_owned).next()
}

/// A note where tools that verify the certificate will not accept it for this host.
pub(super) fn unnamed_in_certificate(listen: &Listen, host: &str, mode: SslMode) -> Option<String> {
    if mode != SslMode::VerifyFull {
        return None;
    }
    let Certificate::Here(der) = certificate(listen) else { return None };
    let (parsed, name) = (ParsedCertificate::try_from(&der).ok()?, ServerName::try_from(host).ok()?);
    let told = || format!("listen.tls.cert is not for {host:?}: tools that verify it (verify-full) will refuse it");
    verify_server_name(&parsed, &name).is_err().then(told)
}
