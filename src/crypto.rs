//! The one crypto provider, and the keys that are derived from passwords.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use self::verifier::Verifier;

pub(crate) mod derive;
pub mod verifier;

/// Makes the provider that all TLS settings of the proxy are built with: AWS-LC.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
