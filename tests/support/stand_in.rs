//! A warehouse for more sessions than PostgreSQL has processes: TLS, a login, and queries that are
//! answered with their own text.

use std::io::{ErrorKind, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use redshift_sandbox::wire::{self, Packet, parameter_status};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::World;
use super::raw::{message, read_message};
use super::session::{self, Session};
use super::warehouse::{agree, read_request, send};

/// The query whose result never ends.
pub(crate) const ENDLESS: &str = "select endlessly";

/// Rows of an endless result that are sent in one go.
const ROWS: usize = 64;

/// Bytes that the kernel holds for a session. Its own choice is megabytes, of which there is not
/// enough for hundreds.
const SEND_BUFFER: usize = 64 * 1024;

/// RowDescription's fields behind a column's name: no table, type text of any length, in text.
const TEXT: [u8; 18] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0];

/// A listening stand-in. Its sessions end with their clients.
pub(crate) struct StandIn {
    tally: Arc<Tally>,
    listener: AbortHandle,
}

#[derive(Default)]
struct Tally {
    /// Names a session to its client.
    logins: AtomicU32,
    sessions: AtomicUsize,
    endless: AtomicUsize,
    endless_bytes: AtomicU64,
}

/// One session that is counted in the tally, until it is dropped.
struct Counted(Arc<Tally>);

impl StandIn {
    /// Takes the place of the warehouse behind `sales`, with room for so many sessions.
    pub(crate) async fn replace(world: &mut World, max_sessions: usize) -> Self {
        let stand_in = Self::start(world, false).await;
        world.edit("[connections.sales]\n", &format!("[connections.sales]\nmax_sessions = {max_sessions}\n"));
        stand_in
    }

    /// Takes the place of the warehouse behind every connection.
    pub(crate) async fn replace_all(world: &mut World) -> Self {
        Self::start(world, true).await
    }

    async fn start(world: &mut World, all: bool) -> Self {
        let (listener, acceptor) = world.take_warehouse(all).await;
        let tally = Arc::new(Tally::default());
        let listening = tokio::spawn(listen(listener, acceptor, Arc::clone(&tally)));
        Self { tally, listener: listening.abort_handle() }
    }

    /// Logins so far.
    pub(crate) fn logins(&self) -> u32 {
        self.tally.logins.load(Ordering::Relaxed)
    }

    /// Sessions that are logged in.
    pub(crate) fn sessions(&self) -> usize {
        self.tally.sessions.load(Ordering::Relaxed)
    }

    /// Until so many sessions are logged in; fails after a minute.
    pub(crate) async fn wait_for_sessions(&self, wanted: usize) {
        super::until(&format!("{wanted} sessions"), || self.sessions(), |sessions| *sessions == wanted).await;
    }

    /// How many endless results there have been, and how many bytes of them were taken.
    pub(crate) fn endless(&self) -> (usize, u64) {
        (self.tally.endless.load(Ordering::Relaxed), self.tally.endless_bytes.load(Ordering::Relaxed))
    }
}

/// Asks the stand-in something, and gets the answer to that.
pub(crate) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(session: &mut Session<S>, n: usize) {
    let question = format!("select {n}");
    assert_eq!(session::query(&mut session.stream, &question).await, question);
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Counted {
    fn new(tally: &Arc<Tally>) -> Self {
        tally.sessions.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(tally))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn listen(listener: TcpListener, acceptor: TlsAcceptor, tally: Arc<Tally>) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let (acceptor, tally) = (acceptor.clone(), Arc::clone(&tally));
        tokio::spawn(async move {
            // Whoever leaves ends it, at whatever point.
            let _ = serve(socket, &acceptor, &tally).await;
        });
    }
}

/// SSLRequest, handshake, login, then queries until the client ends.
async fn serve(mut socket: TcpStream, acceptor: &TlsAcceptor, tally: &Arc<Tally>) -> Result<()> {
    socket.set_nodelay(true)?;
    SockRef::from(&socket).set_send_buffer_size(SEND_BUFFER)?;
    let request = read_request(&mut socket).await?;
    let mut stream = agree(socket, request, acceptor).await?;
    log_in(&mut stream, tally).await?;
    let _session = Counted::new(tally);
    send(&mut stream, &message(b'Z', b"I")).await?;
    while let (b'Q', sql) = read_message(&mut stream).await? {
        if sql.strip_suffix(b"\0") == Some(ENDLESS.as_bytes()) {
            answer_endlessly(&mut stream, tally).await?;
        }
        let column = message(b'T', &[&1u16.to_be_bytes()[..], b"sql\0", &TEXT].concat());
        let row = message(b'D', &row(sql.strip_suffix(b"\0").unwrap()));
        send(&mut stream, &[column, row, message(b'C', b"SELECT 1\0"), message(b'Z', b"I")].concat()).await?;
    }
    stream.shutdown().await
}

/// Takes any password. What follows AuthenticationOk, up to ReadyForQuery. An error for a
/// CancelRequest, which is answered by the end: whoever sends one gives its session up as well.
async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, tally: &Tally) -> Result<()> {
    if let Packet::Cancel { .. } = wire::read_packet(stream).await? {
        return Err(ErrorKind::ConnectionAborted.into());
    }
    send(stream, &message(b'R', &[0, 0, 0, 3])).await?;
    assert_eq!(read_message(stream).await?.0, b'p');
    let pid = tally.logins.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let (ok, key) = (message(b'R', &[0; 4]), message(b'K', &[pid, pid].concat()));
    let greeting =
        [ok, parameter_status("client_encoding", "UNICODE"), parameter_status("server_version", "8.0.2"), key];
    stream.write_all(&greeting.concat()).await
}

/// Rows until the client is gone.
async fn answer_endlessly<S: AsyncWrite + Unpin>(stream: &mut S, tally: &Tally) -> Result<()> {
    let rows = message(b'D', &row(&[b'x'; 1024])).repeat(ROWS);
    tally.endless.fetch_add(1, Ordering::Relaxed);
    loop {
        stream.write_all(&rows).await?;
        tally
            .endless_bytes
            .fetch_add(rows.len() as u64, Ordering::Relaxed);
    }
}

/// The body of a DataRow of one value.
fn row(value: &[u8]) -> Vec<u8> {
    let length = u32::try_from(value.len()).unwrap().to_be_bytes();
    [&1u16.to_be_bytes()[..], &length, value].concat()
}
