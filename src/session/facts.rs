//! What is known of a session.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

use super::event::Event;
use super::timings::{LoginStage, Timings};
use crate::config::ConnId;
use crate::stream::tls::Negotiated;
use crate::upstream::Step;

/// Longest text of a client's that is kept, in characters.
const MAX_TEXT: usize = 250;

/// What is known of a session so far: the log and the operator are shown it. Texts are empty until
/// they are known.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The client's address: the balancer's until its PROXY header has come.
    pub client: IpAddr,
    /// The port at that address.
    pub client_port: u16,
    /// The address of ours that the connection came to, as it is bound.
    pub listener: SocketAddr,
    /// The client's TLS version and cipher. `None`: in clear, or not known yet.
    pub tls: Option<Negotiated>,
    /// The VPC endpoint that the client came through (`vpce-…`), by a PROXY header.
    pub vpc_endpoint: Option<Box<str>>,
    /// When the connection was accepted.
    pub accepted: Instant,
    /// How far the session has come.
    pub stage: Stage,
    /// The user's name, or what stands for a name that nobody has.
    pub user: Box<str>,
    /// Whether the client has proved to be this user.
    pub is_proven: bool,
    /// Whether that was by an entry of the user's own, rather than by `users."*"`.
    pub has_own_entry: bool,
    /// The connection, once the user is known to have a right to it.
    pub conn_id: Option<ConnId>,
    /// The user that the session has at the warehouse.
    pub db_user: Box<str>,
    /// The host of the warehouse, by name.
    pub host: Box<str>,
    /// The address of the warehouse that the session is on. `None`: none yet.
    pub warehouse: Option<SocketAddr>,
    /// Our side of the connection to the warehouse. `None`: there is none.
    pub warehouse_side: Option<WarehouseSide>,
    /// The database at the warehouse.
    pub database: Box<str>,
    /// The `application_name` that the client sent, cut to [`MAX_TEXT`].
    pub application_name: Box<str>,
    /// Whether the startup message is like a health check's.
    pub is_of_health_check: bool,
    /// The warehouse's pid; 0 until it is known, and where the warehouse sent none.
    pub upstream_pid: u32,
    /// The warehouse's ParameterStatus `session_id`, which joins SYS_QUERY_HISTORY.
    pub warehouse_session_id: Box<str>,
    /// How long each stage of the login has taken.
    pub timings: Timings,
}

/// Our side of a connection to a warehouse. Small, since every session keeps it.
#[derive(Clone, Copy, Debug)]
pub struct WarehouseSide {
    /// Our address and port, as far as the system tells.
    pub local: Option<SocketAddr>,
    /// The TLS version and cipher. `None`: the handshake goes on.
    pub tls: Option<Negotiated>,
    /// The milliseconds from the session's accept until the warehouse had answered by TCP.
    connected_after: u32,
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// The client is not logged in yet, or has just been.
    LoggingIn,
    /// The client is logged in and waits for a database login.
    AwaitsCredential,
    /// The client is logged in and waits for the warehouse.
    AwaitsWarehouse,
    /// Bytes are relayed, since then.
    Relays(Instant),
    /// The session is an operator's console, since then.
    Console(Instant),
}

impl Stage {
    /// When the session was ready for queries, or the console for commands. `None`: it is not yet.
    pub(crate) fn ready_since(self) -> Option<Instant> {
        match self {
            Self::Relays(since) | Self::Console(since) => Some(since),
            Self::LoggingIn | Self::AwaitsCredential | Self::AwaitsWarehouse => None,
        }
    }
}

impl Facts {
    /// The facts of a connection from this address that `listener` has just accepted.
    pub(super) fn new(address: SocketAddr, listener: SocketAddr) -> Self {
        let accepted = Instant::now();
        Self {
            client: address.ip().to_canonical(),
            client_port: address.port(),
            listener,
            tls: None,
            vpc_endpoint: None,
            accepted,
            stage: Stage::LoggingIn,
            user: Box::default(),
            is_proven: false,
            has_own_entry: false,
            conn_id: None,
            db_user: Box::default(),
            host: Box::default(),
            warehouse: None,
            warehouse_side: None,
            database: Box::default(),
            application_name: Box::default(),
            is_of_health_check: false,
            upstream_pid: 0,
            warehouse_session_id: Box::default(),
            timings: Timings::new(accepted),
        }
    }

    /// When the warehouse had answered by TCP. `None`: it has not.
    pub(crate) fn warehouse_connected(&self) -> Option<Instant> {
        let side = self.warehouse_side?;
        Some(self.accepted + Duration::from_millis(side.connected_after.into()))
    }

    /// How long the client has waited to be served. `None`: it is served.
    pub(crate) fn waiting(&self) -> Option<Duration> {
        match self.stage {
            Stage::LoggingIn | Stage::AwaitsCredential | Stage::AwaitsWarehouse => Some(self.accepted.elapsed()),
            Stage::Relays(_) | Stage::Console(_) => None,
        }
    }

    /// Whether the client has sent a startup message that names a user.
    pub(super) fn has_asked(&self) -> bool {
        !self.user.is_empty()
    }

    /// Takes in what an event says.
    pub(super) fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Located { address, vpc_endpoint } => {
                (self.client, self.client_port) = (address.ip().to_canonical(), address.port());
                self.vpc_endpoint = vpc_endpoint.map(Into::into);
            }
            Event::Asked { known_as, startup, tls } => {
                self.tls = *tls;
                self.user = (*known_as).into();
                let own = startup.get("application_name").unwrap_or_default();
                self.application_name = own.chars().take(MAX_TEXT).collect();
                self.is_of_health_check = startup.is_of_health_check();
            }
            // The name may have been unknown until a certificate in it was shown.
            Event::Proved { user, has_own_entry } => {
                (self.user, self.is_proven, self.has_own_entry) = ((*user).into(), true, *has_own_entry);
            }
            Event::Permitted(conn_id) => self.conn_id = Some((*conn_id).clone()),
            Event::Admitted => self.timings.enter(None),
            Event::CredentialAwaited => {
                self.timings.enter(Some(LoginStage::Credentials));
                self.stage = Stage::AwaitsCredential;
            }
            Event::Dialled { db_user, host, database } => {
                (self.db_user, self.host, self.database) = ((*db_user).into(), (*host).into(), (*database).into());
                self.timings.enter(None);
                self.stage = Stage::AwaitsWarehouse;
            }
            Event::Dial(Step::Begun) => self.timings.dial(),
            Event::Dial(Step::Connected { local }) => {
                let after = u32::try_from(self.accepted.elapsed().as_millis());
                let connected_after = after.unwrap_or(u32::MAX);
                self.warehouse_side = Some(WarehouseSide { local: *local, tls: None, connected_after });
                self.timings.enter(Some(LoginStage::Tls));
            }
            Event::Dial(Step::Secured(tls)) => {
                if let Some(side) = &mut self.warehouse_side {
                    side.tls = Some(*tls);
                }
                self.timings.enter(Some(LoginStage::UpstreamAuth));
            }
            Event::Dial(Step::Failed(_)) => {
                self.warehouse_side = None;
                self.timings.enter(None);
            }
            Event::Started(upstream) => {
                self.upstream_pid = upstream.pid();
                self.warehouse = Some(upstream.address);
                self.warehouse_session_id = upstream.session_id.as_deref().unwrap_or_default().into();
                self.timings.end(self.accepted);
                self.stage = Stage::Relays(Instant::now());
            }
            Event::ConsoleOpened => {
                self.conn_id = Some(ConnId::of_console());
                self.timings.enter(None);
                self.timings.end(self.accepted);
                self.stage = Stage::Console(Instant::now());
            }
            Event::Refused(error) => {
                self.timings.end(self.accepted);
                if let Some(conn_id) = error.conn_id() {
                    self.conn_id = Some(conn_id.clone());
                }
            }
            Event::Accepted
            | Event::Lost(_)
            | Event::CredentialRefused(_)
            | Event::WarehouseMoved(_)
            | Event::Ended(_)
            | Event::Cancelled { .. }
            | Event::Panicked => {}
        }
    }
}
