//! The answers to an operator's questions, as plain data: the console's tables and `/status.json`
//! show the same.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

/// How much of the console a user may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rights {
    /// `admin.users`: all of it.
    All,
    /// `admin.stats_users`: SHOW alone.
    Show,
}

/// The program that runs.
#[derive(Clone, Debug)]
pub(crate) struct VersionStatus {
    /// The version of this program.
    pub(crate) version: &'static str,
    /// When the process started.
    pub(crate) started: SystemTime,
    /// The hash of the configuration in force.
    pub(crate) config_hash: String,
}

/// How far a session has come, and what it is at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SessionState {
    /// The client is not logged in yet.
    Login,
    /// The client is logged in and waits for a database login.
    Credential,
    /// The client is logged in and waits for the warehouse.
    Connect,
    /// The warehouse owes the client an answer.
    Active,
    /// No answer is owed, and a transaction is open.
    Transaction,
    /// No answer is owed, and no transaction is open.
    Idle,
    /// The session is an operator's console.
    Console,
}

/// One connection of a client. Texts are empty until they are known.
#[derive(Clone, Debug)]
pub(crate) struct SessionStatus {
    /// The id of the session, which the log and messages to the client have too.
    pub(crate) id: String,
    /// The present state of the session.
    pub(crate) state: SessionState,
    /// The user, or what stands for a name that nobody has.
    pub(crate) user: String,
    /// The connection, once the user is known to have a right to it.
    pub(crate) conn_id: String,
    /// The client's address: its balancer's until a PROXY header has come.
    pub(crate) client: SocketAddr,
    /// The address of ours that the client came to.
    pub(crate) listener: SocketAddr,
    /// The TLS version and cipher towards the client. Empty: in clear.
    pub(crate) tls: String,
    /// The `application_name` that the client sent, cut.
    pub(crate) application_name: String,
    /// The user that the session has at the warehouse.
    pub(crate) db_user: String,
    /// The database at the warehouse.
    pub(crate) database: String,
    /// The address of the warehouse. `None`: it is not connected yet.
    pub(crate) warehouse: Option<SocketAddr>,
    /// Our end of the connection to the warehouse.
    pub(crate) warehouse_local: Option<SocketAddr>,
    /// The TLS version and cipher towards the warehouse.
    pub(crate) warehouse_tls: String,
    /// When the warehouse answered by TCP. `None`: it has not.
    pub(crate) warehouse_connected: Option<SystemTime>,
    /// The host of the warehouse by name.
    pub(crate) host: String,
    /// The warehouse's pid; 0 until it is known.
    pub(crate) upstream_pid: u32,
    /// The warehouse's ParameterStatus `session_id`, which joins SYS_QUERY_HISTORY.
    pub(crate) warehouse_session_id: String,
    /// When the connection was accepted.
    pub(crate) connected: SystemTime,
    /// When the session was ready for queries. `None`: not yet.
    pub(crate) ready: Option<SystemTime>,
    /// How long the client has waited to be served. `None`: it is served.
    pub(crate) waiting: Option<Duration>,
    /// The last time that bytes were moved. `None`: none have been yet.
    pub(crate) last_traffic: Option<SystemTime>,
    /// The bytes from the client to the warehouse.
    pub(crate) bytes_up: u64,
    /// The bytes from the warehouse to the client.
    pub(crate) bytes_down: u64,
}

/// One connection of the configuration or of lava's table.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionStatus {
    /// The conn_id.
    pub(crate) conn_id: String,
    /// Where it is written: `file` or `table`.
    pub(crate) origin: &'static str,
    /// `redshift-serverless` or `redshift`.
    pub(crate) kind: &'static str,
    /// Its description, which people wrote.
    pub(crate) description: String,
    /// Whether the configuration lets new logins in.
    pub(crate) enabled: bool,
    /// Whether an operator keeps new logins out (`DISABLE`).
    pub(crate) disabled_by_operator: bool,
    /// The host, as far as it is known.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
    /// The database, as far as it is known.
    pub(crate) database: String,
    /// `shared` or `per-user`.
    pub(crate) identity: &'static str,
    /// The sessions of now.
    pub(crate) sessions: usize,
    /// The most sessions that are let in.
    pub(crate) max_sessions: usize,
    /// The last login that succeeded. `None`: none has since the start.
    pub(crate) last_login: Option<SystemTime>,
    /// The reason of the last login that did not, with its time, if none has succeeded since.
    pub(crate) last_error: Option<(SystemTime, String)>,
}

/// One user with an entry of its own, or that of all others.
#[derive(Clone, Debug)]
pub(crate) struct UserStatus {
    /// The name; `*` stands for all others.
    pub(crate) name: String,
    /// Whether the user may log in.
    pub(crate) enabled: bool,
    /// `password` or `cert`.
    pub(crate) auth: &'static str,
    /// The groups.
    pub(crate) groups: Vec<String>,
    /// The names and globs of connections that it may open.
    pub(crate) connections: Vec<String>,
    /// When its passwords expire.
    pub(crate) password_expires: Option<SystemTime>,
    /// Whether all its passwords have been read.
    pub(crate) is_read: bool,
    /// The sessions of now.
    pub(crate) sessions: usize,
    /// The most sessions. `None`: no cap of its own.
    pub(crate) max_sessions: Option<usize>,
}

/// The sums of all events since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// Connections that were accepted.
    pub(crate) accepted: u64,
    /// Logins that succeeded.
    pub(crate) logins: u64,
    /// Logins that were refused.
    pub(crate) refusals: u64,
    /// Sessions that have ended.
    pub(crate) ended: u64,
    /// CancelRequests.
    pub(crate) cancels: u64,
    /// Bytes from clients to warehouses.
    pub(crate) bytes_up: u64,
    /// Bytes from warehouses to clients.
    pub(crate) bytes_down: u64,
    /// Calls to AWS.
    pub(crate) aws_calls: u64,
    /// Calls to AWS that failed.
    pub(crate) aws_errors: u64,
}

/// One setting in force.
#[derive(Clone, Debug)]
pub(crate) struct SettingStatus {
    /// The dotted name of the key.
    pub(crate) key: String,
    /// The value in force. A reference is shown as it is written, a secret as `…`.
    pub(crate) value: String,
    /// The value that holds where the file does not say.
    pub(crate) default: String,
    /// Whether a reload changes it.
    pub(crate) reloads: bool,
    /// The value of the file, where it takes effect at the next start only.
    pub(crate) at_restart: Option<String>,
    /// The value that the file says, where another is in force: it was cut to what fits, an
    /// operator has set another, or a restart is needed.
    pub(crate) in_file: Option<String>,
}

/// One ban.
#[derive(Clone, Debug)]
pub(crate) struct BanStatus {
    /// The address; in IPv6 the first of its /64.
    pub(crate) address: IpAddr,
    /// The user's name, or a hash where nobody has it. `None`: all users.
    pub(crate) user: Option<String>,
    /// How long it goes on.
    pub(crate) left: Duration,
}

/// Something that may be used up.
#[derive(Clone, Debug)]
pub(crate) struct LimitStatus {
    /// Its name: a key of `[limits]`, or `open_files`.
    pub(crate) name: &'static str,
    /// How much of it is used.
    pub(crate) used: u64,
    /// How much there may be. `None`: no limit.
    pub(crate) limit: Option<u64>,
}

/// One address that is bound.
#[derive(Clone, Debug)]
pub(crate) struct ListenerStatus {
    /// The address.
    pub(crate) address: SocketAddr,
    /// The use of the address: `clients`, `admin` or `health`.
    pub(crate) serves: &'static str,
    /// The connection that has the port to itself.
    pub(crate) conn_id: Option<String>,
    /// The connections of clients that came to it and are open now.
    pub(crate) connections: usize,
}

/// One value that is read elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct ReferenceStatus {
    /// The key of the configuration that refers to it.
    pub(crate) key: String,
    /// The reference, as it is written.
    pub(crate) reference: String,
    /// The last read that succeeded. `None`: none has.
    pub(crate) last_read: Option<SystemTime>,
    /// The error of the last read, with its time. `None`: it succeeded.
    pub(crate) last_error: Option<(SystemTime, String)>,
    /// How many reads have failed.
    pub(crate) errors: u64,
}

/// One certificate in use.
#[derive(Clone, Debug)]
pub(crate) struct CertificateStatus {
    /// The use of the certificate: `listener`, `client_ca`, `client_crl`, …
    pub(crate) which: String,
    /// Its subject.
    pub(crate) subject: String,
    /// When it ends.
    pub(crate) expires: SystemTime,
}

/// A refusal or a broken session.
#[derive(Clone, Debug)]
pub(crate) struct ErrorStatus {
    /// When it happened.
    pub(crate) at: SystemTime,
    /// The id of the session.
    pub(crate) session: String,
    /// The client's address.
    pub(crate) client: IpAddr,
    /// The user, or what stands for a name that nobody has.
    pub(crate) user: String,
    /// The connection, once the user is known to have a right to it.
    pub(crate) conn_id: String,
    /// The SQLSTATE that the client was told. Empty: it was told nothing.
    pub(crate) sqlstate: String,
    /// The whole cause.
    pub(crate) cause: String,
}

/// One action of an operator.
#[derive(Clone, Debug)]
pub(crate) struct ActionStatus {
    /// When it was asked for.
    pub(crate) at: SystemTime,
    /// The name of the operator.
    pub(crate) by: String,
    /// The address that the request came from.
    pub(crate) from: Option<IpAddr>,
    /// The action, such as `KILL USER "ann"`.
    pub(crate) action: String,
    /// The outcome of the action.
    pub(crate) outcome: String,
}
