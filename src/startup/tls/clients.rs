//! Verification of clients' certificates.
//!
//! As in PostgreSQL, a client without a certificate is let through the handshake, and one whose
//! certificate does not verify is not, whatever it would have been asked for behind it. Revocation
//! fails closed, as there: with `client_crl`, each CA of a chain needs a list of its own that is
//! not out of date (`nextUpdate`).

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use thiserror::Error;

use super::ages::Part;
use super::constraints::is_constrained;
use super::pem::ClientCaPem;
use crate::config::BadPem;
use crate::config::value::{Term, crls, of_crl, roots, terms};
use crate::crypto::provider;
use crate::secret::Secret;

/// The CA bundle that clients' certificates are verified by, and its revocation lists.
#[derive(Clone)]
pub(super) struct Clients {
    roots: Arc<RootCertStore>,
    /// The terms of the roots, which rustls does not keep.
    of_roots: Vec<Term>,
    /// The revocation lists. `None`: nothing is asked about revocation.
    revoked: Option<Arc<Vec<CertificateRevocationListDer<'static>>>>,
}

/// Clients' certificates cannot be verified by the settings.
#[derive(Debug, Error)]
pub enum ClientsError {
    /// The CA bundle cannot be used.
    #[error("listen.tls.client_ca: {0}")]
    Ca(BadPem),
    /// The revocation lists cannot be used.
    #[error("listen.tls.client_crl: {0}")]
    Crl(BadPem),
    /// Bundle and lists are each fine by themselves, but rustls makes no verifier of the two.
    #[error("listen.tls.client_ca and client_crl cannot be used together")]
    Unusable,
}

impl Clients {
    /// Takes bundle and lists from the configuration.
    ///
    /// # Errors
    /// See [`ClientsError`].
    pub(super) fn new(from: &ClientCaPem) -> Result<Self, ClientsError> {
        let mut clients = Self { roots: Arc::new(RootCertStore::empty()), of_roots: Vec::new(), revoked: None };
        clients.trust(&from.ca)?;
        if let Some(crl) = &from.crl {
            clients.revoke(crl)?;
        }
        Ok(clients)
    }

    /// Replaces the CA bundle.
    pub(super) fn trust(&mut self, pem: &Secret) -> Result<(), ClientsError> {
        self.roots = Arc::new(roots(pem.expose()).map_err(ClientsError::Ca)?);
        self.of_roots = terms(pem.expose());
        Ok(())
    }

    /// Replaces the revocation lists.
    pub(super) fn revoke(&mut self, pem: &Secret) -> Result<(), ClientsError> {
        let lists = crls(pem.expose()).map_err(ClientsError::Crl)?;
        self.revoked = Some(Arc::new(lists));
        Ok(())
    }

    /// The terms of the roots and of the lists.
    pub(super) fn terms(&self) -> impl Iterator<Item = (Part, Term)> {
        let lists = self
            .revoked
            .iter()
            .flat_map(|lists| lists.iter().filter_map(of_crl));
        let roots = self
            .of_roots
            .iter()
            .cloned()
            .map(|term| (Part::ClientCa, term));
        roots.chain(lists.map(|term| (Part::ClientCrl, term)))
    }

    /// Whether a CA that may vouch for a client's chain is held to some names: see
    /// [`is_constrained`].
    pub(super) fn is_constrained(&self, chain: &[CertificateDer<'_>]) -> bool {
        is_constrained(chain, &self.roots)
    }

    /// Makes a verifier of the chain, its term, that it is for clients (extended key usage, where a
    /// certificate has one), and that nothing in it is revoked.
    ///
    /// # Errors
    /// See [`ClientsError`].
    pub(super) fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, ClientsError> {
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), provider());
        if let Some(revoked) = &self.revoked {
            builder = builder
                .with_crls(revoked.iter().cloned())
                .enforce_revocation_expiration();
        }
        builder
            .allow_unauthenticated()
            .build()
            .map_err(|_of_both| ClientsError::Unusable)
    }
}
