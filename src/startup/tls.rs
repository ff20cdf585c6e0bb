//! TLS towards clients: the listener's settings and its side of the handshake.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{self, ServerConfig};
use thiserror::Error;

use crate::config::{Identity, Listen, TlsMode};

/// First byte of a TLS handshake record (RFC 8446 section 5.1): what direct TLS begins with.
pub(super) const HANDSHAKE_RECORD: u8 = 0x16;

/// PostgreSQL's registered ALPN name.
pub(super) const ALPN: &[u8] = b"postgresql";

/// The listener's TLS.
pub(crate) struct ServerTls {
    /// `None`: SSLRequest is answered with `N`.
    pub(crate) config: Option<Arc<ServerConfig>>,
    /// A session in clear is refused.
    pub(crate) required: bool,
    /// Known to every replica with the same key, to nobody else: fake salts derive from it.
    pub(crate) salt_key: aws_lc_rs::hmac::Key,
}

/// The certificate or key cannot be used.
#[derive(Debug, Error)]
pub enum ServerTlsError {
    /// AWS keeps it.
    #[error("listen.tls.{0}: a certificate or key out of ssm: or secret: is not yet supported")]
    Remote(&'static str),
    /// PEM that does not hold what it should.
    #[error("listen.tls: not a PEM certificate chain and private key")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// rustls refuses the pair.
    #[error("listen.tls: certificate and key cannot be used")]
    Pair(#[source] rustls::Error),
    /// Making the self-signed certificate failed.
    #[error("cannot make a self-signed certificate")]
    SelfSigned(#[source] rcgen::Error),
}

impl ServerTls {
    /// Builds what `[listen.tls]` asks for; without a certificate a self-signed one for loopback names.
    ///
    /// # Errors
    /// See [`ServerTlsError`].
    pub(crate) fn new(listen: &Listen) -> Result<Self, ServerTlsError> {
        let (chain, key) = match &listen.identity {
            Some(identity) => from_pem(identity)?,
            None => self_signed()?,
        };
        let salt_key = salt_key(key.secret_der());
        let required = listen.tls == TlsMode::Require;
        if listen.tls == TlsMode::Disable {
            return Ok(Self { config: None, required, salt_key });
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(ServerTlsError::Pair)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(ServerTlsError::Pair)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Clients of a database keep their connections: tickets would be work and memory for nothing.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self { config: Some(Arc::new(config)), required, salt_key })
    }
}

fn salt_key(secret: &[u8]) -> aws_lc_rs::hmac::Key {
    let secret = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    let derived = aws_lc_rs::hmac::sign(&secret, b"redshift-iam-proxy fake salts");
    aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, derived.as_ref())
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn from_pem(identity: &Identity) -> Result<Pair, ServerTlsError> {
    let cert_pem = identity.cert.text.as_ref().ok_or(ServerTlsError::Remote("cert"))?.expose();
    let key_pem = identity.key.text.as_ref().ok_or(ServerTlsError::Remote("key"))?.expose();
    let chain = CertificateDer::pem_slice_iter(cert_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(ServerTlsError::Pem)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(ServerTlsError::Pem)?;
    Ok((chain, key))
}

/// P-256: an RSA signature would cost more than the rest of a login (performance.md).
fn self_signed() -> Result<Pair, ServerTlsError> {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).map_err(ServerTlsError::SelfSigned)?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    Ok((vec![made.cert.der().clone()], key.into()))
}
