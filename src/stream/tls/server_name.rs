//! The server name that a client asks for (SNI).
//!
//! rustls's unbuffered server connection does not tell the name, but shows it to the resolver of
//! its certificate: one that listens is put in front of the configuration's.

use std::sync::{Arc, OnceLock};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// A resolver that remembers the server name of one ClientHello. It is shared with the connection
/// whose handshake it listens to.
#[derive(Debug)]
pub(super) struct NameListener {
    certificates: Arc<dyn ResolvesServerCert>,
    name: OnceLock<String>,
}

impl NameListener {
    /// The configuration of one connection, and the listener in it. A copy of a configuration is a
    /// few reference counts.
    pub(super) fn put_into(config: &ServerConfig) -> (ServerConfig, Arc<Self>) {
        let certificates = Arc::clone(&config.cert_resolver);
        let listener = Arc::new(Self { certificates, name: OnceLock::new() });
        let mut config = config.clone();
        config.cert_resolver = Arc::clone(&listener) as _;
        (config, listener)
    }

    /// The server name that the client has asked for, in lower case.
    pub(super) fn name(&self) -> Option<String> {
        self.name.get().cloned()
    }
}

impl ResolvesServerCert for NameListener {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(name) = hello.server_name() {
            // A second ClientHello, after a retry, has the same one (RFC 8446 section 4.1.2).
            let _same = self.name.set(name.to_ascii_lowercase());
        }
        self.certificates.resolve(hello)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.certificates.only_raw_public_keys()
    }
}
