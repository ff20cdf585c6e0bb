//! The listener's certificate and key, and the CA of clients' certificates.

use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

use crate::config::material::Material;
use crate::config::value::{self, BadPem};
use crate::secret::Secret;

/// The listener's certificate chain and key, each in PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate chain, leaf first.
    pub cert: Material,
    /// The private key, in PKCS#8, PKCS#1 or SEC1.
    pub key: Material,
}

impl Identity {
    /// Reads a chain and its key from two texts, which may have been read at different times. Each
    /// has to be well-formed, and they have to belong together.
    ///
    /// # Errors
    /// See [`BadIdentity`].
    pub(crate) fn read(cert_pem: &Secret, key_pem: &Secret) -> Result<CertifiedIdentity, BadIdentity> {
        let chain = value::chain(cert_pem.expose()).map_err(BadIdentity::Cert)?;
        let key = value::private_key(key_pem.expose()).map_err(BadIdentity::Key)?;
        let pair = value::key_pair(&chain, &key).map_err(BadIdentity::Key)?;
        Ok(CertifiedIdentity { pair, key })
    }

    /// Checks that two texts are a certificate chain and its key.
    ///
    /// # Errors
    /// See [`BadIdentity`].
    pub fn check(cert_pem: &Secret, key_pem: &Secret) -> Result<(), BadIdentity> {
        Self::read(cert_pem, key_pem).map(drop)
    }
}

/// A certificate chain and its key, which belong together.
pub(crate) struct CertifiedIdentity {
    /// The pair, ready for handshakes.
    pub(crate) pair: CertifiedKey,
    /// The private key alone.
    pub(crate) key: PrivateKeyDer<'static>,
}

/// The reason why a certificate or its key cannot be used. Holds nothing of either.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadIdentity {
    /// The chain cannot be used.
    #[error("listen.tls.cert: {0}")]
    Cert(BadPem),
    /// The key cannot be used, or belongs to another certificate.
    #[error("listen.tls.key: {0}")]
    Key(BadPem),
}

/// The references of `listen.tls.client_ca` and `client_crl`.
#[derive(Clone, Debug)]
pub struct ClientCa {
    /// The CA certificates, as a PEM bundle.
    pub ca: Material,
    /// The revocation lists in PEM. `None`: no certificate is revoked.
    pub crl: Option<Material>,
}
