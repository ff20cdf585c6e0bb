//! One connection from top to bottom: read this first.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tracing::{Instrument, Level, debug, debug_span, error};

use self::connect::connect;
pub(crate) use self::error::SessionError;
use self::log::Facts;
pub(crate) use self::shared::Shared;
use self::unproven::Unproven;
use self::waiting::{Wait, attended};
use crate::cancel::{CancelTarget, Registered};
use crate::client_auth::{self, AuthError, Principal};
use crate::config::{ConnId, ConnSpec};
use crate::limits::bans::Outcome;
use crate::limits::caps::SessionPermit;
use crate::limits::handshakes::HandshakePermit;
use crate::relay::{self, Legs};
use crate::session_id::SessionId;
use crate::spec::{self, Named};
use crate::startup::request::SentUser;
use crate::startup::{self, Accepted, Client, Peer, proxy_protocol};
use crate::stop::{Phase, Stop};
use crate::stream::LAST_WORDS;
use crate::telemetry::{LineKind, Verdict};
use crate::upstream::parameters::{self, Passed};
use crate::upstream::{Asker, UpstreamConn};
use crate::wire::Wire;
use crate::wire::cancel_key::CancelKey;

mod connect;
mod error;
mod greeting;
mod log;
mod shared;
mod unproven;
mod waiting;

/// How long a connection that has not said what it wants is kept when we shut down.
const SILENT_GRACE: Duration = Duration::from_secs(1);

/// A connection just accepted.
pub(crate) struct Arrival {
    pub(crate) socket: TcpStream,
    /// Of the socket; behind a balancer that is not the client's.
    pub(crate) address: SocketAddr,
    /// Whose own port it came to. `None`: one that is open to all connections.
    pub(crate) port_of: Option<Arc<ConnId>>,
}

/// A client that may open a connection, with its place.
struct Admitted {
    principal: Principal,
    spec: Arc<ConnSpec>,
    permit: SessionPermit,
}

/// A session that is ready for queries.
struct Ready {
    legs: Legs,
    held: Held,
}

/// What is given back when the session ends, on whatever path.
struct Held {
    cancel: Option<Registered>,
    _permit: SessionPermit,
}

/// Serves one client from accept to close. `handshake` is its place among those not yet
/// authenticated.
pub(crate) async fn run(shared: Arc<Shared>, arrival: Arrival, handshake: HandshakePermit) {
    let address = arrival.address.ip().to_canonical();
    let id = SessionId::random();
    // Joins the debug lines of one session; its events carry the id themselves.
    let span = debug_span!("session", id = id.as_str());
    let served = AssertUnwindSafe(serve(&shared, arrival, id, handshake))
        .catch_unwind()
        .instrument(span);
    if served.await.is_err() {
        const EVENT: &str = "internal error: a session panicked";
        let kind = LineKind { level: Level::ERROR, event: EVENT, class: "", client: Some(address), conn_id: None };
        if let Verdict::Write(left_out) = shared.repeats.judge(kind) {
            error!(session = id.as_str(), client_addr = address.to_string().as_str(), left_out, "{EVENT}");
        }
    }
}

async fn serve(shared: &Shared, arrival: Arrival, id: SessionId, handshake: HandshakePermit) {
    let mut facts = Facts::new(id, arrival.address.ip());
    // Boxed, since a session spends its life in the relay and is not to carry the room for a login
    // through it.
    let Some(Ready { legs, held }) = Box::pin(log_in(shared, arrival, &mut facts, handshake)).await else {
        return;
    };
    let cancel = || cancel_abandoned(shared, &held, &facts);
    let relayed = relay::run(legs, &shared.stop, &shared.limits, |word| word.encode(id), cancel).await;
    drop(held);
    facts.ended(&relayed);
}

/// From accept to ReadyForQuery. `None`: it was refused, or was a cancel request, and has been
/// dealt with.
async fn log_in(shared: &Shared, arrival: Arrival, facts: &mut Facts, handshake: HandshakePermit) -> Option<Ready> {
    let unproven = Unproven::new(handshake, shared.startup_timeout);
    let Arrival { socket, address, port_of } = arrival;
    let accepted = accept(shared, socket, address, facts, &unproven);
    let mut client = match unless(silent_too_long(&shared.stop), accepted).await {
        Ok(Accepted::Client(client)) => client,
        Ok(Accepted::Cancel(wire, key)) => {
            drop(unproven); // no cap counts a cancel request
            cancel(shared, wire, &key, facts).await;
            return None;
        }
        // It may not speak PostgreSQL at all: no words.
        Err(error) => {
            facts.refused(&error, &shared.repeats);
            return None;
        }
    };
    // From here the client speaks our protocol, so it is owed one reason for a refusal, told in
    // this one place.
    let admitted = unproven.bound(admit(shared, &mut client, port_of.as_deref(), facts));
    let opened = match unless(shared.stop.reached(Phase::WhenIdle), admitted).await {
        Ok(admitted) => {
            drop(unproven);
            open(shared, &mut client, admitted, facts)
                .await
                .map_err(|error| (error, None))
        }
        // It still takes the place of a client that is not logged in, and loses it like one.
        Err(error) => Err((error, Some(unproven))),
    };
    match opened {
        Ok((upstream, held)) => {
            facts.started(&upstream);
            let legs = Legs { client: client.wire.into_parts(), upstream: upstream.into_parts() };
            Some(Ready { legs, held })
        }
        Err((error, unproven)) => {
            facts.refused(&error, &shared.repeats);
            refuse(client, &error, facts.session(), unproven).await;
            None
        }
    }
}

/// Where a client is, and what it wants.
async fn accept(
    shared: &Shared,
    mut socket: TcpStream,
    address: SocketAddr,
    facts: &mut Facts,
    unproven: &Unproven,
) -> Result<Accepted, SessionError> {
    let named = proxy_protocol::named(&mut socket, address, &shared.balancers);
    let peer = unproven
        .bound(named)
        .await?
        .unwrap_or_else(|| Peer::at(address));
    facts.comes_from(peer.address.ip());
    unproven.moved(peer.address.ip());
    unproven
        .bound(startup::accept(socket, peer, &shared.tls, || unproven.has_spoken()))
        .await
}

/// Who asks, and for what: everything up to AuthenticationOk. `port_of`: whose own port it came to.
async fn admit(
    shared: &Shared,
    client: &mut Client,
    port_of: Option<&ConnId>,
    facts: &mut Facts,
) -> Result<Admitted, SessionError> {
    let startup = &client.startup;
    if startup.major != 3 {
        return Err(SessionError::Version(startup.major, startup.minor));
    }
    let user = startup.user().ok_or(SessionError::UserMissing)?;
    let known_as = shared.accounts.known_as(user.name());
    facts.asked(&known_as, startup);
    if shared.tls.required && client.tls.is_none() {
        return Err(SessionError::TlsRequired);
    }
    if let Some(negotiate) = greeting::negotiate(startup) {
        client
            .wire
            .send_bytes(&negotiate)
            .await
            .map_err(SessionError::ClientGone)?;
    }
    let principal = proven(shared, client, &user, &known_as).await?;
    facts.proved(&principal.user);
    if parameters::asks_for_replication(&client.startup) {
        return Err(SessionError::Replication);
    }
    let server_name = client
        .tls
        .as_ref()
        .and_then(|tls| tls.server_name.as_deref());
    let asked = shared
        .specs
        .asked(port_of, server_name, user.conn_id(), client.startup.database());
    let max_of_user = principal.holder.rights().max_sessions;
    let spec = match shared.specs.named(&principal, asked)? {
        Named::Known(spec) => spec,
        Named::InTable(look_up) => {
            // No look-up for a client that has no room for a session, whatever the spec says.
            shared.caps.check_user(&principal.user, max_of_user)?;
            shared.specs.look_up(&principal, look_up).await?
        }
    };
    facts.opens(&spec.id);
    let permit = shared.caps.acquire(&spec, &principal.user, max_of_user)?;
    spec::enabled(&spec)?;
    client
        .wire
        .send_bytes(greeting::AUTHENTICATION_OK)
        .await
        .map_err(SessionError::ClientGone)?;
    Ok(Admitted { principal, spec, permit })
}

/// The proof, unless its client has guessed too often, from a place that the user may come from.
/// `known_as`: in the log.
async fn proven(
    shared: &Shared,
    client: &mut Client,
    user: &SentUser,
    known_as: &str,
) -> Result<Principal, SessionError> {
    let address = client.peer.address.ip();
    let counted_as = shared.accounts.counted_as(user.name(), known_as);
    let attempt = shared.bans.start_attempt(address, &counted_as)?;
    let verified = client_auth::verify(client, &shared.accounts, user, &attempt).await;
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

/// AuthenticationOk to ReadyForQuery: which login, over which connection.
async fn open(
    shared: &Shared,
    client: &mut Client,
    admitted: Admitted,
    facts: &mut Facts,
) -> Result<(UpstreamConn, Held), SessionError> {
    let Admitted { principal, spec, permit } = admitted;
    let conn_id = spec.id.as_str();
    debug!(user = principal.user.as_str(), conn_id, "opening");
    let (client_addr, session_id) = (facts.client_addr(), facts.session());
    let asker = Asker { user: &principal.user, conn_id, client_addr, session_id };
    let Passed { parameters, missing_timeouts } = parameters::pass_on(&client.startup, &spec, &asker);
    let wait = Wait::default();
    let connecting = connect(shared, &spec, &principal, &parameters, facts, &wait);
    let connecting = attended(&mut client.wire, shared.startup_timeout, || wait.notice(conn_id), connecting);
    let (route, upstream) = unless(shared.stop.reached(Phase::WhenIdle), connecting).await?;
    let cancel = match &upstream.key {
        Some(key) => {
            let target = CancelTarget::new(facts.session(), route, upstream.address, key.clone());
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
    let greeted = timeout(shared.startup_timeout, client.wire.send_bytes(&greeting)).await;
    greeted
        .map_err(SessionError::StartupTimeout)?
        .map_err(SessionError::ClientGone)?;
    Ok((upstream, Held { cancel, _permit: permit }))
}

/// Tells the client the one reason, if it is owed any.
async fn refuse(mut client: Client, error: &SessionError, id: SessionId, unproven: Option<Unproven>) {
    let Some(words) = error.words(id) else { return };
    let farewell = client.wire.farewell(&words);
    match unproven {
        Some(unproven) => tokio::select! {
            () = farewell => {}
            () = unproven.given_up() => {}
        },
        None => farewell.await,
    }
}

/// Serves a CancelRequest: it is passed on, and answered by closing.
async fn cancel(shared: &Shared, mut wire: Wire, key: &CancelKey, facts: &Facts) {
    tokio::select! {
        outcome = shared.cancels.forward(facts.client_addr(), key) => log::cancelled(facts, key.pid, &outcome, &shared.repeats),
        () = shared.stop.reached(Phase::Now) => {}
    }
    // libpq 17 reports a failure unless TLS ends with close_notify.
    let _ = timeout(LAST_WORDS, wire.close()).await;
}

/// Cancels what a vanished client has left running: the warehouse would go on for nobody. Bounded
/// as dials are.
async fn cancel_abandoned(shared: &Shared, held: &Held, facts: &Facts) {
    let Some(registered) = &held.cancel else { return };
    tokio::select! {
        outcome = registered.cancel() => log::cancelled(facts, registered.key().pid, &outcome, &shared.repeats),
        () = shared.stop.reached(Phase::Now) => {}
    }
}

/// A step that a shutdown ends.
async fn unless<T>(
    shutdown: impl Future<Output = ()>,
    step: impl Future<Output = Result<T, SessionError>>,
) -> Result<T, SessionError> {
    tokio::select! {
        outcome = step => outcome,
        () = shutdown => Err(SessionError::ShuttingDown),
    }
}

/// A client that was accepted just before the shutdown is to hear of it: its startup message is
/// waited for, not long.
async fn silent_too_long(stop: &Stop) {
    stop.reached(Phase::WhenIdle).await;
    sleep(SILENT_GRACE).await;
}
