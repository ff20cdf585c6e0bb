//! How a tool selects its connection (docs/contract.md 4). Some tools compare the database that
//! they were given with `current_database()`, so the conn_id goes where the database keeps its real
//! name.

use std::net::SocketAddr;

use rustls::pki_types::ServerName;

use super::address;
use super::tls::SslMode;
use crate::cli::connection::Connection;
use crate::config::Config;

/// The way in which a tool selects its connection: the first that is possible, in the order in
/// which the proxy looks at them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum ConnSelector {
    /// The connection has a port of its own (`connections.*.listen`). Any database is taken there.
    Port(u16),
    /// The TLS server name selects the connection: this host, the conn_id under
    /// `listen.sni_suffix`. Any database is taken.
    ServerName(String),
    /// The user is `USER~CONN_ID`. Any database is taken.
    User,
    /// The database is the conn_id: it is the real name too, or the real name is not known here.
    Database,
}

impl ConnSelector {
    /// Chooses the way for a connection.
    pub(super) fn of(config: &Config, connection: &Connection<'_>, mode: SslMode) -> Self {
        if let Some(port) = own_port(config, connection) {
            return Self::Port(port);
        }
        if let Some(host) = server_name(config, connection, mode) {
            return Self::ServerName(host);
        }
        let conn_id = connection.conn_id().as_str();
        // The proxy takes what stands behind the last ~ for the conn_id.
        let can_follow_user = !conn_id.contains('~');
        let is_other = real_database(connection).is_some_and(|database| database != conn_id);
        if can_follow_user && is_other { Self::User } else { Self::Database }
    }

    /// The port, if the connection has one of its own.
    pub(super) fn port(&self) -> Option<u16> {
        match self {
            Self::Port(port) => Some(*port),
            Self::ServerName(_) | Self::User | Self::Database => None,
        }
    }

    /// The user name that the tool is given.
    pub(super) fn user(&self, user: &str, conn_id: &str) -> String {
        match self {
            Self::User => format!("{user}~{conn_id}"),
            Self::Port(_) | Self::ServerName(_) | Self::Database => user.to_owned(),
        }
    }

    /// The database name that the tool is given.
    pub(super) fn database<'a>(&self, connection: &'a Connection<'_>) -> &'a str {
        let conn_id = connection.conn_id().as_str();
        match self {
            Self::Database => conn_id,
            Self::Port(_) | Self::ServerName(_) | Self::User => real_database(connection).unwrap_or(conn_id),
        }
    }

    /// Notes on how the connection is selected, and how it may be selected by hand.
    pub(super) fn notes(&self, connection: &Connection<'_>, user: &str) -> Vec<String> {
        let conn_id = connection.conn_id().as_str();
        let selected = match self {
            Self::Port(port) => Some(format!("the port {port} is for {conn_id:?} alone")),
            Self::ServerName(host) => {
                Some(format!("the host {host:?} selects {conn_id:?}, and DNS has to lead it to the proxy"))
            }
            Self::User => Some(format!(
                "~{conn_id} behind the user selects the connection, so that the database has its real name, which tools \
                 compare; by hand, the user {user} and the database {conn_id} lead there too"
            )),
            Self::Database => None,
        };
        let unknown = || {
            let by_user =
                if *self == Self::Database { format!("the user {user}~{conn_id} and ") } else { String::new() };
            format!(
                "the real database of {conn_id:?} is not known here: tools that compare names (dbt, pgAdmin and others) take \
                 {by_user}its real name as the database"
            )
        };
        selected
            .into_iter()
            .chain(real_database(connection).is_none().then(unknown))
            .collect()
    }
}

/// The database's name in the warehouse, as far as the configuration says.
fn real_database<'a>(connection: &Connection<'a>) -> Option<&'a str> {
    connection.spec().and_then(|spec| spec.database.as_deref())
}

/// The connection's own port, if it is as reachable as the listener: on loopback it serves this
/// machine alone.
fn own_port(config: &Config, connection: &Connection<'_>) -> Option<u16> {
    let own = connection.spec()?.listen?;
    let on_loopback = |address: &SocketAddr| address.ip().is_loopback();
    let local_listener = config.listen.addresses.iter().all(on_loopback);
    (own.port() != 0 && (local_listener || !on_loopback(&own))).then(|| own.port())
}

/// The host `CONN_ID.sni_suffix`, if it can be a server name that selects this connection and that
/// the listener's certificate is for. Without a certificate of its own the listener serves this
/// machine, where such names lead nowhere.
fn server_name(config: &Config, connection: &Connection<'_>, mode: SslMode) -> Option<String> {
    let suffix = config
        .listen
        .sni_suffix
        .as_deref()
        .filter(|_| mode == SslMode::VerifyFull)?;
    let conn_id = connection.conn_id().as_str();
    let lower = conn_id.to_ascii_lowercase();
    // A server name has no case: it has to mean one connection, and lava's table is asked in lower
    // case.
    let same = config
        .connections
        .keys()
        .filter(|other| other.as_str().eq_ignore_ascii_case(conn_id))
        .count();
    let is_certain = if connection.spec().is_some() { same == 1 } else { lower == conn_id && same == 0 };
    let host = format!("{lower}.{suffix}");
    let is_name = matches!(ServerName::try_from(host.as_str()), Ok(ServerName::DnsName(_)));
    let is_verified = || address::unnamed_in_certificate(&config.listen, &host, mode).is_none();
    (is_certain && is_name && is_verified()).then_some(host)
}
