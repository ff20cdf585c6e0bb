//! TLS towards clients: the listener's settings and its side of the handshake.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{self, ServerConfig};
use thiserror::Error;

use crate::config::{Identity, Listen, Material, TlsMode};
use crate::secret::Secret;

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
    certificate: Arc<Current>,
    /// Known to every replica with the same key, to nobody else: fake salts derive from it.
    pub(crate) salt_key: aws_lc_rs::hmac::Key,
}

/// The certificate or key cannot be used.
#[derive(Debug, Error)]
pub enum ServerTlsError {
    /// It has not been read.
    #[error("listen.tls: certificate or key not read")]
    Unread,
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
            Some(Identity { cert: Material { text: Some(cert), .. }, key: Material { text: Some(key), .. } }) => {
                from_pem(cert, key)?
            }
            Some(_) => return Err(ServerTlsError::Unread),
            None => self_signed()?,
        };
        let salt_key = salt_key(key.secret_der());
        let required = listen.tls == TlsMode::Require;
        let certificate = Arc::new(Current(RwLock::new(certified(chain, key)?)));
        if listen.tls == TlsMode::Disable {
            return Ok(Self { config: None, required, certificate, salt_key });
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(ServerTlsError::Pair)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as _);
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Clients of a database keep their connections: tickets would be work and memory for nothing.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.max_fragment_size = Some(RECORD_BYTES + RECORD_HEADER_BYTES);
        Ok(Self { config: Some(Arc::new(config)), required, certificate, salt_key })
    }

    /// Shows new clients another certificate. Fake salts stay as they are: strangers would see them change.
    ///
    /// # Errors
    /// See [`ServerTlsError`]; then the old one stays.
    pub(crate) fn renew(&self, cert_pem: &Secret, key_pem: &Secret) -> Result<(), ServerTlsError> {
        let (chain, key) = from_pem(cert_pem, key_pem)?;
        *self.certificate.0.write().unwrap_or_else(PoisonError::into_inner) = certified(chain, key)?;
        Ok(())
    }
}

/// Longest plaintext in a record towards a client. libpq's asynchronous calls ask OpenSSL for at least as many bytes, and then
/// wait for the socket: of a longer record some stay behind in OpenSSL, and if it was a result's last the client waits for ever.
/// PostgreSQL never writes longer ones (PQ_SEND_BUFFER_SIZE in pqcomm.c).
const RECORD_BYTES: usize = 8192;

/// What rustls counts besides.
const RECORD_HEADER_BYTES: usize = 5;

/// The certificate that is shown now.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Fails where the key is another certificate's.
fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, ServerTlsError> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map(Arc::new).map_err(ServerTlsError::Pair)
}

fn salt_key(secret: &[u8]) -> aws_lc_rs::hmac::Key {
    let secret = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    let derived = aws_lc_rs::hmac::sign(&secret, b"redshift-iam-proxy fake salts");
    aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, derived.as_ref())
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn from_pem(cert_pem: &Secret, key_pem: &Secret) -> Result<Pair, ServerTlsError> {
    let (cert_pem, key_pem) = (cert_pem.expose(), key_pem.expose());
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
