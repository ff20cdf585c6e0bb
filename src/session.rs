//! One connection from top to bottom: read this first.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::{Instrument, debug_span};

use self::cancels::{cancel, cancel_abandoned};
use self::connect::connect;
pub(crate) use self::error::SessionError;
use self::event::Event;
pub use self::facts::{Facts, Stage};
pub(crate) use self::live::Live;
use self::login::Login;
pub(crate) use self::registry::{Session, SessionEntry, Sessions};
use self::revoked::may_use_console;
pub(crate) use self::shared::Shared;
use self::stalled::Stalled;
pub use self::timings::{LoginStage, Timings};
use self::unproven::Unproven;
use self::waiting::{attended, notice};
use crate::cancel::{CancelTarget, Registered};
use crate::client_auth::{self, AuthError, Principal};
use crate::config::{ConnId, ConnSpec, Holder};
use crate::console::Console;
use crate::limits::bans::Outcome;
use crate::limits::caps::{ConsolePermit, ConsoleUser, SessionPermit};
use crate::limits::handshakes::HandshakePermit;
use crate::operations::{Rights, SharedOperations};
use crate::relay::{self, Legs};
use crate::session_id::SessionId;
use crate::spec::{self, Named};
use crate::startup::request::{SentUser, Version};
use crate::startup::{self, Accepted, Client, Peer, proxy_protocol};
use crate::stop::Phase;
use crate::upstream::parameters::{self, Passed};
use crate::upstream::{Asker, UpstreamConn};
use crate::wire::Wire;

mod cancels;
mod connect;
mod error;
mod errors;
mod event;
mod facts;
mod failure;
mod greeting;
mod live;
mod log;
mod login;
mod metrics;
mod outcomes;
mod registry;
pub(crate) mod revoked;
mod shared;
mod stalled;
mod timings;
mod unproven;
mod waiting;

/// A connection that has just been accepted.
pub(crate) struct Arrival {
    /// The socket as accepted; no byte has been read from it. A worker registers it with its own
    /// reactor.
    pub(crate) socket: std::net::TcpStream,
    /// The address of the socket; behind a load balancer that is not the client's.
    pub(crate) address: SocketAddr,
    /// The connection that has this port to itself. `None`: the port is open to all connections.
    pub(crate) port_of: Option<Arc<ConnId>>,
    /// What the client may ask and do, if it comes for the console.
    pub(crate) operations: SharedOperations,
    /// The configuration of now, whenever that is.
    pub(crate) current: Arc<ArcSwap<Live>>,
    /// The permit that the client needs until it is logged in.
    pub(crate) handshake: HandshakePermit,
}

/// A client that has proved who it is, with what it may open and its place there.
enum Admitted {
    /// A connection to a warehouse, under the caps.
    Warehouse { principal: Principal, spec: Arc<ConnSpec>, permit: SessionPermit },
    /// The console, for an operator of this name.
    Console { user: String, permit: ConsolePermit },
}

/// A session that is ready for queries.
enum Ready {
    Warehouse { legs: Legs, held: Held },
    Console { console: Box<Console>, permit: ConsolePermit },
}

/// The things that a session gives back by drop when it ends, on whatever path.
struct Held {
    cancel: Option<Registered>,
    permit: SessionPermit,
}

/// Serves one client from accept to close. `live` is the configuration at its arrival, which is
/// boxed since an async function keeps its arguments, and sessions are to be small.
pub(crate) async fn run(shared: Arc<Shared>, live: Arc<Live>, session: Session, arrival: Box<Arrival>) {
    // Joins the debug lines of one session; its events carry the id themselves.
    let span = debug_span!("session", id = session.id().as_str());
    let served = AssertUnwindSafe(serve(&shared, live, &session, arrival))
        .catch_unwind()
        .instrument(span);
    if served.await.is_err() {
        session.happened(&Event::Panicked);
    }
}

/// Logs the client in and relays, or serves the console. Of the configuration, only the relay's
/// limits are kept so long.
async fn serve(shared: &Shared, live: Arc<Live>, session: &Session, arrival: Box<Arrival>) {
    let limits = Arc::clone(&live.relay);
    // Boxed, since a session spends its life in the relay and is not to carry the room for a login
    // through it.
    let (legs, held) = match Box::pin(log_in(shared, live, session, arrival)).await {
        Some(Ready::Warehouse { legs, held }) => (legs, held),
        Some(Ready::Console { console, permit }) => {
            let served = Box::pin(console.run((session.stop(), session.meter()), &limits, session.id())).await;
            drop(permit);
            return session.happened(&Event::Ended(&served));
        }
        None => return,
    };
    let Held { cancel, permit } = held;
    // The session's place is another's as soon as the relay is over: the warehouse may keep the
    // cancel waiting, and the client the last word.
    let over = |is_abandoned: bool| {
        drop(permit);
        is_abandoned.then(|| cancel_abandoned(cancel.as_ref(), session))
    };
    let watched = (session.stop(), session.meter());
    let relayed = relay::run(legs, watched, &limits, |word| word.encode(session.id()), over).await;
    drop(cancel);
    session.happened(&Event::Ended(&relayed));
}

/// From accept to ReadyForQuery. `None`: the client was refused, or sent a cancel request, and has
/// been dealt with.
async fn log_in(shared: &Shared, live: Arc<Live>, session: &Session, arrival: Box<Arrival>) -> Option<Ready> {
    let Arrival { socket, address, port_of, operations, current, handshake } = *arrival;
    let login = Login { shared, live: &live, current: &current, session, operations: &operations };
    let socket = match TcpStream::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => {
            session.happened(&Event::Lost(&error));
            return None;
        }
    };
    let unproven = Unproven::new(handshake, live.startup_timeout);
    let accepted = login.accept(socket, address, &unproven);
    let mut client = match login.unless_silent(accepted).await {
        Ok(Accepted::Client(client)) => client,
        Ok(Accepted::Cancel(wire, key)) => {
            drop(unproven); // no cap counts a cancel request
            cancel(&login, wire, &key).await;
            return None;
        }
        Ok(Accepted::Unsupported(wire, Version { major, minor })) => {
            let error = SessionError::Version(major, minor);
            session.happened(&Event::Refused(&error));
            refuse(wire, &error, session.id(), Some(unproven)).await;
            return None;
        }
        // It may not speak PostgreSQL at all: it is not told why.
        Err(error) => {
            session.happened(&Event::Refused(&error));
            return None;
        }
    };
    // From here the client speaks our protocol, so it is owed one reason for a refusal, told in
    // this one place.
    let port_of = port_of.as_deref();
    let phase = if login.is_for_console(&client, port_of) {
        // A drain still lets operators in. Anybody can name the console, so it does not wait for
        // those who do.
        session.set_awaited_by_drain(false);
        Phase::ConsolesToo
    } else {
        Phase::WhenIdle
    };
    let stalled = || if session.facts().is_proven { Stalled::LookUp } else { Stalled::Proof };
    let admitted = unproven.within(stalled, login.admit(&mut client, port_of));
    let opened = match login.unless_ended(phase, admitted).await {
        Ok(Admitted::Console { user, permit }) => {
            session.happened(&Event::ConsoleOpened);
            login.judge_again();
            let (address, tables) = (client.peer.address.ip(), Arc::clone(&shared.tables));
            let console = Console::new(client.wire, &user, address, Arc::clone(&operations), tables);
            return Some(Ready::Console { console: Box::new(console), permit });
        }
        Ok(Admitted::Warehouse { principal, spec, permit }) => {
            drop(unproven);
            session.set_awaited_by_drain(true);
            login.judge_again();
            login
                .open(&mut client, &principal, &spec, permit)
                .await
                .map_err(|error| (error, None))
        }
        // The client still holds its permit while it is refused, and may lose it to another.
        Err(error) => Err((error, Some(unproven))),
    };
    match opened {
        Ok((upstream, held)) => {
            session.happened(&Event::Started(&upstream));
            let legs = Legs { client: client.wire.into_parts(), upstream: upstream.into_parts() };
            Some(Ready::Warehouse { legs, held })
        }
        Err((error, unproven)) => {
            session.happened(&Event::Refused(&error));
            refuse(client.wire, &error, session.id(), unproven).await;
            None
        }
    }
}

impl Login<'_> {
    /// Finds out where the client is, leads it through TLS, and reads its first message.
    async fn accept(
        &self,
        mut socket: TcpStream,
        address: SocketAddr,
        unproven: &Unproven,
    ) -> Result<Accepted, SessionError> {
        let named = proxy_protocol::read_header(&mut socket, address, &self.live.balancers);
        let peer = unproven
            .within(|| Stalled::Header, named)
            .await?
            .unwrap_or_else(|| Peer::at(address));
        self.session
            .happened(&Event::Located { address: peer.address, vpc_endpoint: peer.vpc_endpoint.as_deref() });
        unproven.moved(peer.address.ip(), &self.live.limits);
        let spoken = AtomicBool::new(false);
        let has_spoken = || {
            spoken.store(true, Ordering::Relaxed);
            unproven.has_spoken();
        };
        let stalled = || if spoken.load(Ordering::Relaxed) { Stalled::Startup } else { Stalled::Tls };
        unproven
            .within(stalled, startup::accept(socket, peer, &self.live.tls, has_spoken))
            .await
    }

    /// Lets the client prove who it is, and finds the connection that it means and may open:
    /// everything up to AuthenticationOk, which the console says itself. `port_of` is the
    /// connection that has the port to itself.
    async fn admit(&self, client: &mut Client, port_of: Option<&ConnId>) -> Result<Admitted, SessionError> {
        let Self { shared, live, session, operations, .. } = self;
        let startup = &client.startup;
        let user = startup.user().ok_or(SessionError::UserMissing)?;
        let known_as = live.accounts.known_as(user.name());
        let tls = client.tls.as_ref().map(|tls| tls.negotiated);
        session.happened(&Event::Asked { known_as: &known_as, startup, tls });
        if live.tls.required && client.tls.is_none() {
            return Err(SessionError::TlsRequired);
        }
        if let Some(negotiate) = greeting::negotiate(startup) {
            client
                .wire
                .send_bytes(&negotiate)
                .await
                .map_err(SessionError::ClientGone)?;
        }
        let principal = self.prove(client, &user, &known_as).await?;
        let has_own_entry = matches!(principal.holder, Holder::Own(_));
        session.happened(&Event::Proved { user: &principal.user, has_own_entry });
        metrics::proved(&shared.metrics, principal.verifier_index);
        if parameters::asks_for_replication(&client.startup) {
            return Err(SessionError::Replication);
        }
        let asked = live
            .specs
            .asked(port_of, client.server_name(), user.conn_id(), client.startup.database());
        // Whoever may not use the console is answered as for any other name. The proof counts by
        // the configuration that it was asked for by: a right that came with another is not its.
        if asked.name() == ConnId::CONSOLE
            && may_use_console(live, &session.facts())
            && let Some(rights) = operations.console_rights(&principal.user, client.peer.address.ip())
        {
            let kind = match rights {
                Rights::All => ConsoleUser::Admin,
                Rights::Show => ConsoleUser::Stats,
            };
            let permit = shared.caps.acquire_console(kind, &principal.user)?;
            return Ok(Admitted::Console { user: principal.user, permit });
        }
        if let Some(order) = session.stop().order() {
            return Err(order.into());
        }
        let max_of_user = principal.holder.rights().max_sessions;
        let spec = match live.specs.named(&principal, asked)? {
            Named::Known(spec) => spec,
            Named::InTable(look_up) => {
                // Without room for a session, whatever the spec says, nothing is looked up.
                shared
                    .caps
                    .check_user(&principal.user, max_of_user, live.limits.max_sessions)?;
                live.specs.look_up(&principal, look_up).await?
            }
        };
        session.happened(&Event::Permitted(&spec.id));
        let permit = shared
            .caps
            .acquire(&spec, &principal.user, max_of_user, live.limits.max_sessions)?;
        spec::check_enabled(&spec)?;
        shared.disabled.check(&spec.id)?;
        // Not before: of lava's table, there is room for the metrics of some connections only.
        session
            .meter()
            .add_to(Arc::clone(&metrics::of_spec(&shared.metrics, &spec).bytes));
        client
            .wire
            .send_bytes(greeting::AUTHENTICATION_OK)
            .await
            .map_err(SessionError::ClientGone)?;
        session.happened(&Event::Admitted);
        Ok(Admitted::Warehouse { principal, spec, permit })
    }

    /// Lets the client prove that it is `user`, unless it has guessed too often, and checks that
    /// the user may come from there. `known_as` is the name that a ban is listed under.
    async fn prove(&self, client: &mut Client, user: &SentUser, known_as: &str) -> Result<Principal, SessionError> {
        let accounts = &self.live.accounts;
        let address = client.peer.address.ip();
        let counted_as = accounts.counted_as(user.name(), known_as);
        let attempt = self
            .shared
            .bans
            .start_attempt(&self.live.limits.bans, address, &counted_as)?;
        let verified = client_auth::verify(client, accounts, user, &attempt).await;
        attempt.finish(match &verified {
            Ok(_) => Outcome::Right,
            Err(AuthError::Failed { is_guess: true, .. }) => Outcome::Wrong,
            Err(_) => Outcome::Uncounted,
        })?;
        let principal = verified?;
        let is_there = principal
            .holder
            .rights()
            .may_come_from(address, client.peer.vpc_endpoint.as_deref());
        if is_there { Ok(principal) } else { Err(SessionError::Address(client.peer.vpc_endpoint.clone())) }
    }

    /// Gets a database login, opens a session at the warehouse with it, and tells the client that
    /// it is ready: everything from AuthenticationOk to ReadyForQuery.
    async fn open(
        &self,
        client: &mut Client,
        principal: &Principal,
        spec: &ConnSpec,
        permit: SessionPermit,
    ) -> Result<(UpstreamConn, Held), SessionError> {
        let Self { shared, live, session, .. } = self;
        let conn_id = spec.id.as_str();
        let (client_addr, session_id) = (session.client_addr(), session.id());
        let asker = Asker { user: &principal.user, conn_id, client_addr, session_id };
        let Passed { parameters, missing_timeouts } = parameters::pass_on(&client.startup, spec, &asker);
        let connecting = connect(self, spec, principal, &parameters);
        let notice = || notice(session.stage(), conn_id);
        let connecting = attended(&mut client.wire, live.startup_timeout, notice, connecting);
        let (route, upstream) = self.unless_ended(Phase::WhenIdle, connecting).await?;
        // An operator may have disabled the connection while the login waited.
        shared.disabled.check(&spec.id)?;
        let cancel = match &upstream.key {
            Some(key) => {
                let target = CancelTarget::new(session_id, route, upstream.address, key.clone());
                Some(
                    shared
                        .cancels
                        .register(target)
                        .ok_or(SessionError::Randomness)?,
                )
            }
            None => None,
        };
        let greeting = greeting::greeting(&upstream, &missing_timeouts, cancel.as_ref().map(Registered::key));
        let greeted = timeout(live.startup_timeout, client.wire.send_bytes(&greeting)).await;
        greeted
            .map_err(|_elapsed| SessionError::StartupTimeout(Stalled::Greeting))?
            .map_err(SessionError::ClientGone)?;
        Ok((upstream, Held { cancel, permit }))
    }
}

/// Tells the client the one reason why it is refused, if it is owed any. `unproven`: the client may
/// lose its permit meanwhile.
async fn refuse(mut wire: Wire, error: &SessionError, id: SessionId, unproven: Option<Unproven>) {
    let Some(words) = error.words(id) else { return };
    let farewell = wire.farewell(&words);
    match unproven {
        Some(unproven) => tokio::select! {
            () = farewell => {}
            () = unproven.given_up() => {}
        },
        None => farewell.await,
    }
}
