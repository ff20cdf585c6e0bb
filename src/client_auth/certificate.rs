//! Proof by TLS client certificate. The handshake has verified the chain (`startup::tls`); this
//! module decides whether the certificate is in the name of the user who shows it.

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The names that a certificate is in, of which one has to be the user's.
#[derive(Debug, Eq, PartialEq)]
enum Names {
    /// The DNS names of the certificate (subject alternative name, dNSName), as they are.
    Dns(Vec<String>),
    /// The one common name of the subject of a certificate that has no dNSName.
    Common(String),
    /// The certificate is in nobody's name: it has neither, or more than one common name.
    Nobody,
}

/// Whether a certificate proves this user: it is for clients (it has the extended key usage
/// clientAuth), and one of its names is the user's to the letter. In it `*` is no wildcard, and
/// case counts, as it does in names of users. `is_constrained`: a CA of its chain may only sign for
/// some names (RFC 5280, name constraints). The handshake has checked DNS names against those; a
/// common name escapes them, so that it proves nothing then.
pub(super) fn proves(certificate: &CertificateDer<'_>, is_constrained: bool, user: &str) -> bool {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return false };
    if !is_for_clients(&parsed) {
        return false;
    }
    match names(&parsed) {
        Names::Dns(names) => names.iter().any(|name| name == user),
        Names::Common(name) => name == user && !is_constrained,
        Names::Nobody => false,
    }
}

/// Whether a certificate has the extended key usage clientAuth. TLS takes one without the extension
/// for good for anything; here it would be a door for every certificate that the CA has ever made.
fn is_for_clients(certificate: &X509Certificate<'_>) -> bool {
    matches!(certificate.extended_key_usage(), Ok(Some(usage)) if usage.value.client_auth)
}

fn names(certificate: &X509Certificate<'_>) -> Names {
    let Ok(alternative) = certificate.subject_alternative_name() else { return Names::Nobody };
    let alternative = || {
        alternative
            .iter()
            .flat_map(|names| &names.value.general_names)
    };
    // What cannot be read may have been a dNSName, behind which the common name does not count.
    if alternative().any(|name| matches!(name, GeneralName::Invalid(..))) {
        return Names::Nobody;
    }
    let dns: Vec<_> = alternative()
        .filter_map(|name| if let GeneralName::DNSName(name) = name { Some((*name).to_owned()) } else { None })
        .collect();
    if !dns.is_empty() {
        return Names::Dns(dns);
    }
    let mut common = certificate.subject().iter_common_name();
    match (common.next().map(|name| name.as_str()), common.next()) {
        (Some(Ok(name)), None) => Names::Common(name.to_owned()),
        _ => Names::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType};

    use super::*;

    fn certificate(dns: &[&str], common: &[&str], usages: &[ExtendedKeyUsagePurpose]) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(dns.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for name in common {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        params.extended_key_usages = usages.to_vec();
        params
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap()
            .der()
            .clone()
    }

    const CLIENT: &[ExtendedKeyUsagePurpose] = &[ExtendedKeyUsagePurpose::ClientAuth];

    #[test]
    fn dns_names_count_and_the_common_name_only_where_there_are_none() {
        for (dns, common, user, is_proof) in [
            (&["ann"][..], &["bob"][..], "ann", true),
            (&["ann"], &["bob"], "bob", false),
            (&["x", "ann"], &[], "ann", true),
            (&[], &["ann"], "ann", true),
            (&[], &["ann"], "Ann", false),
            (&["Ann"], &[], "ann", false),
            (&["*.example.com"], &[], "ann.example.com", false),
            (&["ann.example.com"], &[], "ann", false),
            (&["192.0.2.1"], &["ann"], "ann", true), // an address is no dNSName
            (&["192.0.2.1"], &["ann"], "192.0.2.1", false),
            (&[], &[], "", false),
            (&["ann"], &[], "", false),
            (&[], &["pässword"], "pässword", true),
        ] {
            let certificate = certificate(dns, common, CLIENT);
            assert_eq!(proves(&certificate, false, user), is_proof, "{dns:?} {common:?} {user}");
            // Behind a CA that is held to some names, the common name is none.
            assert_eq!(proves(&certificate, true, user), is_proof && dns.contains(&user), "{dns:?} {common:?} {user}");
        }
    }

    #[test]
    fn a_certificate_has_to_be_for_clients() {
        use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
        for (usages, is_proof) in [
            (&[][..], false),
            (&[ServerAuth], false),
            (&[Any], false),
            (&[ClientAuth], true),
            (&[ServerAuth, ClientAuth], true),
        ] {
            assert_eq!(proves(&certificate(&["ann"], &[], usages), false, "ann"), is_proof, "{usages:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_certificate_prove_nothing() {
        assert!(!proves(&CertificateDer::from(&b"ann"[..]), false, "ann"));
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::Rfc822Name("ann".try_into().unwrap())];
        params.distinguished_name.push(DnType::CommonName, "ann");
        params.extended_key_usages = CLIENT.to_vec();
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        assert!(proves(made.der(), false, "ann"), "an e-mail address is no dNSName");
    }
}
