//! The hash of the server's certificate that channels are bound to.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use rustls::pki_types::CertificateDer;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::{FromDer, X509Certificate};

/// `tls-server-end-point` (RFC 5929 section 4.1): the certificate's hash by its own signature
/// algorithm, SHA-256 in place of MD5 and SHA-1. `None` for algorithms that have no single hash,
/// such as Ed25519.
pub(super) fn end_point(certificate: &CertificateDer<'_>) -> Option<Arc<[u8]>> {
    let (_rest, parsed) = X509Certificate::from_der(certificate).ok()?;
    let algorithm = &parsed.signature_algorithm.algorithm;
    let any_of = |oids: &[oid::Oid<'static>]| oids.contains(algorithm);
    let hash = if any_of(&[
        oid::OID_PKCS1_MD5WITHRSAENC,
        oid::OID_PKCS1_SHA1WITHRSA,
        oid::OID_PKCS1_SHA256WITHRSA,
        oid::OID_SIG_ECDSA_WITH_SHA256,
    ]) {
        &SHA256
    } else if any_of(&[oid::OID_PKCS1_SHA384WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA384]) {
        &SHA384
    } else if any_of(&[oid::OID_PKCS1_SHA512WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA512]) {
        &SHA512
    } else {
        return None;
    };
    Some(Arc::from(digest(hash, certificate).as_ref()))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, RsaKeySize, SignatureAlgorithm};

    use super::*;

    fn signed_by(algorithm: &'static SignatureAlgorithm) -> CertificateDer<'static> {
        let key = if format!("{algorithm:?}").contains("RSA") {
            KeyPair::generate_rsa_for(algorithm, RsaKeySize::_2048).unwrap()
        } else {
            KeyPair::generate_for(algorithm).unwrap()
        };
        CertificateParams::new(["localhost".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap()
            .into()
    }

    #[test]
    fn channels_are_bound_by_the_hash_of_the_certificates_own_signature() {
        for (algorithm, hash) in [
            (&rcgen::PKCS_RSA_SHA256, &SHA256),
            (&rcgen::PKCS_RSA_SHA384, &SHA384),
            (&rcgen::PKCS_RSA_SHA512, &SHA512),
            (&rcgen::PKCS_ECDSA_P256_SHA256, &SHA256),
            (&rcgen::PKCS_ECDSA_P384_SHA384, &SHA384),
            (&rcgen::PKCS_ECDSA_P521_SHA512, &SHA512),
        ] {
            let certificate = signed_by(algorithm);
            let want = digest(hash, &certificate);
            assert_eq!(end_point(&certificate).as_deref(), Some(want.as_ref()), "{algorithm:?}");
        }
        assert_eq!(end_point(&signed_by(&rcgen::PKCS_ED25519)), None, "it has no single hash");
        assert_eq!(end_point(&CertificateDer::from(vec![0x30, 0])), None);
    }
}
