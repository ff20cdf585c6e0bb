//! What is wrong with a PEM text, in words that hold nothing of it.

use thiserror::Error;

/// Why a PEM text cannot be used. Holds no byte of the text, which may be a private key.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum BadPem {
    /// Some editors on Windows write one.
    #[error("begins with a byte order mark (BOM): save it as UTF-8 without one")]
    ByteOrderMark,
    /// JSON, or a shell that does not know `\n`, has been over it.
    #[error("holds \\n as two characters where its lines should end: store it with real line ends")]
    EscapedLineEnds,
    /// A console's input field, or an unquoted variable, has been over it.
    #[error("has lost its line ends: BEGIN line, base64 and END line must be lines of their own")]
    NoLineEnds,
    /// Quotes are part of the value in many `.env` files.
    #[error("begins with a quotation mark: store the text without quotes around it")]
    Quoted,
    /// PEM begins in the first column.
    #[error("has blanks ahead of its BEGIN line: PEM lines are not indented")]
    Indented,
    /// The first BEGIN line has no END line.
    #[error("has no END line to its BEGIN line: it was cut off, or only half of it was copied")]
    Cut,
    /// Base64 or markers that cannot be read.
    #[error("holds PEM that is broken")]
    Broken,
    /// A key that asks for a passphrase.
    #[error(
        "holds an encrypted private key: decrypt it first (openssl pkey -in KEY -out PLAIN), no passphrase is asked for"
    )]
    EncryptedKey,
    /// ssh-keygen's own format.
    #[error("holds a private key in OpenSSH's format: convert it (ssh-keygen -p -m PKCS8 -f KEY)")]
    OpenSshKey,
    /// No private key, but certificates.
    #[error("holds no private key in PEM, but a certificate")]
    CertificateForKey,
    /// No certificate, but a private key.
    #[error("holds no certificate in PEM, but a private key")]
    KeyForCertificate,
    /// What is sent to a CA, not what comes back.
    #[error("holds no certificate in PEM, but a signing request: store what the CA sent back")]
    RequestForCertificate,
    /// Nothing of the kind.
    #[error("holds no private key in PEM (PKCS#8, PKCS#1 or SEC1, not encrypted)")]
    NoKey,
    /// Nothing of the kind.
    #[error("holds no certificate in PEM")]
    NoCertificate,
    /// Nothing of the kind.
    #[error("holds no certificate revocation list in PEM")]
    NoCrl,
    /// DER that is no certificate.
    #[error("holds a certificate that is malformed")]
    MalformedCertificate,
    /// A certificate that cannot vouch for others.
    #[error("holds a certificate that cannot be a root")]
    NoRoot,
    /// A list of a kind that no verifier takes.
    #[error("holds a certificate revocation list that cannot be used")]
    UnusableCrl,
    /// A key of a kind that cannot sign handshakes.
    #[error("is of a kind that cannot be used")]
    UnusableKey,
    /// A pair that is none.
    #[error("is not the key of listen.tls.cert")]
    OtherKey,
    /// The key's own certificate is not the first of the chain.
    #[error(
        "is the key of certificate {at} in listen.tls.cert: the server's own certificate comes first, its issuers behind it"
    )]
    NotFirst {
        /// From 1.
        at: usize,
    },
}

/// What a text was to hold.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    Certificates,
    PrivateKey,
    RevocationLists,
}

/// Why nothing of a kind was read from the text, or not all of it. The first cause that the text
/// shows is told.
pub(super) fn why_unread(pem: &str, wanted: Wanted) -> BadPem {
    let begins = |kind: &str| pem.contains(&format!("-----BEGIN {kind}"));
    let has_key = begins("PRIVATE KEY") || begins("RSA PRIVATE KEY") || begins("EC PRIVATE KEY");
    let is_encrypted = begins("ENCRYPTED PRIVATE KEY") || pem.contains("Proc-Type: 4,ENCRYPTED");
    if pem.starts_with('\u{feff}') {
        return BadPem::ByteOrderMark;
    }
    if begins("") {
        if pem.trim_start().starts_with(['"', '\'']) {
            return BadPem::Quoted;
        }
        if pem.contains("-----\\n") || pem.contains("-----\\r") {
            return BadPem::EscapedLineEnds;
        }
        if pem
            .lines()
            .any(|line| line.starts_with("-----BEGIN ") && line.matches("-----").count() > 2)
        {
            return BadPem::NoLineEnds;
        }
        if pem
            .lines()
            .any(|line| line.starts_with([' ', '\t']) && line.trim_start().starts_with("-----BEGIN "))
        {
            return BadPem::Indented;
        }
        if !pem.contains("-----END ") {
            return BadPem::Cut;
        }
    }
    match wanted {
        Wanted::PrivateKey if is_encrypted => BadPem::EncryptedKey,
        Wanted::PrivateKey if begins("OPENSSH PRIVATE KEY") => BadPem::OpenSshKey,
        Wanted::PrivateKey if has_key => BadPem::Broken,
        Wanted::PrivateKey if begins("CERTIFICATE") => BadPem::CertificateForKey,
        Wanted::PrivateKey => BadPem::NoKey,
        Wanted::Certificates if begins("CERTIFICATE-----") => BadPem::Broken,
        Wanted::Certificates if begins("CERTIFICATE REQUEST") => BadPem::RequestForCertificate,
        Wanted::Certificates if has_key || is_encrypted => BadPem::KeyForCertificate,
        Wanted::Certificates => BadPem::NoCertificate,
        Wanted::RevocationLists if begins("X509 CRL-----") => BadPem::Broken,
        Wanted::RevocationLists => BadPem::NoCrl,
    }
}
