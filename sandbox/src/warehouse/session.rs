//! One connection from top to bottom: TLS, startup, the password dialogue, a session of
//! PostgreSQL's, the relay.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

use super::auth::{Dialogue, Failure};
use super::backend::{self, Backend};
use super::orders::{Fate, Orders};
use super::refusal::Refusal;
use super::rules::{self, Request};
use super::tally::{Cancel, Tally};
use super::{Statements, greeting, relay};
use crate::logins::Logins;
use crate::postgres::Postgres;
use crate::wire::{self, Packet};

/// The only version there is: 3.0. An 8.0 server refuses later minors instead of negotiating.
const VERSION: u32 = 0x0003_0000;

/// How long a refused client may take to hang up.
const LINGER: Duration = Duration::from_secs(2);

/// The state that all sessions of a warehouse share. It does not keep PostgreSQL alive.
pub(super) struct Shared {
    pub(super) postgres: Weak<Postgres>,
    pub(super) socket: PathBuf,
    pub(super) logins: Arc<Logins>,
    pub(super) statements: Statements,
    pub(super) orders: Mutex<Orders>,
    pub(super) tally: Tally,
    pub(super) awake: watch::Sender<bool>,
    pub(super) hang_up: watch::Sender<()>,
}

impl Shared {
    pub(super) fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves one connection to its end. Errors are the peer's: it went, or spoke nonsense.
    pub(super) async fn serve(self: Arc<Self>, mut socket: TcpStream, peer: SocketAddr) -> io::Result<()> {
        let mut stream = loop {
            match wire::read_packet(&mut socket).await? {
                Packet::GssEnc => socket.write_all(b"N").await?,
                Packet::Ssl if self.orders().refuse_tls => socket.write_all(b"N").await?,
                Packet::Ssl => {
                    let forged = self.orders().forged.clone().unwrap_or_default();
                    socket
                        .write_all(&[b"S", forged.as_slice()].concat())
                        .await?;
                    let acceptor = self.orders().acceptor.clone();
                    break acceptor.accept(socket).await?;
                }
                Packet::Cancel { pid, key } => return self.cancel(pid, key, false).await,
                Packet::Startup { parameters, .. } => {
                    let Request { user, database, .. } = rules::sort(&parameters);
                    let refusal = Refusal::plaintext(&peer.ip().to_string(), &user, &database);
                    return refuse(socket, &refusal.encode()).await;
                }
            }
        };
        match wire::read_packet(&mut stream).await? {
            Packet::Cancel { pid, key } => {
                self.cancel(pid, key, true).await?;
                stream.shutdown().await
            }
            Packet::Startup { version, parameters } => {
                self.tally.started(parameters.clone());
                self.session(stream, version, &rules::sort(&parameters))
                    .await
            }
            Packet::Ssl | Packet::GssEnc => Err(wire::malformed("packet inside TLS")),
        }
    }

    async fn cancel(&self, pid: u32, key: u32, inside_tls: bool) -> io::Result<()> {
        self.tally.not_a_dial();
        // First, so that whoever sees its effect also finds it noted.
        self.tally.cancelled(Cancel { inside_tls, pid });
        let _ = self.awake.subscribe().wait_for(|awake| *awake).await;
        backend::cancel(&self.socket, pid, key).await
    }

    async fn session(&self, mut stream: TlsStream<TcpStream>, version: u32, request: &Request) -> io::Result<()> {
        let mut hang_up = self.hang_up.subscribe();
        match self.log_in(&mut stream, version, request).await {
            Ok(backend) => {
                tracing::info!(user = request.user, database = request.database, "session");
                tokio::select! {
                    ended = relay::run(stream, backend.stream, request.level, self.statements) => ended,
                    _ = hang_up.changed() => Ok(()),
                }
            }
            Err(Failure::Gone(error)) => Err(error),
            Err(Failure::Refused(error)) => refuse(stream, &error).await,
            Err(Failure::Reset) => stream.get_ref().0.set_zero_linger(),
        }
    }

    /// Serves a client from its startup message to ReadyForQuery.
    async fn log_in<S>(&self, stream: &mut S, version: u32, request: &Request) -> Result<Backend, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if version != VERSION {
            let (major, minor) = (version >> 16, version & 0xffff);
            let message = format!("unsupported frontend protocol {major}.{minor}: server supports 1.0 to 3.0");
            return Err(Refusal::protocol(message).into());
        }
        if request.user.is_empty() && !request.idp {
            return Err(Refusal::new("28000", "no PostgreSQL user name specified in startup packet").into());
        }
        let fate = self.orders().next_fate();
        if let Fate::Reset = fate {
            return Err(Failure::Reset);
        }
        if !request.protocol_options.is_empty() {
            stream
                .write_all(&wire::negotiate(&request.protocol_options))
                .await?;
            stream.flush().await?;
        }
        self.wake_up().await;
        if let Fate::Failed(refusal) = fate {
            return Err(refusal.into());
        }
        let knows_password = self.authenticate(stream, request).await?;
        if !knows_password || matches!(fate, Fate::Condemned) {
            tracing::info!(user = request.user, "login refused");
            return Err(Refusal::password(&request.user).into());
        }
        self.greet(stream, request).await
    }

    async fn wake_up(&self) {
        let delay = self.orders().wake_delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        // Errs only if the sender is gone, which is ours.
        let _ = self.awake.subscribe().wait_for(|awake| *awake).await;
    }

    async fn authenticate<S>(&self, stream: &mut S, request: &Request) -> Result<bool, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let how = self.orders().authentication;
        let passwords = || {
            self.logins
                .valid(&request.user)
                .into_iter()
                .map(|login| login.password)
                .collect()
        };
        let seen = || self.tally.answered();
        let dialogue = Dialogue { stream, user: &request.user, passwords: &passwords, seen: &seen };
        if request.idp { dialogue.token().await } else { dialogue.run(how).await }
    }

    /// AuthenticationOk, the parameter statuses, BackendKeyData and ReadyForQuery. As in
    /// PostgreSQL, settings are judged only now that the user is known.
    async fn greet<S: AsyncWrite + Unpin>(&self, stream: &mut S, request: &Request) -> Result<Backend, Failure> {
        stream.write_all(&wire::authentication(0, &[])).await?;
        let settings = request.settings.clone()?;
        let backend = self.open(request, &settings).await?;
        let mut greeting = greeting::encode(request, &settings, &backend.parameters, self.statements);
        greeting.extend_from_slice(&backend.rest);
        self.tally.logged_in();
        stream.write_all(&greeting).await?;
        stream.flush().await?;
        Ok(backend)
    }

    async fn open(&self, request: &Request, settings: &[(String, String)]) -> Result<Backend, Failure> {
        // `IAMA:adam:readers` logs in as `adam`. A login that has just been revoked is still the
        // user that it was.
        let login = self.logins.valid(&request.user).pop();
        let role = login.map_or_else(|| request.user.clone(), |login| login.role);
        let mut opened = backend::open(&self.socket, &role, request, settings).await;
        if let (Err(backend::Refused::NoRole), Some(postgres)) = (&opened, self.postgres.upgrade()) {
            // As Serverless does for a role's first login.
            postgres
                .ensure_role(&role)
                .await
                .map_err(io::Error::other)?;
            opened = backend::open(&self.socket, &role, request, settings).await;
        }
        opened.map_err(|refused| match refused {
            backend::Refused::Io(error) => Failure::Gone(error),
            backend::Refused::NoRole => Refusal::password(&request.user).into(),
            backend::Refused::Said(error) => Failure::Refused(error),
        })
    }
}

/// Says why, and closes so that it can be read: what the client still had under way is taken in
/// first, or the system would reset the connection and the words with it.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, error: &[u8]) -> io::Result<()> {
    stream.write_all(error).await?;
    stream.shutdown().await?;
    let drained = async {
        let mut bytes = [0; 1024];
        while stream.read(&mut bytes).await? > 0 {}
        Ok(())
    };
    tokio::time::timeout(LINGER, drained)
        .await
        .unwrap_or(Ok(()))
}
