use super::*;

fn made() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn pair(cert: &str, key: &str) -> Result<(), BadPem> {
    key_pair(&chain(cert)?, &private_key(key)?).map(drop)
}

#[test]
fn pem_is_parsed_and_checked() {
    let (cert, key) = made();
    assert!(roots(&cert).is_ok() && chain(&cert).is_ok() && private_key(&key).is_ok());
    assert!(roots(&key).is_err() && chain(&key).is_err() && private_key(&cert).is_err());
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(roots(broken).is_err() && chain(broken).is_err());
    assert!(roots(&format!("{cert}{broken}")).is_err(), "as when the proxy starts");
    assert_eq!(pair(&cert, &key), Ok(()));
    for text in ["", "nothing", "-----BEGIN CERTIFICATE-----\n"] {
        assert!(roots(text).is_err() && chain(text).is_err() && private_key(text).is_err() && crls(text).is_err());
    }
}

#[test]
fn a_key_and_its_certificate_belong_together() {
    let ((cert, key), (other, other_key)) = (made(), made());
    assert_eq!(pair(&cert, &other_key), Err(BadPem::OtherKey));
    assert_eq!(pair(&format!("{other}{cert}"), &key), Err(BadPem::NotFirst { at: 2 }));
    assert_eq!(pair(&format!("{cert}{other}"), &key), Ok(()));
}

/// What editors, shells, consoles and `.env` files do to PEM.
#[test]
fn damage_to_a_pem_text_is_named() {
    let (cert, key) = made();
    let spoiled = |pem: &str| {
        [
            (format!("\u{feff}{pem}"), BadPem::ByteOrderMark),
            (pem.trim_end().replace('\n', "\\n"), BadPem::EscapedLineEnds),
            (pem.trim_end().replace('\n', "\\r\\n"), BadPem::EscapedLineEnds),
            (pem.trim_end().replace('\n', " "), BadPem::NoLineEnds),
            (pem.replace('\n', ""), BadPem::NoLineEnds),
            (format!("\"{pem}\""), BadPem::Quoted),
            (pem.lines().map(|line| format!("  {line}\n")).collect(), BadPem::Indented),
            (
                pem.lines()
                    .take(2)
                    .map(|line| format!("{line}\n"))
                    .collect(),
                BadPem::Cut,
            ),
            (pem.replace("M", "!"), BadPem::Broken),
        ]
    };
    for (text, want) in spoiled(&key) {
        assert_eq!(private_key(&text).map(drop), Err(want), "{text}");
    }
    for (text, want) in spoiled(&cert) {
        assert_eq!(chain(&text).map(drop), Err(want), "{text}");
        assert_eq!(roots(&text).map(drop), Err(want), "{text}");
    }
    // Carriage returns and text around it do no harm.
    assert!(private_key(&format!("a key\r\n{}", key.replace('\n', "\r\n"))).is_ok());
}

#[test]
fn another_kind_of_pem_is_named() {
    let (cert, key) = made();
    let of_kind = |kind: &str| format!("-----BEGIN {kind}-----\nTUlJQw==\n-----END {kind}-----\n");
    let legacy = of_kind("RSA PRIVATE KEY").replace("TUlJ", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nTUlJ");
    for (text, want) in [
        (of_kind("ENCRYPTED PRIVATE KEY"), BadPem::EncryptedKey),
        (legacy, BadPem::EncryptedKey),
        (of_kind("OPENSSH PRIVATE KEY"), BadPem::OpenSshKey),
        (cert.clone(), BadPem::CertificateForKey),
        (of_kind("PUBLIC KEY"), BadPem::NoKey),
        ("hunter2".to_owned(), BadPem::NoKey),
    ] {
        assert_eq!(private_key(&text).map(drop), Err(want), "{text}");
    }
    for (text, want) in [
        (key, BadPem::KeyForCertificate),
        (of_kind("CERTIFICATE REQUEST"), BadPem::RequestForCertificate),
        (of_kind("CERTIFICATE"), BadPem::MalformedCertificate),
        ("hunter2".to_owned(), BadPem::NoCertificate),
    ] {
        assert_eq!(chain(&text).map(drop), Err(want), "{text}");
    }
    assert_eq!(crls(&cert).map(drop), Err(BadPem::NoCrl));
    assert_eq!(crls(&of_kind("X509 CRL")).map(drop), Err(BadPem::UnusableCrl));
}
