//! The HTTP side: connections and their limits. What a request is answered is decided in `dispatch`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::call::Call;
use super::dispatch::Ended;
use super::faults::Faults;
use super::journal::Journal;
use super::refusal::Refusal;
use super::reply::request_id;
use super::service::Service;
use super::world::World;

/// The largest request body that is read. AWS's limits for these services are lower.
const MAX_BODY_BYTES: usize = 1 << 20;

/// The most header fields a request may have; more are answered with 431.
const MAX_HEADERS: usize = 100;

/// The largest request head. A session token is 1 to 2 KiB of it.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Before accepting again when that failed, which it does while the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What all connections share.
pub(super) struct Server {
    pub(super) world: World,
    pub(super) faults: Faults,
    pub(super) journal: Journal,
}

/// Tells hyper to close the connection.
#[derive(Debug, thiserror::Error)]
#[error("closed to order")]
struct Closed;

impl Server {
    /// Serves until the future is dropped, which also ends the connections.
    pub(super) async fn run(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((socket, peer)) => {
                        connections.spawn(Arc::clone(&self).connection(socket, peer));
                    }
                    Err(error) => {
                        warn!(%error, "cannot accept");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn connection(self: Arc<Self>, socket: TcpStream, peer: SocketAddr) {
        if let Err(error) = socket.set_nodelay(true) {
            debug!(%peer, %error, "no TCP_NODELAY");
        }
        let service = service_fn(|request| self.respond(request));
        let served = http1::Builder::new()
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(socket), service)
            .await;
        if let Err(error) = served {
            debug!(%peer, %error, "connection ended");
        }
    }

    async fn respond(&self, request: hyper::Request<Incoming>) -> Result<Response<Full<Bytes>>, Closed> {
        let id = request_id();
        let (head, body) = request.into_parts();
        let body = match Limited::new(body, MAX_BODY_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                let refusal = Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", "");
                return Ok(refusal.reply(Service::of(&head.headers, ""), &id).into_response(&id, self.world.now()));
            }
            Err(_) => return Err(Closed), // the client went away
        };
        let call = Call::read(&head.headers, head.uri.query().unwrap_or_default(), &body);
        let reply = match self.answer(&head, &body, &call, &id).await {
            Ok(reply) => reply,
            Err(Ended::Refused(refusal)) => refusal.reply(call.service, &id),
            Err(Ended::Closed) => return Err(Closed),
        };
        debug!(operation = call.name, status = reply.status.as_u16(), code = reply.error_type, "answered");
        Ok(reply.into_response(&id, self.world.now()))
    }
}

/// Binds the listener.
///
/// # Errors
/// `InvalidInput` if the address is not a loopback one; otherwise what binding says.
pub(super) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    if !address.ip().is_loopback() {
        let message = format!("{address} is not a loopback address");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    TcpListener::bind(address).await
}
