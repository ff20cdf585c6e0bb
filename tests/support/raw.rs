//! Clients that say exactly what a test wants said.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use redshift_sandbox::wire;
pub(crate) use redshift_sandbox::wire::message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::client_ca::Client;

pub(crate) const SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f];
pub(crate) const GSSENC_REQUEST: &[u8] = &[0, 0, 0, 8, 4, 0xd2, 0x16, 0x30];

/// A deadline for what should happen at once, generous for a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) async fn tcp(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

/// Connects from this address of the loopback network.
pub(crate) async fn tcp_from(from: impl Into<IpAddr>, port: u16) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    // Else the ports of one address are soon used up: closed ones are not free at once.
    socket.set_reuseaddr(true).unwrap();
    socket.bind((from.into(), 0).into()).unwrap();
    socket.connect(([127, 0, 0, 1], port).into()).await
}

pub(crate) fn tls_config(ca_pem: &str) -> ClientConfig {
    tls_config_as(ca_pem, None)
}

/// The TLS settings of a client that shows this certificate, or none.
pub(crate) fn tls_config_as(ca_pem: &str, client: Option<&Client>) -> ClientConfig {
    let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate(ca_pem)).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = config.with_root_certificates(roots);
    let Some(client) = client else { return config.with_no_client_auth() };
    let key = PrivateKeyDer::from_pem_slice(client.key_pem.as_bytes()).unwrap();
    config
        .with_client_auth_cert(vec![certificate(&client.cert_pem)], key)
        .unwrap()
}

pub(crate) async fn tls(port: u16, ca_pem: &str) -> TlsStream<TcpStream> {
    encrypt(tcp(port).await, tls_config(ca_pem)).await
}

/// The certificate that a client is shown, as DER.
pub(crate) async fn certificate(port: u16, ca_pem: &str) -> Vec<u8> {
    let stream = tls(port, ca_pem).await;
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// SSLRequest, `S`, handshake.
pub(crate) async fn encrypt(socket: TcpStream, config: ClientConfig) -> TlsStream<TcpStream> {
    try_encrypt(socket, config).await.unwrap()
}

/// Sends an SSLRequest and makes a handshake that may fail. In TLS 1.3 a client hears of its
/// certificate's refusal later.
pub(crate) async fn try_encrypt(mut socket: TcpStream, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    socket.write_all(SSL_REQUEST).await.unwrap();
    assert_eq!(socket.read_u8().await.unwrap(), b'S');
    handshake(socket, config).await
}

/// Like [`try_encrypt`], where the connection may be closed at any time.
pub(crate) async fn try_ask_for_tls(
    mut socket: TcpStream,
    config: ClientConfig,
) -> std::io::Result<TlsStream<TcpStream>> {
    socket.write_all(SSL_REQUEST).await?;
    assert_eq!(socket.read_u8().await?, b'S');
    handshake(socket, config).await
}

pub(crate) async fn handshake(socket: TcpStream, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from("localhost").unwrap(), socket)
        .await
}

/// A startup message of version 3.`minor`.
pub(crate) fn startup(minor: u16, pairs: &[(&str, &str)]) -> Vec<u8> {
    wire::startup(wire::PROTOCOL_3_0 + u32::from(minor), pairs.iter().copied())
}

/// A message's type byte and body.
pub(crate) type Message = (u8, Vec<u8>);

/// Reads one message, of any length.
pub(crate) async fn read_message(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Message> {
    let wire::Message { kind, body } = wire::read_message(stream, usize::MAX).await?;
    Ok((kind, body))
}

/// All that comes until the end, by close or reset; fails if there is no end soon.
pub(crate) async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    let mut chunk = [0; 4096];
    let read = async {
        while let Ok(read @ 1..) = stream.read(&mut chunk).await {
            all.extend(&chunk[..read]);
        }
    };
    tokio::time::timeout(SOON, read)
        .await
        .expect("the proxy closes the connection");
    all
}

pub(crate) async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
}

/// A connection, encrypted or not.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Whatever carries the bytes.
pub(crate) type Stream = Box<dyn Io>;

/// Connects in clear, or inside TLS by way of an SSLRequest.
pub(crate) async fn open(port: u16, ca_pem: Option<&str>) -> Stream {
    match ca_pem {
        Some(ca_pem) => Box::new(tls(port, ca_pem).await),
        None => Box::new(tcp(port).await),
    }
}

/// Sends this over a connection of its own, in clear, and waits for its end: for a CancelRequest,
/// which is answered by closing. libpq before 17 and AWS's drivers send theirs like this.
pub(crate) async fn send_and_wait(port: u16, bytes: &[u8]) {
    let mut socket = tcp(port).await;
    socket.write_all(bytes).await.unwrap();
    assert_eq!(until_closed(&mut socket).await, b"");
}

/// A CancelRequest with a key that no session has.
pub(crate) fn unknown_cancel_request() -> Vec<u8> {
    wire::cancel(1, u32::from_be_bytes(*b"abcd"))
}

/// Sends as much as is taken: the proxy may have closed before the end of it.
pub(crate) async fn say(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
}

/// The field of an ErrorResponse's body, by its code.
#[track_caller]
pub(crate) fn field(body: &[u8], code: u8) -> String {
    let field = body
        .split(|&byte| byte == 0)
        .find(|field| field.first() == Some(&code))
        .expect("the field");
    String::from_utf8(field[1..].to_vec()).unwrap()
}

/// The ClientHello of a TLS client, to be cut where a test likes.
pub(crate) fn client_hello(config: ClientConfig) -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}
