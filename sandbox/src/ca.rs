//! A test CA and the certificates it signs.
//!
//! The CA lives in memory only and is new on each start: trusting its certificate risks nothing
//! afterwards.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

/// A throw-away certificate authority (P-256).
pub struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem: String,
}

/// A server certificate and its private key.
#[derive(Clone)]
pub struct Leaf {
    /// The certificate alone, PEM.
    pub cert_pem: String,
    /// PKCS#8, PEM.
    pub key_pem: String,
}

impl Ca {
    /// A CA that nobody trusts yet.
    ///
    /// # Panics
    /// When the system has no entropy source.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the parameters are constant, and a rig without entropy cannot go on")]
    pub fn new() -> Self {
        let issuer = Self::generate().expect("a P-256 CA certificate");
        let pem = issuer.pem();
        Self { issuer, pem }
    }

    /// The CA's certificate, for the trust stores of clients.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A server certificate for DNS names (a wildcard may be among them) and IP addresses.
    ///
    /// # Panics
    /// When a name cannot stand in a certificate; see [`Ca::try_issue`].
    #[must_use]
    #[expect(clippy::expect_used, reason = "tests pass constant names; others use try_issue")]
    pub fn issue(&self, names: &[&str]) -> Leaf {
        self.try_issue(names)
            .expect("names that a certificate can carry")
    }

    /// As [`Ca::issue`], for names that come from outside.
    ///
    /// # Errors
    /// When a name is not ASCII, or the key cannot be made.
    pub fn try_issue(&self, names: &[&str]) -> Result<Leaf, rcgen::Error> {
        self.sign(Self::server(names)?)
    }

    /// As [`Ca::issue`], but the certificate's time was over at the end of the last century.
    ///
    /// # Panics
    /// When a name cannot stand in a certificate.
    #[must_use]
    #[expect(clippy::expect_used, reason = "tests pass constant names")]
    pub fn issue_expired(&self, names: &[&str]) -> Leaf {
        let expired = Self::server(names).and_then(|mut params| {
            params.not_before = rcgen::date_time_ymd(1999, 1, 1);
            params.not_after = rcgen::date_time_ymd(1999, 12, 31);
            self.sign(params)
        });
        expired.expect("names that a certificate can carry")
    }

    fn server(names: &[&str]) -> Result<CertificateParams, rcgen::Error> {
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        // Names are looked for in the alternative names only, as in Redshift's certificates; the
        // subject is for people.
        params.distinguished_name = subject("redshift-sandbox");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }

    #[expect(clippy::needless_pass_by_value, reason = "of no use afterwards")]
    fn sign(&self, params: CertificateParams) -> Result<Leaf, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let cert = params.signed_by(&key, &self.issuer)?;
        Ok(Leaf { cert_pem: cert.pem(), key_pem: key.serialize_pem() })
    }

    fn generate() -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = subject("redshift-sandbox throw-away CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        CertifiedIssuer::self_signed(params, KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)
    }
}

impl Default for Ca {
    fn default() -> Self {
        Self::new()
    }
}

fn subject(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}
