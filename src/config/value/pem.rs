//! Certificates, keys and revocation lists in PEM: the one place where such texts are read, at load
//! and while we run.
//!
//! The errors of the libraries that read them show bytes of the text, and the text may be a private
//! key. None of them leaves this module: [`BadPem`] says the same in words of ours.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, Der, PrivateKeyDer, TrustAnchor};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

pub use self::flaw::BadPem;
use self::flaw::{Wanted, why_unread};
pub(crate) use self::term::{Stage, Term, of_certificate, of_crl, terms};
use crate::crypto::provider;

mod flaw;
mod term;

/// Reads a certificate chain: at least one certificate, each well-formed, in the order of the text.
///
/// # Errors
/// See [`BadPem`].
pub(crate) fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, BadPem> {
    let chain: Vec<_> = all(pem, Wanted::Certificates)?;
    for certificate in &chain {
        ParsedCertificate::try_from(certificate).map_err(|_shows_bytes| BadPem::MalformedCertificate)?;
    }
    Ok(chain)
}

/// Reads a CA bundle: at least one certificate, and each can vouch for others.
///
/// # Errors
/// See [`BadPem`].
pub(crate) fn roots(pem: &str) -> Result<RootCertStore, BadPem> {
    let mut store = RootCertStore::empty();
    for certificate in all(pem, Wanted::Certificates)? {
        store
            .add(certificate)
            .map_err(|_shows_bytes| BadPem::NoRoot)?;
    }
    Ok(store)
}

/// Reads revocation lists: at least one, and each of a kind that can be used. A text without any
/// was cut off, and must not let a revoked certificate in.
///
/// # Errors
/// See [`BadPem`].
pub(crate) fn crls(pem: &str) -> Result<Vec<CertificateRevocationListDer<'static>>, BadPem> {
    let lists: Vec<_> = all(pem, Wanted::RevocationLists)?;
    // What a verifier takes is what will do. It reads no list before it has a root, whichever that
    // is.
    let nobody = TrustAnchor {
        subject: Der::from_slice(&[]),
        subject_public_key_info: Der::from_slice(&[]),
        name_constraints: None,
    };
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new([nobody].into_iter().collect()), provider());
    verifier
        .with_crls(lists.iter().cloned())
        .build()
        .map_err(|_shows_bytes| BadPem::UnusableCrl)?;
    Ok(lists)
}

/// Reads the first private key of the text.
///
/// # Errors
/// See [`BadPem`].
pub(crate) fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, BadPem> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_shows_the_key| why_unread(pem, Wanted::PrivateKey))
}

/// Joins a chain and the key of its first certificate, ready for handshakes.
///
/// # Errors
/// `NotFirst`, `OtherKey`, `UnusableKey`.
pub(crate) fn key_pair(
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
) -> Result<CertifiedKey, BadPem> {
    match CertifiedKey::from_der(chain.to_vec(), key.clone_key(), &provider()) {
        Ok(pair) => Ok(pair),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let is_of = |certificate: &CertificateDer<'static>| {
                CertifiedKey::from_der(vec![certificate.clone()], key.clone_key(), &provider()).is_ok()
            };
            Err(chain
                .iter()
                .position(is_of)
                .map_or(BadPem::OtherKey, |at| BadPem::NotFirst { at: at + 1 }))
        }
        Err(_) => Err(BadPem::UnusableKey),
    }
}

/// Reads every item of a kind; at least one.
fn all<T: PemObject>(pem: &str, wanted: Wanted) -> Result<Vec<T>, BadPem> {
    match T::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>() {
        Ok(items) if !items.is_empty() => Ok(items),
        Ok(_) | Err(_) => Err(why_unread(pem, wanted)),
    }
}

#[cfg(test)]
mod tests;
