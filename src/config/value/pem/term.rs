//! The validity of certificates and revocation lists.

use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::{ASN1Time, CertificateRevocationList, FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

/// The validity of one certificate or list. Nothing in it is secret.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Term {
    /// A certificate's subject, or a list's issuer, without control characters.
    pub(crate) name: String,
    /// The beginning of the validity.
    pub(crate) begins: SystemTime,
    /// The end of the validity. `None`: a list that does not say when the next one comes.
    pub(crate) ends: Option<SystemTime>,
    /// Whether the key is an RSA key of fewer than 2,048 bits.
    pub(crate) is_weak: bool,
}

/// The state of a term at a moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    /// The end is not near: 30 days, for a list at most a tenth of its term.
    Valid,
    /// The beginning is still ahead.
    NotYet,
    /// The term ends after so many days, rounded down.
    Ending(u64),
    /// The end has passed, or there is none.
    Over,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The time ahead of its end in which a term is warned of.
const AHEAD: Duration = Duration::from_secs(30 * 24 * 3600);

/// The part of a revocation list's term, at its end, in which it is warned of.
const LAST_PART: u32 = 10;

impl Term {
    /// The state of the term at `now`.
    pub(crate) fn at(&self, now: SystemTime) -> Stage {
        self.stage(now, AHEAD)
    }

    /// The state of a revocation list at `now`. A list lives for days and is replaced as a matter
    /// of course, so that only the last tenth of its term is warned of.
    pub(crate) fn of_list_at(&self, now: SystemTime) -> Stage {
        let length = self
            .ends
            .and_then(|ends| ends.duration_since(self.begins).ok())
            .unwrap_or_default();
        self.stage(now, AHEAD.min(length / LAST_PART))
    }

    fn stage(&self, now: SystemTime, ahead: Duration) -> Stage {
        let left = self.ends.and_then(|ends| ends.duration_since(now).ok());
        match left {
            None => Stage::Over,
            Some(_) if self.begins > now => Stage::NotYet,
            Some(left) if left <= ahead => Stage::Ending(left.as_secs() / DAY.as_secs()),
            Some(_) => Stage::Valid,
        }
    }
}

/// The terms of a certificate chain or bundle in PEM; what cannot be read is left out.
pub(crate) fn terms(pem: &str) -> Vec<Term> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .flatten()
        .filter_map(|der| of_certificate(&der))
        .collect()
}

/// The term of a certificate in DER. `None`: it cannot be read.
pub(crate) fn of_certificate(der: &[u8]) -> Option<Term> {
    let (_rest, certificate) = X509Certificate::from_der(der).ok()?;
    let is_weak = match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => key.key_size() < 2048,
        Ok(_) | Err(_) => false,
    };
    let validity = certificate.validity();
    Some(Term {
        name: visible(&certificate.subject().to_string()),
        begins: moment(&validity.not_before),
        ends: Some(moment(&validity.not_after)),
        is_weak,
    })
}

/// The term of a revocation list in DER. `None`: it cannot be read.
pub(crate) fn of_crl(der: &CertificateRevocationListDer<'_>) -> Option<Term> {
    let (_rest, list) = CertificateRevocationList::from_der(der).ok()?;
    Some(Term {
        name: visible(&list.issuer().to_string()),
        begins: moment(&list.last_update()),
        ends: list.next_update().as_ref().map(moment),
        is_weak: false,
    })
}

fn moment(at: &ASN1Time) -> SystemTime {
    match u64::try_from(at.timestamp()) {
        Ok(secs) => SystemTime::UNIX_EPOCH + Duration::from_secs(secs),
        // Before 1970.
        Err(_negative) => SystemTime::UNIX_EPOCH,
    }
}

/// Makes a name fit to be logged: it comes from whoever made the certificate.
fn visible(name: &str) -> String {
    const LONGEST: usize = 200;
    name.chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(from: i32, until: i32) -> Term {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "proxy");
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(from, 1, 1), rcgen::date_time_ymd(until, 1, 1));
        let certificate = params
            .self_signed(&rcgen::KeyPair::generate().unwrap())
            .unwrap();
        terms(&certificate.pem()).pop().unwrap()
    }

    #[test]
    fn a_term_is_warned_of_from_thirty_days_before_its_end() {
        let term = made(2020, 2030);
        assert!(term.name.contains("proxy") && !term.is_weak);
        let end = term.ends.unwrap();
        for (at, want) in [
            (term.begins - Duration::from_secs(1), Stage::NotYet),
            (term.begins, Stage::Valid),
            (end - DAY * 30 - Duration::from_secs(1), Stage::Valid),
            (end - DAY * 30, Stage::Ending(30)),
            (end - DAY, Stage::Ending(1)),
            (end - Duration::from_secs(1), Stage::Ending(0)),
            (end + Duration::from_secs(1), Stage::Over),
        ] {
            assert_eq!(term.at(at), want, "{at:?}");
        }
        assert_eq!(Term { ends: None, ..term.clone() }.at(term.begins), Stage::Over);
    }

    #[test]
    fn times_before_1970_and_broken_texts_do_no_harm() {
        assert_eq!(made(1960, 2030).begins, SystemTime::UNIX_EPOCH);
        assert_eq!(terms("nothing"), []);
        assert_eq!(terms("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []);
    }
}
