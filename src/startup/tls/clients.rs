//! What clients' certificates are verified by.
//!
//! As in PostgreSQL, a client without a certificate is let through the handshake, and one whose certificate does not verify
//! is not, whatever it would have been asked for behind it. Revocation fails closed, as there: with `client_crl`, each CA of
//! a chain needs a list of its own that is not out of date (`nextUpdate`).

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use thiserror::Error;
use tracing::warn;
use x509_parser::prelude::{ASN1Time, CertificateRevocationList, FromDer};

use crate::config::value::{NoCrls, crls, provider};
use crate::config::{ClientCa, Material};
use crate::secret::Secret;

/// The CA of clients, and what it has revoked.
#[derive(Clone)]
pub(super) struct Clients {
    roots: Arc<RootCertStore>,
    /// `None`: nothing is asked about revocation.
    revoked: Option<Arc<Vec<CertificateRevocationListDer<'static>>>>,
}

/// Clients' certificates could not be verified.
#[derive(Debug, Error)]
pub enum ClientsError {
    /// It has not been read.
    #[error("listen.tls.client_ca or client_crl: not read")]
    Unread,
    /// PEM that is broken.
    #[error("listen.tls.client_ca or client_crl: not PEM")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// A certificate that cannot be a root.
    #[error("listen.tls.client_ca: holds a certificate that cannot be a root")]
    Root(#[source] rustls::Error),
    /// PEM of something else.
    #[error("listen.tls.client_crl: holds no certificate revocation list in PEM")]
    NoList,
    /// No root at all, or a list that is malformed.
    #[error("listen.tls.client_ca and client_crl cannot be used")]
    Unusable(#[source] VerifierBuilderError),
}

impl Clients {
    /// # Errors
    /// See [`ClientsError`].
    pub(super) fn new(from: &ClientCa) -> Result<Self, ClientsError> {
        let text = |material: &Material| material.text.clone().ok_or(ClientsError::Unread);
        let mut clients = Self { roots: Arc::new(RootCertStore::empty()), revoked: None };
        clients.trust(&text(&from.ca)?)?;
        if let Some(crl) = &from.crl {
            clients.revoke(&text(crl)?)?;
        }
        Ok(clients)
    }

    /// Another CA bundle.
    pub(super) fn trust(&mut self, pem: &Secret) -> Result<(), ClientsError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.expose().as_bytes()) {
            roots.add(certificate.map_err(ClientsError::Pem)?).map_err(ClientsError::Root)?;
        }
        self.roots = Arc::new(roots);
        Ok(())
    }

    /// Other lists.
    pub(super) fn revoke(&mut self, pem: &Secret) -> Result<(), ClientsError> {
        let lists = crls(pem.expose()).map_err(|why| match why {
            NoCrls::Pem(source) => ClientsError::Pem(source),
            NoCrls::Absent => ClientsError::NoList,
        })?;
        lists.iter().for_each(warn_of_age);
        self.revoked = Some(Arc::new(lists));
        Ok(())
    }

    /// Verifies the chain, its time, that it is for clients (extended key usage, where a certificate has one), and that
    /// nothing in it is revoked.
    ///
    /// # Errors
    /// See [`ClientsError`].
    pub(super) fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, ClientsError> {
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), provider());
        if let Some(revoked) = &self.revoked {
            builder = builder.with_crls(revoked.iter().cloned()).enforce_revocation_expiration();
        }
        builder.allow_unauthenticated().build().map_err(ClientsError::Unusable)
    }
}

/// A list that is out of date refuses every certificate of its CA: who has to see to a newer one is to know ahead.
fn warn_of_age(list: &CertificateRevocationListDer<'_>) {
    let Ok((_rest, list)) = CertificateRevocationList::from_der(list) else { return };
    let left = list.next_update().and_then(|until| until - ASN1Time::now());
    if left.is_none_or(|left| left < time::Duration::DAY) {
        let issuer = list.issuer().to_string();
        warn!(
            issuer = issuer.as_str(),
            "listen.tls.client_crl: a list is out of date, or will be within a day; then no certificate of this CA is accepted"
        );
    }
}
