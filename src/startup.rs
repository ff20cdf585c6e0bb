//! From an accepted socket to a startup message or a cancel request, TLS on or off.
//!
//! Owns the order in which a client may ask for things before it says who it is: each state is a
//! type, and a packet that has no place in it has no transition. Does not judge what it asks for:
//! that TLS is required is said by the session, where it can still be said in PostgreSQL's words.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tracing::trace;

pub(crate) use self::error::StartupError;
pub(crate) use self::peer::Peer;
use self::request::{Packet, StartupParams, Version};
use self::tls::HandshakeSettings;
use crate::stream;
use crate::stream::tls::{Negotiated, ServerSide};
use crate::wire::cancel_key::CancelKey;
use crate::wire::{Wire, WireError};

mod error;
mod foreign;
#[cfg(test)]
mod fuzz;
mod peer;
pub(crate) mod proxy_protocol;
pub(crate) mod request;
pub(crate) mod tls;

/// Answers to SSLRequest and GSSENCRequest (PostgreSQL protocol, "SSL Session Encryption"): one
/// byte each.
const ACCEPTED: &[u8] = b"S";
const REFUSED: &[u8] = b"N";

/// The purpose of a new connection, by its first messages.
pub(crate) enum Accepted {
    /// A client asks for a session.
    Client(Client),
    /// A CancelRequest has come, in TLS or in clear. It is answered by closing.
    Cancel(Wire, CancelKey),
    /// A client asks for a version of the protocol that is not ours. It can read a refusal.
    Unsupported(Wire, Version),
}

/// A client that has sent its startup message.
pub(crate) struct Client {
    /// The connection to the client, ready for the next message.
    pub(crate) wire: Wire,
    /// The facts of the client's TLS. `None`: the client is in clear.
    pub(crate) tls: Option<TlsSession>,
    /// The client's address and VPC endpoint, as its socket or the balancer's PROXY header says.
    pub(crate) peer: Peer,
    /// The startup message's parameters.
    pub(crate) startup: StartupParams,
}

impl Client {
    /// The server name that the client asked for by TLS, in lower case.
    pub(crate) fn server_name(&self) -> Option<&str> {
        self.tls.as_ref()?.server_name.as_deref()
    }
}

/// The facts that a TLS handshake has told of a client.
pub(crate) struct TlsSession {
    /// The server name that the client asked for (SNI), in lower case.
    pub(crate) server_name: Option<String>,
    /// The version and the cipher that were agreed on.
    pub(crate) negotiated: Negotiated,
    /// The client's certificate, verified against `listen.tls.client_ca`.
    pub(crate) certificate: Option<CertificateDer<'static>>,
    /// Whether a CA that may be in the certificate's chain is held to some names, which a common
    /// name escapes.
    pub(crate) is_constrained: bool,
    /// Channel binding `tls-server-end-point` (RFC 5929 section 4.1): the hash of the certificate
    /// that the client was shown. `None`: there is none for its signature algorithm, or
    /// `listen.tls.channel_binding` is off.
    pub(crate) end_point: Option<Arc<[u8]>>,
}

/// Leads a client to its startup message. The caller sets the deadline. `on_spoken` is called once
/// the client has finished its TLS handshake, or has sent its startup message in clear.
///
/// # Errors
/// See [`StartupError`]; the connection is to be closed without words.
pub(crate) async fn accept(
    socket: TcpStream,
    peer: Peer,
    tls: &tls::ServerTls,
    on_spoken: impl FnOnce(),
) -> Result<Accepted, StartupError> {
    let mut first = [0];
    let is_direct = socket.peek(&mut first).await.map_err(WireError::Io)? == 1 && first == [tls::HANDSHAKE_RECORD];
    if is_direct {
        trace!("direct TLS");
        let settings = tls.settings().ok_or(StartupError::TlsDisabled)?;
        let encrypted = Bare { socket, peer, settings }
            .encrypt()
            .await?
            .require_alpn()?;
        on_spoken();
        encrypted.accepted().await
    } else {
        let mut clear =
            InClear { wire: Wire::new(stream::Io(socket)), peer, tls: tls.settings(), refused: Refused::Nothing };
        loop {
            match clear.next().await? {
                Step::Refused(again) => clear = again,
                Step::Upgrade(bare) => {
                    let encrypted = bare.encrypt().await?;
                    on_spoken();
                    return encrypted.accepted().await;
                }
                Step::Accepted(accepted) => {
                    on_spoken();
                    return Ok(accepted);
                }
            }
        }
    }
}

/// A client in clear: anyone on the way can read and change what is said here.
struct InClear {
    wire: Wire<stream::Io<TcpStream>>,
    peer: Peer,
    /// The settings of the TLS handshake that the client may ask for. `None`: TLS is not offered.
    tls: Option<Arc<HandshakeSettings>>,
    refused: Refused,
}

/// The kinds of encryption that have been asked for in vain: neither may be asked for twice.
#[derive(Clone, Copy)]
enum Refused {
    Nothing,
    Gss,
    Tls,
    Both,
}

/// The state that a packet in clear leads to.
enum Step {
    Refused(InClear),
    Upgrade(Bare),
    Accepted(Accepted),
}

/// A socket on which TLS comes next: nothing was read ahead of it.
struct Bare {
    socket: TcpStream,
    peer: Peer,
    settings: Arc<HandshakeSettings>,
}

/// A client past its TLS handshake.
struct Encrypted {
    stream: Box<ServerSide>,
    peer: Peer,
    session: TlsSession,
}

impl InClear {
    /// Reads the next packet.
    async fn next(mut self) -> Result<Step, StartupError> {
        let packet = self
            .wire
            .startup_packet()
            .await
            .map_err(|error| match error {
                WireError::Length(length) if proxy_protocol::begins_with(length) => StartupError::ProxyHeader,
                WireError::Length(length) => foreign::sent(length).map_or(error.into(), StartupError::Foreign),
                WireError::Closed | WireError::Io(_) => error.into(),
            })?;
        match (Packet::parse(&packet)?, self.refused) {
            (Packet::SslRequest, Refused::Nothing) => self.upgrade(Refused::Tls).await,
            (Packet::SslRequest, Refused::Gss) => self.upgrade(Refused::Both).await,
            (Packet::GssEncRequest, Refused::Nothing) => self.refuse(Refused::Gss).await,
            (Packet::GssEncRequest, Refused::Tls) => self.refuse(Refused::Both).await,
            (Packet::SslRequest, Refused::Tls | Refused::Both)
            | (Packet::GssEncRequest, Refused::Gss | Refused::Both) => Err(StartupError::AskedTwice),
            (Packet::Cancel(key), _) => Ok(Step::Accepted(Accepted::Cancel(self.wire.boxed(), key))),
            (Packet::Startup(startup), _) => {
                let Self { wire, peer, .. } = self;
                Ok(Step::Accepted(Accepted::Client(Client { wire: wire.boxed(), tls: None, peer, startup })))
            }
            (Packet::Unsupported(version), _) => Ok(Step::Accepted(Accepted::Unsupported(self.wire.boxed(), version))),
        }
    }

    /// Accepts an SSLRequest if there is TLS here. `otherwise`: what has been refused if not.
    async fn upgrade(mut self, otherwise: Refused) -> Result<Step, StartupError> {
        trace!(offered = self.tls.is_some(), "SSLRequest");
        let Some(settings) = self.tls.take() else { return self.refuse(otherwise).await };
        self.answer(ACCEPTED).await?;
        // Nothing is left in the buffer: checked ahead of the answer, and nothing was read since.
        let (stream::Io(socket), _) = self.wire.into_parts();
        Ok(Step::Upgrade(Bare { socket, peer: self.peer, settings }))
    }

    /// Answers a request for encryption with no.
    async fn refuse(mut self, refused: Refused) -> Result<Step, StartupError> {
        trace!("encryption refused");
        self.answer(REFUSED).await?;
        Ok(Step::Refused(Self { refused, ..self }))
    }

    /// Answers a request for encryption. Its client must have waited for the answer.
    async fn answer(&mut self, answer: &[u8]) -> Result<(), StartupError> {
        if self.wire.has_more() {
            return Err(StartupError::PlaintextBehindRequest);
        }
        Ok(self.wire.send_bytes(answer).await?)
    }
}

impl Bare {
    /// Completes the TLS handshake.
    async fn encrypt(self) -> Result<Encrypted, StartupError> {
        let Self { socket, peer, settings } = self;
        let stream::tls::AcceptedClient { stream, server_name } = stream::tls::accept(socket, &settings.config)
            .await
            .map_err(StartupError::of_handshake)?;
        let session = TlsSession {
            server_name,
            negotiated: stream.negotiated(),
            certificate: stream
                .client_certificates()
                .first()
                .cloned()
                .map(CertificateDer::into_owned),
            is_constrained: settings.is_constrained(stream.client_certificates()),
            end_point: settings.end_point.clone(),
        };
        Ok(Encrypted { stream, peer, session })
    }
}

impl Encrypted {
    /// Checks that the handshake has agreed on PostgreSQL's ALPN name, as direct TLS must. (A
    /// client that offers other names only has failed in the handshake.)
    fn require_alpn(self) -> Result<Self, StartupError> {
        if self.stream.alpn_protocol() == Some(tls::ALPN) { Ok(self) } else { Err(StartupError::Alpn) }
    }

    /// Reads the first packet in TLS, where only a startup message or a cancel request makes sense.
    async fn accepted(self) -> Result<Accepted, StartupError> {
        let Self { stream, peer, session } = self;
        let mut wire: Wire = Wire::new(stream);
        match Packet::parse(&wire.startup_packet().await?)? {
            Packet::Startup(startup) => Ok(Accepted::Client(Client { wire, tls: Some(session), peer, startup })),
            Packet::Cancel(key) => Ok(Accepted::Cancel(wire, key)),
            Packet::Unsupported(version) => Ok(Accepted::Unsupported(wire, version)),
            Packet::SslRequest | Packet::GssEncRequest => Err(StartupError::AskedTwice),
        }
    }
}
