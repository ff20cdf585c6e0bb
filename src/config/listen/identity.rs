//! The listener's certificate and key, and whose certificates clients may show.

use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

use crate::config::material::Material;
use crate::config::value::{self, BadPem};
use crate::secret::Secret;

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
