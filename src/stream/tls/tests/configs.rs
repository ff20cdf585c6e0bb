//! What a handshake is made of.

use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_ED25519};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Version {
    Tls12,
    Tls13,
}

/// How a handshake differs from the shortest.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Shape {
    /// The server does not take the client's first key share (TLS 1.3).
    pub(super) has_retry: bool,
    /// The server asks for a certificate.
    pub(super) asks_client: bool,
    /// The client has one.
    pub(super) has_client_certificate: bool,
    /// So many bytes and a few more in the server's chain.
    pub(super) chain_bytes: usize,
    /// The client resumes sessions: all but the first are shorter.
    pub(super) resumes: bool,
    /// The client trusts another CA.
    pub(super) has_other_ca: bool,
    /// They agree on no ALPN name.
    pub(super) has_other_alpn: bool,
    /// The client speaks the other version alone.
    pub(super) has_other_version: bool,
}

struct Identity {
    ca: CertificateDer<'static>,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Of Ed25519, so that handshakes with it are of the same length each time.
    fn new(ca_name: &str) -> Self {
        let key = || KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, ca_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, key()).unwrap();
        let key = key();
        let certificate = CertificateParams::new(["localhost".to_owned()])
            .unwrap()
            .signed_by(&key, &ca)
            .unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Self { ca: ca.der().clone(), certificate: certificate.der().clone(), key }
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.clone()).unwrap();
        Arc::new(roots)
    }
}

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| Identity::new("CA"));
static OTHER: LazyLock<Identity> = LazyLock::new(|| Identity::new("another CA"));

impl Version {
    fn protocol(self) -> &'static SupportedProtocolVersion {
        match self {
            Self::Tls12 => &TLS12,
            Self::Tls13 => &TLS13,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Tls12 => Self::Tls13,
            Self::Tls13 => Self::Tls12,
        }
    }
}

pub(super) fn configs(version: Version, shape: Shape) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let (ours, trusted) = (&*IDENTITY, if shape.has_other_ca { &*OTHER } else { &*IDENTITY });
    let client_version = if shape.has_other_version { version.other() } else { version };
    let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[client_version.protocol()])
        .unwrap()
        .with_root_certificates(trusted.roots());
    let mut client = if shape.has_client_certificate {
        let chain = vec![ours.certificate.clone()];
        client
            .with_client_auth_cert(chain, ours.key.clone_key())
            .unwrap()
    } else {
        client.with_no_client_auth()
    };
    if !shape.resumes {
        client.resumption = Resumption::disabled();
    }
    let mut provider = default_provider();
    if shape.has_retry {
        provider.kx_groups = vec![kx_group::SECP384R1];
    }
    let provider = Arc::new(provider);
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version.protocol()])
        .unwrap();
    let server = if shape.asks_client {
        let verifier = WebPkiClientVerifier::builder_with_provider(ours.roots(), provider);
        server.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        server.with_no_client_auth()
    };
    let mut chain = vec![ours.certificate.clone()];
    if shape.chain_bytes > 0 {
        // Nobody needs it to verify the first.
        chain.push(CertificateDer::from(vec![0x30; shape.chain_bytes]));
    }
    let mut server = server
        .with_single_cert(chain, ours.key.clone_key())
        .unwrap();
    if shape.has_other_alpn {
        (client.alpn_protocols, server.alpn_protocols) = (vec![b"h2".to_vec()], vec![b"postgresql".to_vec()]);
    }
    (Arc::new(client), Arc::new(server))
}
