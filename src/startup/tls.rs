//! TLS towards clients: the listener's settings and its side of the handshake.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::rand::SystemRandom;
use parking_lot::Mutex;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{self, ServerConfig};
use thiserror::Error;

use self::ages::Reported;
pub(crate) use self::ages::{Aging, Part, by_the_hour};
use self::clients::{Clients, ClientsError};
use self::end_point::end_point;
pub(crate) use self::pem::{IdentityPem, ListenerPem};
use crate::clock::Clock;
use crate::config::value::{Term, of_certificate};
use crate::config::{BadIdentity, ChannelBinding, Identity, Listen, TlsMode};
use crate::crypto::provider;
use crate::secret::Secret;

mod ages;
mod clients;
mod constraints;
mod end_point;
mod pem;

/// First byte of a TLS handshake record (RFC 8446 section 5.1): what direct TLS begins with.
pub(super) const HANDSHAKE_RECORD: u8 = 0x16;

/// PostgreSQL's registered ALPN name.
pub(super) const ALPN: &[u8] = b"postgresql";

/// Longest plaintext in a record towards a client. libpq's asynchronous calls ask OpenSSL for at
/// least as many bytes, and then wait for the socket: of a longer record some stay behind in
/// OpenSSL, and if it was a result's last the client waits for ever. PostgreSQL never writes longer
/// ones (PQ_SEND_BUFFER_SIZE in pqcomm.c).
const RECORD_BYTES: usize = 8192;

/// What rustls counts besides.
const RECORD_HEADER_BYTES: usize = 5;

/// The listener's TLS settings. All sessions share one: a new client takes the settings of the
/// moment, and keeps them through its handshake.
pub(crate) struct ServerTls {
    /// The settings of handshakes that begin now. `None`: SSLRequest is answered with `N`.
    settings: Option<ArcSwap<HandshakeSettings>>,
    /// The parts that the settings were made of, so that each can be renewed by itself. The lock is
    /// held while one is.
    parts: Mutex<Parts>,
    /// The parts that are about to end, and when that was last logged.
    reported: Reported,
    clock: Arc<dyn Clock>,
    /// Whether a session in clear is refused.
    pub(crate) required: bool,
}

/// The settings of one handshake: a certificate, and all that goes with it.
pub(super) struct HandshakeSettings {
    pub(super) config: ServerConfig,
    /// What clients' certificates are verified by.
    clients: Option<Clients>,
    /// The hash of the certificate that channels are bound to; see [`super::TlsSession`].
    pub(super) end_point: Option<Arc<[u8]>>,
}

/// The parts that settings are made of.
#[derive(Clone)]
struct Parts {
    /// The texts that the others were made of, for the next configuration.
    pem: ListenerPem,
    certificate: CertifiedKey,
    /// `None`: clients are not asked for certificates.
    clients: Option<Clients>,
    channel_binding: ChannelBinding,
}

impl Parts {
    /// The terms of all certificates and lists.
    fn terms(&self) -> Vec<(Part, Term)> {
        let chain = self
            .certificate
            .cert
            .iter()
            .enumerate()
            .filter_map(|(at, der)| Some((if at == 0 { Part::Server } else { Part::Issuer }, of_certificate(der)?)));
        chain
            .chain(self.clients.iter().flat_map(Clients::terms))
            .collect()
    }
}

/// A part of `[listen.tls]` that can be read again while we run.
pub(crate) enum Renewed<'a> {
    /// `cert` and `key`.
    Identity(&'a Secret, &'a Secret),
    /// The text of `client_ca`, a bundle of certificates in PEM.
    ClientCa(&'a Secret),
    /// `client_crl`
    ClientCrl(&'a Secret),
}

/// The listener's TLS cannot be set up. The causes quote nothing of certificates and keys.
#[derive(Debug, Error)]
pub enum ServerTlsError {
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Identity(#[from] BadIdentity),
    /// rustls knows no protocol version for its own cryptography.
    #[error("listen.tls: no protocol version can be served")]
    Versions,
    /// Making the self-signed certificate failed.
    #[error("cannot make a self-signed certificate")]
    SelfSigned,
    /// Clients' certificates could not be verified.
    #[error(transparent)]
    Clients(#[from] ClientsError),
}

impl ServerTls {
    /// Builds what `[listen.tls]` asks for; without a certificate a self-signed one for loopback
    /// names. Certificates end by `clock`.
    ///
    /// # Errors
    /// See [`ServerTlsError`].
    pub(crate) fn new(listen: &Listen, pem: &ListenerPem, clock: Arc<dyn Clock>) -> Result<Self, ServerTlsError> {
        let pair = match &pem.identity {
            Some(IdentityPem { cert, key }) => Identity::read(cert, key)?.pair,
            None => self_signed()?,
        };
        let required = listen.tls == TlsMode::Require;
        let clients = pem.clients.as_ref().map(Clients::new).transpose()?;
        let channel_binding = listen.channel_binding;
        let parts = Parts { pem: pem.clone(), certificate: pair, clients, channel_binding };
        let settings = match listen.tls {
            TlsMode::Disable => None,
            TlsMode::Require | TlsMode::Prefer => Some(ArcSwap::from_pointee(HandshakeSettings::new(&parts)?)),
        };
        Ok(Self { settings, parts: Mutex::new(parts), reported: Reported::default(), clock, required })
    }

    /// Lists each certificate and revocation list that has ended, is about to, or has not begun.
    pub(crate) fn aging(&self) -> Vec<Aging> {
        let terms = self.parts.lock().terms();
        Aging::among(&terms, self.clock.now())
            .map(|(_, aging)| aging)
            .collect()
    }

    /// The terms of all certificates and revocation lists of the listener.
    pub(crate) fn terms(&self) -> Vec<(Part, Term)> {
        self.parts.lock().terms()
    }

    /// Logs each certificate and list that has ended or is about to: all of them where they were
    /// just read, else those that have not been logged for a day, or are new.
    pub(crate) fn report_aging(&self, is_read: bool) {
        let terms = self.parts.lock().terms();
        self.reported.report(&terms, self.clock.now(), is_read);
    }

    /// The texts that the settings of now were made of.
    pub(crate) fn pem(&self) -> ListenerPem {
        self.parts.lock().pem.clone()
    }

    /// The settings for a client that connects now.
    pub(super) fn settings(&self) -> Option<Arc<HandshakeSettings>> {
        self.settings.as_ref().map(ArcSwap::load_full)
    }

    /// Replaces one part of the TLS settings for new handshakes. Fake salts stay as they are: those
    /// of unknown users must not change when a certificate does.
    ///
    /// # Errors
    /// See [`ServerTlsError`]; then the old part stays.
    pub(crate) fn renew(&self, renewed: &Renewed<'_>) -> Result<(), ServerTlsError> {
        // Held throughout: two parts renewed at once both stay.
        let mut parts = self.parts.lock();
        let mut new = parts.clone();
        match (renewed, &mut new.clients) {
            (Renewed::Identity(cert, key), _) => {
                new.certificate = Identity::read(cert, key)?.pair;
                new.pem.identity = Some(IdentityPem { cert: (*cert).clone(), key: (*key).clone() });
            }
            (Renewed::ClientCa(pem), Some(clients)) => {
                clients.trust(pem)?;
                new.pem.trust(pem);
            }
            (Renewed::ClientCrl(pem), Some(clients)) => {
                clients.revoke(pem)?;
                new.pem.revoke(pem);
            }
            (Renewed::ClientCa(_) | Renewed::ClientCrl(_), None) => {}
        }
        let made = Arc::new(HandshakeSettings::new(&new)?);
        *parts = new;
        if let Some(settings) = &self.settings {
            settings.store(made);
        }
        drop(parts);
        self.report_aging(true);
        Ok(())
    }
}

impl HandshakeSettings {
    fn new(Parts { certificate, clients, channel_binding, .. }: &Parts) -> Result<Self, ServerTlsError> {
        let end_point = match channel_binding {
            ChannelBinding::Auto => certificate.cert.first().and_then(end_point),
            ChannelBinding::Off => None,
        };
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|_unsupported| ServerTlsError::Versions)?;
        let config = match clients {
            Some(clients) => config.with_client_cert_verifier(clients.verifier()?),
            None => config.with_no_client_auth(),
        };
        // Whatever name a client asks for: an unknown one breaks no handshake.
        let mut config = config.with_cert_resolver(Arc::new(SingleCertAndKey::from(certificate.clone())));
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Clients of a database keep their connections: tickets would be work and memory for
        // nothing.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.max_fragment_size = Some(RECORD_BYTES + RECORD_HEADER_BYTES);
        Ok(Self { config, clients: clients.clone(), end_point })
    }

    /// Whether a CA that may vouch for the client's chain is held to some names. `false` where
    /// nothing was verified.
    pub(super) fn is_constrained(&self, chain: &[CertificateDer<'_>]) -> bool {
        self.clients
            .as_ref()
            .is_some_and(|clients| clients.is_constrained(chain))
    }
}

/// Derives the key of fake salts from the listener's private key: every replica with the same one
/// has it, and nobody else. Beside a self-signed certificate it is random.
///
/// It is made once in the life of a process: a user that does not exist must keep its salt, and its
/// bans, when the certificate or the configuration changes.
///
/// # Errors
/// The certificate or its key cannot be used, or there is no randomness.
pub(crate) fn fake_salt_key(pem: &ListenerPem) -> Result<hmac::Key, ServerTlsError> {
    let Some(IdentityPem { cert, key }) = &pem.identity else {
        return hmac::Key::generate(HMAC_SHA256, &SystemRandom::new())
            .map_err(|_unspecified| ServerTlsError::SelfSigned);
    };
    let secret = hmac::Key::new(HMAC_SHA256, Identity::read(cert, key)?.key.secret_der());
    let derived = hmac::sign(&secret, b"redshift-iam-proxy fake salts");
    Ok(hmac::Key::new(HMAC_SHA256, derived.as_ref()))
}

/// Makes a certificate with a key of P-256: an RSA signature would cost more than the rest of a
/// login (performance.md).
fn self_signed() -> Result<CertifiedKey, ServerTlsError> {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).map_err(|_of_a_key| ServerTlsError::SelfSigned)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let chain = vec![made.cert.der().clone()];
    CertifiedKey::from_der(chain, key, &provider()).map_err(|_of_a_key| ServerTlsError::SelfSigned)
}
