//! Who does what to a running proxy, and what comes of it.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;

use crate::config::ConnId;

/// The operator who asks for an action, as the log names one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Operator {
    /// The user of the console, or what stands for nobody's name: `SIGHUP`, `token`, `watch`.
    pub(crate) name: String,
    /// The address that the request came from. `None`: from this process or a signal.
    pub(crate) from: Option<IpAddr>,
    /// The way that the request came.
    pub(crate) channel: Channel,
}

impl Operator {
    /// Whoever sent this process a signal of this name.
    pub(crate) fn signal(name: &str) -> Self {
        Self { name: name.to_owned(), from: None, channel: Channel::Signal }
    }
}

/// The way that an operator's request came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Channel {
    /// A signal of the system.
    Signal,
    /// The console (`dbname=proxy_admin`).
    Console,
    /// A POST to the admin address.
    Http,
    /// A file of the configuration has changed (`admin.watch`).
    Watch,
}

/// The sessions that an action is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Which {
    /// The session of this id.
    Session(String),
    /// The sessions of this user.
    User(String),
    /// The sessions on this connection.
    Connection(String),
    /// The sessions of clients at this address.
    Address(IpAddr),
    /// All sessions.
    All,
}

impl Display for Which {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(id) => f.write_str(id),
            Self::User(user) => write!(f, "USER {user:?}"),
            Self::Connection(conn_id) => write!(f, "CONNECTION {conn_id:?}"),
            Self::Address(address) => write!(f, "ADDRESS {address}"),
            Self::All => f.write_str("ALL"),
        }
    }
}

/// The effects of a reload that was accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Reloaded {
    /// The hash of the configuration that was in force before.
    pub(crate) hash_before: String,
    /// The hash of the configuration that is in force now.
    pub(crate) hash: String,
    /// The passwords, certificates, CAs and tokens that are others than before, by their keys. They
    /// may change while the configuration, and so its hash, stays the same.
    pub(crate) changed: Vec<String>,
    /// The keys that take effect at the next start only.
    pub(crate) needs_restart: Vec<RestartKey>,
    /// The sessions that were ended, since they have lost their right.
    pub(crate) ended: usize,
    /// Oddities of the configuration that are no problems, each as `FILE:LINE: KEY: what`.
    pub(crate) warnings: Vec<String>,
}

impl Reloaded {
    /// Whether anything is another than before.
    pub(crate) fn is_of_change(&self) -> bool {
        self.hash_before != self.hash || !self.changed.is_empty() || self.ended > 0
    }
}

/// A key that a reload does not change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RestartKey {
    /// The dotted name of the key.
    pub(crate) key: String,
    /// The value in force.
    pub(crate) old: String,
    /// The value of the file.
    pub(crate) new: String,
}

/// Why a reload changed nothing: each problem as `FILE:LINE: KEY: what`.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("the configuration is not usable: {}", .problems.join("; "))]
pub(crate) struct ReloadRefused {
    /// The problems, all of them.
    pub(crate) problems: Vec<String>,
}

/// How far a drain has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct DrainProgress {
    /// The present stage of the drain.
    pub(crate) state: DrainState,
    /// The sessions and logins that are left, consoles not counted.
    pub(crate) sessions: usize,
    /// Those of them that are busy.
    pub(crate) busy: usize,
    /// The time until busy sessions are closed too. `None`: no drain is under way.
    pub(crate) left: Option<Duration>,
}

/// The stage of a drain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DrainState {
    /// Clients are served.
    Serving,
    /// Readiness is off, and clients are still served (`drain_delay`).
    Delaying,
    /// New clients are refused, and idle sessions end.
    Draining,
    /// No session is left.
    Drained,
}

/// One step of a connection that was checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct CheckedStep {
    /// The name of the step, as `check --json` has it.
    pub(crate) step: String,
    /// Whether the step succeeded.
    pub(crate) is_ok: bool,
    /// How long it took.
    pub(crate) took: Duration,
    /// The finding of the step, or its error and how that is fixed.
    pub(crate) detail: String,
}

/// Why an action was not done.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub(crate) enum ActionError {
    /// Neither the configuration nor lava's table has this connection.
    #[error("connection \"{0}\" does not exist")]
    NoSuchConnection(ConnId),
    /// Another operator has asked for the same, and is not answered yet.
    #[error("\"{0}\" is being checked already")]
    UnderWay(ConnId),
}
