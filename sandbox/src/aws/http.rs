//! HTTP/1.1 on loopback: connections and their limits. What a request is answered is its handler's
//! to say.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tracing::{debug, warn};

/// The most header fields a request may have; more are answered with 431.
const MAX_HEADERS: usize = 100;

/// The largest request head. A session token is 1 to 2 KiB of it.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Before accepting again when that failed, which it does while the process has no file descriptor
/// left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Tells hyper to close the connection.
#[derive(Debug, thiserror::Error)]
#[error("closed to order")]
pub(super) struct Closed;

/// A listener that serves. Dropping it ends it and its connections.
pub(super) struct Serving {
    pub(super) address: SocketAddr,
    task: AbortHandle,
}

impl Serving {
    /// Serves on the current tokio runtime, each request by `handle`.
    ///
    /// # Errors
    /// `InvalidInput` if the address is not a loopback one; otherwise what binding it says.
    pub(super) async fn start<H, F>(address: SocketAddr, handle: H) -> io::Result<Self>
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<Full<Bytes>>, Closed>> + Send + 'static,
    {
        if !address.ip().is_loopback() {
            let message = format!("{address} is not a loopback address");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, handle)).abort_handle();
        Ok(Self { address, task })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Accepts until the future is dropped, which also ends the connections.
async fn accept<H, F>(listener: TcpListener, handle: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Full<Bytes>>, Closed>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    connections.spawn(connection(socket, peer, handle.clone()));
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

async fn connection<H, F>(socket: TcpStream, peer: SocketAddr, handle: H)
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Result<Response<Full<Bytes>>, Closed>>,
{
    if let Err(error) = socket.set_nodelay(true) {
        debug!(%peer, %error, "no TCP_NODELAY");
    }
    let served = http1::Builder::new()
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(socket), service_fn(handle))
        .await;
    if let Err(error) = served {
        debug!(%peer, %error, "connection ended");
    }
}
