//! Server TLS: one certificate, no client certificates, TLS 1.2 and 1.3.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::ca::Leaf;

pub(super) fn acceptor(leaf: &Leaf) -> Result<TlsAcceptor, rustls::Error> {
    let unreadable = |error: pem::Error| rustls::Error::General(format!("PEM: {error}"));
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(leaf.cert_pem.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).map_err(unreadable)?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain.map_err(unreadable)?, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
