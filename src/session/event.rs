//! What can happen to a session.

use std::io;
use std::net::SocketAddr;

use super::error::SessionError;
use crate::cancel::Cancelled;
use crate::config::ConnId;
use crate::relay::Relayed;
use crate::startup::request::StartupParams;
use crate::stream::tls::Negotiated;
use crate::upstream::{Step, UpstreamConn, UpstreamError};

/// Something that happens to a session, in the order in which it may happen. The session's facts,
/// the log and the metrics are made of these, by
/// [`Session::happened`](super::registry::Session::happened) alone.
pub(super) enum Event<'a> {
    /// The connection has been accepted and registered: the first event of each.
    Accepted,
    /// The socket could not be used: the connection is over before it began.
    Lost(&'a io::Error),
    /// The client's address is known: the socket's, or that which a load balancer's PROXY header
    /// names, with the VPC endpoint there. Happens once to every connection, before TLS.
    Located { address: SocketAddr, vpc_endpoint: Option<&'a str> },
    /// The client has sent its startup message. `known_as` is the user's name, or what stands for a
    /// name that nobody has: people type passwords there. `tls`: `None` in clear.
    Asked { known_as: &'a str, startup: &'a StartupParams, tls: Option<Negotiated> },
    /// The client has proved to be this user, by an entry of its own or by `users."*"`.
    Proved { user: &'a str, has_own_entry: bool },
    /// The user may open this connection.
    Permitted(&'a ConnId),
    /// There is room for the session, and AuthenticationOk has been sent.
    Admitted,
    /// The session waits for a database login.
    CredentialAwaited,
    /// The database login is there, and the warehouse is dialled for it.
    Dialled { db_user: &'a str, host: &'a str, database: &'a str },
    /// A dial has come so far. There are several dials where the warehouse cuts a login off, or
    /// refuses it.
    Dial(Step<'a>),
    /// The warehouse has refused the database login, and another one is fetched.
    CredentialRefused(&'a UpstreamError),
    /// The warehouse is not where AWS said it was, and AWS is asked again.
    WarehouseMoved(&'a UpstreamError),
    /// The warehouse is ready for queries, and the client has been told.
    Started(&'a UpstreamConn),
    /// The client is an operator, and its console begins.
    ConsoleOpened,
    /// The login has come to nothing.
    Refused(&'a SessionError),
    /// The relay is over.
    Ended(&'a Relayed),
    /// A cancel request has been dealt with. `pid` is the one in the request.
    Cancelled { cause: CancelCause, pid: u32, outcome: &'a Cancelled },
    /// The session's task has panicked.
    Panicked,
}

/// The reason why a query is cancelled at the warehouse.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum CancelCause {
    /// The client of some session has asked for it; the connection was made for that alone.
    Requested,
    /// This session has ended while its query ran: its client vanished, or it was killed.
    Abandoned,
}
