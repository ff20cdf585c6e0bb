//! One connection from top to bottom: read this first.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::{Instant, error::Elapsed, sleep, timeout, timeout_at};
use tracing::{Instrument, debug, debug_span};

pub(crate) use self::id::SessionId;
use self::log::Facts;
use crate::cancel::{CancelKeys, CancelTarget, Registered};
use crate::client_auth::{self, Accounts, AuthError, Principal};
use crate::config::{ConnId, ConnSpec};
use crate::credentials::cache::Logins;
use crate::credentials::{CredentialError, Order};
use crate::fault::{Fault, Kind};
use crate::handshakes::Handshake;
use crate::relay::{self, Legs, Stop};
use crate::slots::{Slot, SlotError, Slots};
use crate::spec::{self, SpecError, Specs};
use crate::startup::{self, Accepted, Client, StartupError, tls::ServerTls};
use crate::upstream::{OpenError, Route, UpstreamConn, UpstreamError, parameters};
use crate::wire::refusal::Refusal;

mod greeting;
mod id;
mod log;

/// How often a login that is cut off is dialled again, and the pause before, which doubles: a workgroup may be waking.
const REDIALS: u32 = 2;
const REDIAL_PAUSE: Duration = Duration::from_millis(250);

/// What every session shares.
pub(crate) struct Shared {
    pub(crate) tls: ServerTls,
    pub(crate) accounts: Accounts,
    pub(crate) specs: Specs,
    pub(crate) routes: std::collections::HashMap<ConnId, Arc<Route>>,
    pub(crate) logins: Arc<Logins>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) cancels: Arc<CancelKeys>,
    pub(crate) stop: Stop,
    pub(crate) startup_timeout: Duration,
    pub(crate) login_timeout: Duration,
}

/// Why a login came to nothing.
#[derive(Debug, Error)]
pub(crate) enum SessionError {
    #[error(transparent)]
    Startup(#[from] StartupError),
    #[error("not logged in within the startup timeout")]
    StartupTimeout(#[source] Elapsed),
    #[error("the client asked for protocol {0}.{1}")]
    Version(u16, u16),
    #[error("too many clients that were not logged in yet (limits.max_handshakes)")]
    CrowdedOut,
    #[error("the client named no user")]
    UserMissing,
    #[error("the client did not ask for TLS")]
    TlsRequired,
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(transparent)]
    Slot(#[from] SlotError),
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("connection {conn_id}: not ready within the login timeout")]
    LoginTimeout { conn_id: String, source: Elapsed },
    #[error("the client is gone")]
    ClientGone(#[source] crate::wire::WireError),
    #[error("the proxy is shutting down")]
    ShuttingDown,
    #[error("no randomness for a cancel key")]
    Randomness,
}

/// What is given back when the session ends, on whatever path.
struct Held {
    _cancel: Option<Registered>,
    _slot: Slot,
}

/// Serves one client from accept to close. `handshake` is its place among those not yet authenticated.
pub(crate) async fn run(shared: Arc<Shared>, socket: TcpStream, peer: SocketAddr, handshake: Handshake) {
    let id = SessionId::random();
    // Joins the debug lines of one session; its events carry the id themselves.
    let span = debug_span!("session", id = id.as_str());
    serve(&shared, socket, peer, id, handshake).instrument(span).await;
}

async fn serve(shared: &Shared, socket: TcpStream, peer: SocketAddr, id: SessionId, handshake: Handshake) {
    let mut facts = Facts::new(id, peer);
    let deadline = Instant::now() + shared.startup_timeout;
    let mut client = match startup_by(shared, deadline, &handshake, startup::accept(socket, &shared.tls)).await {
        Ok(Accepted::Client(client)) => client,
        Ok(Accepted::Cancel(mut wire, key)) => {
            let outcome = shared.cancels.forward(peer.ip(), &key).await;
            log::cancelled(&facts, key.pid, &outcome);
            // libpq 17 reports a failure unless TLS ends with close_notify.
            let _ = wire.close().await;
            return;
        }
        // It may not speak PostgreSQL at all: no words.
        Err(error) => return facts.refused(&error),
    };
    // From here the client speaks our protocol, so it is owed one reason for a refusal, told in this one place.
    let opened = match startup_by(shared, deadline, &handshake, admit(shared, &mut client, &mut facts)).await {
        Ok(admitted) => {
            drop(handshake);
            open(shared, &mut client, admitted, &mut facts).await
        }
        Err(error) => Err(error),
    };
    let (upstream, held) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            facts.refused(&error);
            return refuse(client, &error, id).await;
        }
    };
    facts.started(&upstream);
    let legs = Legs { client: client.wire.into_parts(), upstream: upstream.into_parts() };
    let relayed = relay::run(legs, &shared.stop, |word| word.encode(id)).await;
    drop(held);
    facts.ended(&relayed);
}

/// Who asks, and for what: everything that is decided before AuthenticationOk.
async fn admit(shared: &Shared, client: &mut Client, facts: &mut Facts) -> Result<Admitted, SessionError> {
    let startup = &client.startup;
    if startup.major != 3 {
        return Err(SessionError::Version(startup.major, startup.minor));
    }
    if shared.tls.required && !client.encrypted {
        return Err(SessionError::TlsRequired);
    }
    let user = startup.user().ok_or(SessionError::UserMissing)?.to_owned();
    facts.asked(&user, startup);
    if let Some(negotiate) = greeting::negotiate(startup) {
        client.wire.send_bytes(&negotiate).await.map_err(SessionError::ClientGone)?;
    }
    let principal = client_auth::verify(client, &shared.accounts, &user).await?;
    facts.proven(&principal);
    let spec = shared.specs.permitted(&principal, client.startup.database())?;
    facts.opens(spec.id.as_str());
    let slot = shared.slots.take(&spec)?;
    spec::enabled(&spec)?;
    Ok(Admitted { principal, spec, slot })
}

/// A client that may open a connection, with its place.
struct Admitted {
    principal: Principal,
    spec: Arc<ConnSpec>,
    slot: Slot,
}

/// AuthenticationOk to ReadyForQuery: which login, over which connection.
async fn open(
    shared: &Shared,
    client: &mut Client,
    admitted: Admitted,
    facts: &mut Facts,
) -> Result<(UpstreamConn, Held), SessionError> {
    let Admitted { principal, spec, slot } = admitted;
    client.wire.send_bytes(greeting::AUTHENTICATION_OK).await.map_err(SessionError::ClientGone)?;
    let conn_id = spec.id.as_str();
    debug!(user = principal.user.as_str(), conn_id, "opening");
    let route = shared.routes.get(&spec.id).ok_or_else(|| SpecError::Disabled(conn_id.to_owned()))?;
    let parameters = parameters::pass_on(&client.startup);
    let mut upstream = tokio::select! {
        connected = connect(shared, route, &spec, &parameters, facts) => connected?,
        () = shared.stop.when_idle.cancelled() => return Err(SessionError::ShuttingDown),
    };
    let cancel = match upstream.key.take() {
        Some(key) => {
            let target = CancelTarget { route: Arc::clone(route), address: upstream.address, key };
            Some(shared.cancels.register(target).ok_or(SessionError::Randomness)?)
        }
        None => None,
    };
    let greeting = greeting::greeting(&upstream, cancel.as_ref().map(Registered::key));
    client.wire.send_bytes(&greeting).await.map_err(SessionError::ClientGone)?;
    Ok((upstream, Held { _cancel: cancel, _slot: slot }))
}

/// Credential and dial; one fresh login if the warehouse refuses a cached one. A credential has a deadline of its own;
/// that of the login begins with the first dial.
async fn connect(
    shared: &Shared,
    route: &Route,
    spec: &ConnSpec,
    parameters: &[(String, String)],
    facts: &mut Facts,
) -> Result<UpstreamConn, SessionError> {
    let order = Order::new(spec);
    let conn_id = || spec.id.as_str().to_owned();
    let mut first_dial = None;
    loop {
        let login = shared.logins.get(&order).await.map_err(|source| CredentialError { conn_id: conn_id(), source })?;
        facts.logs_in_as(&login.user);
        let is_retry = first_dial.is_some();
        let deadline = *first_dial.get_or_insert_with(Instant::now) + shared.login_timeout;
        let dialled = timeout_at(deadline, dial(route, &login, &spec.database, parameters)).await;
        match dialled.map_err(|source| SessionError::LoginTimeout { conn_id: conn_id(), source })? {
            Err(error) if error.is_login_refused() && !is_retry => {
                debug!(error = crate::fault::chain(&error).as_str(), "a login was refused: fetching another one");
                shared.logins.forget(&order, &login);
            }
            outcome => return outcome.map_err(|source| OpenError { conn_id: conn_id(), source }.into()),
        }
    }
}

/// One login, dialled again where the warehouse cuts it off.
async fn dial(
    route: &Route,
    login: &crate::credentials::DbLogin,
    database: &str,
    parameters: &[(String, String)],
) -> Result<UpstreamConn, UpstreamError> {
    let mut pause = REDIAL_PAUSE;
    for _ in 0..REDIALS {
        match route.open(login, database, parameters).await {
            Err(error) if error.is_reset() => {
                debug!(error = crate::fault::chain(&error).as_str(), "cut off during login: dialling again");
            }
            outcome => return outcome,
        }
        sleep(pause).await;
        pause *= 2;
    }
    route.open(login, database, parameters).await
}

/// Bounds a step of a client that is not yet authenticated: by its deadline, and by making room for others.
async fn startup_by<T, E: Into<SessionError>>(
    shared: &Shared,
    deadline: Instant,
    handshake: &Handshake,
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, SessionError> {
    tokio::select! {
        outcome = timeout_at(deadline, step) => match outcome {
            Ok(outcome) => outcome.map_err(Into::into),
            Err(elapsed) => Err(SessionError::StartupTimeout(elapsed)),
        },
        () = handshake.given_up() => Err(SessionError::CrowdedOut),
        () = shared.stop.when_idle.cancelled() => Err(SessionError::ShuttingDown),
    }
}

/// Tells the client the one reason, as long as it takes it. Best effort: it may be gone.
async fn refuse(mut client: Client, error: &SessionError, id: SessionId) {
    let words: Option<BytesMut> = match error {
        SessionError::Open(OpenError { source: UpstreamError::Refused(error), .. }) => error.as_sent().cloned(),
        _ => error.refusal().map(|refusal: Refusal| refusal.encode(id)),
    };
    let told = async {
        if let Some(words) = words {
            client.wire.send_bytes(&words).await?;
        }
        client.wire.close().await?;
        // Unread bytes would turn our close into a reset, and the reset could overtake our words.
        client.wire.drain().await
    };
    let _ = timeout(LAST_WORDS, told).await;
}

/// How long a refused client may take to read why.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Fault for SessionError {
    fn kind(&self) -> Kind {
        match self {
            Self::Startup(_)
            | Self::StartupTimeout(_)
            | Self::CrowdedOut
            | Self::Version(..)
            | Self::UserMissing
            | Self::TlsRequired
            | Self::ClientGone(_)
            | Self::ShuttingDown => Kind::Client,
            Self::Auth(error) => error.kind(),
            Self::Spec(error) => error.kind(),
            Self::Slot(error) => error.kind(),
            Self::Credential(error) => error.kind(),
            Self::Open(error) => error.kind(),
            Self::LoginTimeout { .. } => Kind::Unavailable,
            Self::Randomness => Kind::Internal,
        }
    }

    fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Startup(_) | Self::StartupTimeout(_) | Self::CrowdedOut | Self::ClientGone(_) => None,
            Self::Version(major, minor) => Some(Refusal::unsupported_protocol(*major, *minor)),
            Self::UserMissing => Some(Refusal::user_missing()),
            Self::TlsRequired => Some(Refusal::tls_required()),
            Self::Auth(error) => error.refusal(),
            Self::Spec(error) => error.refusal(),
            Self::Slot(error) => error.refusal(),
            Self::Credential(error) => error.refusal(),
            Self::Open(error) => error.refusal(),
            Self::LoginTimeout { conn_id, .. } => Some(Refusal::not_now(conn_id)),
            Self::ShuttingDown => Some(Refusal::shutting_down()),
            Self::Randomness => Some(Refusal::internal()),
        }
    }
}
