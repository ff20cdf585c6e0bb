//! A CA for clients' certificates.

use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, NameConstraints,
    RevokedCertParams, SerialNumber, date_time_ymd,
};

use super::World;

/// Signs for clients.
pub(crate) struct ClientCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
    next_serial: AtomicU64,
}

/// A client's certificate and key.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) cert_pem: String,
    pub(crate) key_pem: String,
    serial: u64,
}

/// The fields of a certificate that a test sets.
#[derive(Clone, Default)]
pub(crate) struct Wanted<'a> {
    pub(crate) dns: &'a [&'a str],
    pub(crate) common: Option<&'a str>,
    /// `None`: clientAuth.
    pub(crate) usages: Option<&'a [ExtendedKeyUsagePurpose]>,
    pub(crate) is_expired: bool,
}

impl ClientCa {
    pub(crate) fn new() -> Self {
        Self::held_to(None)
    }

    /// Makes a CA that may sign for these DNS names alone, if any are given (name constraints).
    pub(crate) fn held_to(names: Option<&str>) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // Each its own: of two with one name, the wrong one's signature is what fails.
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        params.distinguished_name = subject(&format!("clients of a test {number}"));
        params.name_constraints = names.map(|names| NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName(names.to_owned())],
            excluded_subtrees: Vec::new(),
        });
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, next_serial: AtomicU64::new(1) }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn issue(&self, wanted: &Wanted<'_>) -> Client {
        let names = wanted
            .dns
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = wanted.common.map_or_else(DistinguishedName::new, subject);
        params.extended_key_usages = wanted
            .usages
            .unwrap_or(&[ExtendedKeyUsagePurpose::ClientAuth])
            .to_vec();
        params.use_authority_key_identifier_extension = true;
        if wanted.is_expired {
            (params.not_before, params.not_after) = (date_time_ymd(1999, 1, 1), date_time_ymd(1999, 12, 31));
        }
        let serial = self.next_serial.fetch_add(1, Ordering::Relaxed);
        params.serial_number = Some(SerialNumber::from(serial));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Client { cert_pem: certificate.pem(), key_pem: key.serialize_pem(), serial }
    }

    /// Makes a certificate for one dNSName.
    pub(crate) fn client(&self, name: &str) -> Client {
        self.issue(&Wanted { dns: &[name], ..Wanted::default() })
    }

    /// A list in PEM of those that are revoked; it is out of date after the year `until`.
    pub(crate) fn revoke(&self, revoked: &[&Client], until: i32) -> String {
        let revoked = revoked.iter().map(|client| RevokedCertParams {
            serial_number: SerialNumber::from(client.serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(until, 12, 31),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// Has the proxy ask for clients' certificates; `more`: keys of `[listen.tls]`.
pub(crate) fn ask(world: &mut World, ca: &ClientCa, more: &str) {
    write(world, "clients.crt", &ca.pem());
    world.edit("[listen.tls]\n", &format!("[listen.tls]\nclient_ca = \"clients.crt\"\n{more}"));
}

/// A file beside the configuration.
pub(crate) fn write(world: &World, name: &str, text: &str) {
    std::fs::write(world.dir.path().join(name), text).unwrap();
}

fn subject(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}
