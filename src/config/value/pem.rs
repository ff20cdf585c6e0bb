//! Certificates and keys.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::VerifierBuilderError;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

use super::Parsed;

/// A CA bundle in PEM: at least one certificate, and each can vouch for others.
pub(crate) fn ca_bundle(pem: &str) -> Parsed<()> {
    let mut store = RootCertStore::empty();
    for cert in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let cert = cert.map_err(|_why| "holds PEM that is broken")?;
        store.add(cert).map_err(|_why| "holds a certificate that cannot be a root")?;
    }
    if store.is_empty() { Err("holds no certificate in PEM".into()) } else { Ok(()) }
}

/// A certificate chain in PEM, each certificate well-formed.
pub(crate) fn cert_chain(pem: &str) -> Parsed<()> {
    let mut count = 0;
    for cert in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let cert = cert.map_err(|_why| "holds PEM that is broken")?;
        ParsedCertificate::try_from(&cert).map_err(|_why| "holds a certificate that is malformed")?;
        count += 1;
    }
    if count == 0 { Err("holds no certificate in PEM".into()) } else { Ok(()) }
}

/// A text holds no revocation lists.
pub(crate) enum NoCrls {
    /// PEM that is broken.
    Pem(pem::Error),
    /// PEM of something else, or none.
    Absent,
}

/// Revocation lists in PEM: at least one. None at all is no list: the file was cut, and nobody is to be let in by that.
pub(crate) fn crls(pem: &str) -> Result<Vec<CertificateRevocationListDer<'static>>, NoCrls> {
    let lists = CertificateRevocationListDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    lists.map_err(NoCrls::Pem).and_then(|lists| if lists.is_empty() { Err(NoCrls::Absent) } else { Ok(lists) })
}

/// The same, and none of a kind that cannot be used.
pub(crate) fn revocation_lists(pem: &str) -> Parsed<()> {
    let lists = crls(pem).map_err(|why| match why {
        NoCrls::Pem(_) => "holds PEM that is broken",
        NoCrls::Absent => "holds no certificate revocation list in PEM",
    })?;
    // What a verifier takes is what will do; it looks at the lists ahead of the roots.
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(RootCertStore::empty()), provider());
    match verifier.with_crls(lists).build() {
        Err(VerifierBuilderError::InvalidCrl(_)) => {
            Err("holds a certificate revocation list that cannot be used".into())
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// A private key in PEM. The fault tells nothing of what was there.
pub(crate) fn private_key(pem: &str) -> Parsed<()> {
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(_) => Ok(()),
        Err(_) => Err("holds no private key in PEM (PKCS#8, PKCS#1 or SEC1, not encrypted)".into()),
    }
}

/// That a chain and a key, each well-formed, belong together.
pub(crate) fn key_pair(cert_pem: &str, key_pem: &str) -> Parsed<()> {
    let chain = CertificateDer::pem_slice_iter(cert_pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    let pair = (chain, PrivateKeyDer::from_pem_slice(key_pem.as_bytes()));
    let (Ok(chain), Ok(key)) = pair else { return Ok(()) };
    match CertifiedKey::from_der(chain, key, &provider()) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => Err("is not the key of listen.tls.cert".into()),
        Err(_) => Err("is of a kind that cannot be used".into()),
    }
}

/// The cryptography by which clients' TLS is made, and certificates are judged.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_is_looked_into() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        assert!(ca_bundle(&cert).is_ok() && cert_chain(&cert).is_ok() && private_key(&key).is_ok());
        assert!(ca_bundle(&key).is_err() && cert_chain(&key).is_err() && private_key(&cert).is_err());
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(ca_bundle(broken).is_err() && cert_chain(broken).is_err());
        assert!(ca_bundle(&format!("{cert}{broken}")).is_err(), "as when the proxy starts");
        assert!(key_pair(&cert, &key).is_ok());
        let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        assert!(key_pair(&cert, &other.signing_key.serialize_pem()).is_err());
        for text in ["", "nothing", "-----BEGIN CERTIFICATE-----\n"] {
            assert!(ca_bundle(text).is_err() && cert_chain(text).is_err() && private_key(text).is_err());
        }
    }
}
