//! The flaws of a PEM text, in words that hold nothing of it.

use thiserror::Error;

/// The reason why a PEM text cannot be used. Holds no byte of the text, which may be a private key.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum BadPem {
    /// The text begins with a byte order mark, which some editors on Windows write.
    #[error("begins with a byte order mark (BOM): save it as UTF-8 without one")]
    ByteOrderMark,
    /// The text has `\n` as two characters, which JSON, or a shell that does not know `\n`, leaves.
    #[error("holds \\n as two characters where its lines should end: store it with real line ends")]
    EscapedLineEnds,
    /// The text has lost its line ends in a console's input field or an unquoted variable.
    #[error("has lost its line ends: BEGIN line, base64 and END line must be lines of their own")]
    NoLineEnds,
    /// The text is in quotes, which are part of the value in many `.env` files.
    #[error("begins with a quotation mark: store the text without quotes around it")]
    Quoted,
    /// The text is indented, but PEM begins in the first column.
    #[error("has blanks ahead of its BEGIN line: PEM lines are not indented")]
    Indented,
    /// The first BEGIN line has no END line.
    #[error("has no END line to its BEGIN line: it was cut off, or only half of it was copied")]
    Cut,
    /// Base64 or markers cannot be read.
    #[error("holds PEM that is broken")]
    Broken,
    /// The key asks for a passphrase.
    #[error(
        "holds an encrypted private key: decrypt it first (openssl pkey -in KEY -out PLAIN), no passphrase is asked for"
    )]
    EncryptedKey,
    /// The key is in ssh-keygen's own format.
    #[error("holds a private key in OpenSSH's format: convert it (ssh-keygen -p -m PKCS8 -f KEY)")]
    OpenSshKey,
    /// A certificate stands where a private key should.
    #[error("holds no private key in PEM, but a certificate")]
    CertificateForKey,
    /// A private key stands where a certificate should.
    #[error("holds no certificate in PEM, but a private key")]
    KeyForCertificate,
    /// A signing request stands where a certificate should: it is sent to a CA, which sends a
    /// certificate back.
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
    /// A certificate has valid PEM around malformed DER.
    #[error("holds a certificate that is malformed")]
    MalformedCertificate,
    /// A certificate cannot vouch for others.
    #[error("holds a certificate that cannot be a root")]
    NoRoot,
    /// A revocation list is of a kind that no verifier takes.
    #[error("holds a certificate revocation list that cannot be used")]
    UnusableCrl,
    /// A key is of a kind that cannot sign handshakes.
    #[error("is of a kind that cannot be used")]
    UnusableKey,
    /// The key belongs to none of the certificates.
    #[error("is not the key of listen.tls.cert")]
    OtherKey,
    /// The key belongs to a certificate that is not the first of the chain.
    #[error(
        "is the key of certificate {at} in listen.tls.cert: the server's own certificate comes first, its issuers behind it"
    )]
    NotFirst {
        /// The position of that certificate, from 1.
        at: usize,
    },
}

/// The kind of item that a text should hold.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    Certificates,
    PrivateKey,
    RevocationLists,
}

/// Finds the reason why items of a kind were not all read from the text. The first cause that the
/// text shows is given.
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
