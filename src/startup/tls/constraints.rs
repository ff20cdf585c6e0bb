//! Whether a CA of a client's chain may only vouch for some names (name constraints, RFC 5280
//! section 4.2.1.10).
//!
//! The handshake holds DNS names to the constraints, but nothing holds common names to them: such a
//! CA could put any user's name there.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use x509_parser::oid_registry::OID_X509_EXT_NAME_CONSTRAINTS;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Whether a CA with name constraints may be in the chain that was verified. `sent` is the chain as
/// the client sent it, its own certificate first. Which of several chains was verified is not
/// known, so that one such CA in any of them is enough; a client cannot do without a CA of its
/// chain, and gains nothing by more.
pub(super) fn is_constrained(sent: &[CertificateDer<'_>], roots: &RootCertStore) -> bool {
    let mut parsed = sent
        .iter()
        .map(|der| X509Certificate::from_der(der).map(|(_rest, parsed)| parsed));
    let Some(Ok(own)) = parsed.next() else { return true };
    let Ok(cas) = parsed.collect::<Result<Vec<_>, _>>() else { return true };
    let mut issuers = vec![own.issuer().as_raw()];
    // Grows by the issuers of those that are found: one for each CA at most.
    let mut at = 0;
    while let Some(&issuer) = issuers.get(at) {
        at += 1;
        for ca in cas.iter().filter(|ca| ca.subject().as_raw() == issuer) {
            if ca
                .extensions()
                .iter()
                .any(|extension| extension.oid == OID_X509_EXT_NAME_CONSTRAINTS)
            {
                return true;
            }
            let next = ca.issuer().as_raw();
            if !issuers.contains(&next) {
                issuers.push(next);
            }
        }
    }
    // rustls keeps an anchor's name without the header of its sequence.
    let is_issuer = |subject: &[u8]| issuers.iter().any(|issuer| issuer.ends_with(subject));
    roots
        .roots
        .iter()
        .any(|root| root.name_constraints.is_some() && is_issuer(&root.subject))
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, GeneralSubtree, IsCa, KeyPair, NameConstraints,
    };

    use super::*;

    fn ca(name: &str, is_constrained: bool) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.name_constraints = is_constrained.then(|| NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("example.com".to_owned())],
            excluded_subtrees: Vec::new(),
        });
        params
    }

    /// A root, an intermediate and a leaf.
    fn chain(root: bool, intermediate: bool) -> (RootCertStore, Vec<CertificateDer<'static>>) {
        let key = || KeyPair::generate().unwrap();
        let root = CertifiedIssuer::self_signed(ca("root", root), key()).unwrap();
        let intermediate = CertifiedIssuer::signed_by(ca("intermediate", intermediate), key(), &root).unwrap();
        let leaf = CertificateParams::new(vec!["ann".to_owned()])
            .unwrap()
            .signed_by(&key(), &intermediate)
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(root.der().clone()).unwrap();
        (roots, vec![leaf.der().clone(), intermediate.der().clone()])
    }

    #[test]
    fn the_constraints_of_any_ca_of_the_chain_count() {
        for (root, intermediate) in [(false, false), (true, false), (false, true), (true, true)] {
            let (roots, shown) = chain(root, intermediate);
            assert_eq!(is_constrained(&shown, &roots), root || intermediate, "{root} {intermediate}");
        }
    }

    #[test]
    fn the_constraints_of_others_do_not() {
        let (mut roots, mut shown) = chain(false, false);
        let other = CertifiedIssuer::self_signed(ca("another", true), KeyPair::generate().unwrap()).unwrap();
        roots.add(other.der().clone()).unwrap();
        shown.push(other.der().clone());
        assert!(!is_constrained(&shown, &roots));
    }

    #[test]
    fn an_unreadable_certificate_counts_as_constrained() {
        let (roots, mut shown) = chain(false, false);
        assert!(is_constrained(&[], &roots));
        shown.push(CertificateDer::from(&b"nothing"[..]));
        assert!(is_constrained(&shown, &roots));
    }
}
