//! Verified TLS to the warehouse: the roots that are trusted.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::{self, ClientConfig, RootCertStore};
use thiserror::Error;

use crate::config::{BadPem, Ca, value};

/// Amazon Root CA 1–4 and Starfield Services Root CA - G2: certificates 4–8 of AWS's
/// redshift-ca-bundle.crt. The first three are left out: a trust anchor's expiry is not looked at,
/// and two of them are expired 1024-bit keys.
const AWS_ROOTS: &str = include_str!("../../certs/aws-roots.pem");

/// The TLS configurations of warehouses: one, and with it one store of TLS sessions, for each set
/// of roots.
pub(crate) struct ClientTls(HashMap<Ca, Trusted>);

/// A set of roots, and the TLS configuration that trusts it.
#[derive(Clone)]
struct Trusted {
    roots: Arc<RootCertStore>,
    config: Arc<ClientConfig>,
}

/// The ways in which roots cannot be used.
#[derive(Debug, Error)]
pub enum ClientTlsError {
    /// Returned if the built-in bundle or the file is no bundle of certificates.
    #[error("{path}: {why}")]
    Bundle {
        /// The path of the bundle; for the built-in one, that in the source tree.
        path: PathBuf,
        /// The flaw of the bundle.
        why: BadPem,
    },
    /// Returned if the system has no roots.
    #[error("ca = \"system\": no certificate found: {0}")]
    System(String),
    /// Returned if rustls refuses the settings.
    #[error("TLS settings")]
    Settings(#[source] rustls::Error),
}

impl ClientTls {
    /// Loads every set of roots in `wanted`. One that is as it was `before` keeps its TLS sessions.
    ///
    /// # Errors
    /// See [`ClientTlsError`].
    pub(crate) fn new<'a>(wanted: impl Iterator<Item = &'a Ca>, before: Option<&Self>) -> Result<Self, ClientTlsError> {
        let mut all = HashMap::new();
        for ca in wanted {
            if !all.contains_key(ca) {
                let known = before.and_then(|before| before.0.get(ca));
                all.insert(ca.clone(), Trusted::new(ca, known)?);
            }
        }
        Ok(Self(all))
    }

    /// The configuration for a set of roots. `None`: it was not among those that were loaded.
    pub(crate) fn get(&self, ca: &Ca) -> Option<Arc<ClientConfig>> {
        self.0.get(ca).map(|trusted| Arc::clone(&trusted.config))
    }
}

impl Trusted {
    /// Loads a set of roots, or goes on with `known`, which was loaded from the same place, if it
    /// is still the same.
    fn new(ca: &Ca, known: Option<&Self>) -> Result<Self, ClientTlsError> {
        match (ca, known) {
            // The text of a file is part of its `Ca`.
            (Ca::Aws | Ca::File { .. }, Some(known)) => Ok(known.clone()),
            _ => {
                let roots = roots(ca)?;
                if let Some(known) = known.filter(|known| known.roots.roots == roots.roots) {
                    return Ok(known.clone());
                }
                let roots = Arc::new(roots);
                Ok(Self { config: Arc::new(config(Arc::clone(&roots))?), roots })
            }
        }
    }
}

fn config(roots: Arc<RootCertStore>) -> Result<ClientConfig, ClientTlsError> {
    Ok(ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .map_err(ClientTlsError::Settings)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// The cipher suites, AES-128-GCM first: the cheapest by 5–15 % (performance.md), and as safe as
/// the rest.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    let first = [
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ];
    provider
        .cipher_suites
        .sort_by_key(|suite| !first.contains(suite));
    provider
}

fn roots(ca: &Ca) -> Result<RootCertStore, ClientTlsError> {
    match ca {
        Ca::Aws => from_pem(AWS_ROOTS, Path::new("certs/aws-roots.pem")),
        Ca::File { path, pem } => from_pem(pem, path),
        Ca::System => {
            let found = rustls_native_certs::load_native_certs();
            let mut roots = RootCertStore::empty();
            // System stores hold old certificates that cannot be parsed; the rest is as good as
            // without them.
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let errors = found
                    .errors
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>();
                return Err(ClientTlsError::System(errors.join("; ")));
            }
            Ok(roots)
        }
    }
}

fn from_pem(text: &str, path: &Path) -> Result<RootCertStore, ClientTlsError> {
    value::roots(text).map_err(|why| ClientTlsError::Bundle { path: path.into(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_roots_are_amazons_five() {
        assert_eq!(roots(&Ca::Aws).unwrap().len(), 5);
    }

    #[test]
    fn aes_128_is_offered_first_in_each_version() {
        let names = provider()
            .cipher_suites
            .iter()
            .map(|s| format!("{:?}", s.suite()))
            .collect::<Vec<_>>();
        assert!(names[..3].iter().all(|name| name.contains("AES_128_GCM")), "{names:?}");
        assert!(names[3..].iter().all(|name| !name.contains("AES_128_GCM")), "{names:?}");
    }

    #[test]
    fn one_configuration_serves_all_connections_with_the_same_roots() {
        let tls = ClientTls::new([&Ca::Aws, &Ca::Aws].into_iter(), None).unwrap();
        assert!(Arc::ptr_eq(&tls.get(&Ca::Aws).unwrap(), &tls.get(&Ca::Aws).unwrap()));
        assert!(tls.get(&Ca::System).is_none());
    }

    /// Reviewed in issue 13: each reload began with new stores, so that no TLS session was resumed
    /// and old roots lived as long as the sessions that were made with them.
    #[test]
    fn a_reload_goes_on_with_roots_that_are_the_same() {
        let pem = |certificates: usize| {
            let all: Vec<_> = AWS_ROOTS
                .split_inclusive("-----END CERTIFICATE-----\n")
                .collect();
            Ca::File { path: "ca.pem".into(), pem: all[..certificates].concat().into() }
        };
        let (kept, changed) = (pem(1), pem(2));
        let before = ClientTls::new([&Ca::Aws, &Ca::System, &kept].into_iter(), None).unwrap();
        let after = ClientTls::new([&Ca::Aws, &Ca::System, &kept, &changed].into_iter(), Some(&before)).unwrap();
        for ca in [&Ca::Aws, &Ca::System, &kept] {
            assert!(Arc::ptr_eq(&before.get(ca).unwrap(), &after.get(ca).unwrap()), "{ca:?}");
        }
        assert!(!Arc::ptr_eq(&before.get(&kept).unwrap(), &after.get(&changed).unwrap()));
    }
}
