//! The entries of `[users]`.

use std::net::IpAddr;
use std::time::SystemTime;

use super::access::{Access, Right};
use crate::config::connection::ConnId;
use crate::config::value::{AllowedFrom, Reference, Remote};
use crate::crypto::Verifier;
use crate::secret::Secret;

/// The name of the entry for all users without one of their own.
pub(super) const ANY: &str = "*";

/// One `[users.*]` entry.
#[derive(Debug)]
pub struct User {
    /// The user's rights: its own and its groups'.
    pub rights: Rights,
    /// What proves the user.
    pub proof: Proof,
    /// `DbUser` of a `per-user` login on a provisioned cluster. `None`: the user's own name.
    pub db_user: Option<String>,
}

/// `[users."*"]`: any name that has no entry of its own.
#[derive(Debug)]
pub struct AnyUser {
    /// The rights of each of these users.
    pub rights: Rights,
    /// What proves each of these users.
    pub proof: AnyProof,
}

/// What proves the users of `users."*"`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AnyProof {
    /// Each has an SSM parameter of its name below a path, with its password.
    Passwords {
        /// The path, without a slash at its end.
        path: String,
    },
    /// A TLS client certificate in the user's name.
    Certificate,
}

/// The rights of one user, from its entry of `[users]` and from its groups: what it may open, from
/// where, how often at once, and as which database roles. They hold however the user proves itself.
#[derive(Clone, Debug)]
pub struct Rights {
    /// A disabled user is answered as one with a wrong password.
    pub enabled: bool,
    /// The moment from which on no password proves the user. `None`: never.
    pub password_expires: Option<SystemTime>,
    /// The method by which the password is asked for.
    pub method: Method,
    /// The connections that the user may open: by its own rights and its groups'.
    pub connections: Access,
    /// The places that the user may come from: its own and its groups'. None at all: anywhere.
    pub from: Vec<AllowedFrom>,
    /// Most sessions of this user in this process, at least 1: its own cap, else the largest of its
    /// groups'.
    pub max_sessions: Option<usize>,
    /// The database roles of the user and its groups, in order, each once: the session tag
    /// `RedshiftDbRoles` of a `per-user` login.
    pub db_roles: Vec<String>,
}

impl AnyUser {
    /// The SSM path below which each of these users has a password. `None`: certificates prove
    /// them.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match &self.proof {
            AnyProof::Passwords { path } => Some(path),
            AnyProof::Certificate => None,
        }
    }
}

impl Rights {
    /// Whether one of this user's names or globs is that of the connection. Says nothing of
    /// `enabled`.
    #[must_use]
    pub fn may_open(&self, conn_id: &ConnId) -> bool {
        self.connections.covers(conn_id.as_str())
    }

    /// The first right that covers the connection.
    #[must_use]
    pub fn right_to(&self, conn_id: &ConnId) -> Option<Right<'_>> {
        self.connections.right_to(conn_id.as_str())
    }

    /// Whether a client at this address, that came through this VPC endpoint, is where the user may
    /// come from.
    #[must_use]
    pub fn may_come_from(&self, address: IpAddr, vpc_endpoint: Option<&str>) -> bool {
        self.from.is_empty()
            || self
                .from
                .iter()
                .any(|allowed| allowed.covers(address, vpc_endpoint))
    }
}

/// What proves a user.
#[derive(Clone, Debug)]
pub enum Proof {
    /// A password; either of two while rotating.
    Passwords(Vec<StoredPassword>),
    /// A TLS client certificate in the user's name.
    Certificate,
}

impl Proof {
    /// The references to the user's passwords; a verifier in the file has none.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        let passwords = match self {
            Self::Passwords(passwords) => passwords.as_slice(),
            Self::Certificate => &[],
        };
        passwords
            .iter()
            .filter_map(|password| password.from.as_ref())
    }
}

/// A password, and the reference that led to it.
#[derive(Clone, Debug)]
pub struct StoredPassword {
    /// The password.
    pub password: Password,
    /// The reference, so that it can be read again; paths are absolute. `None`: the password stands
    /// in the file.
    pub from: Option<Reference>,
}

/// A user's `password`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Password {
    /// A verifier, as PostgreSQL stores it.
    Verifier(Verifier),
    /// A plain password that a reference led to; it becomes a verifier when the proxy starts.
    Plain(Secret),
    /// A verifier or a password that AWS keeps; [`Password::from_stored`] tells which once the text
    /// is read.
    Remote(Remote),
}

/// `users.*.method`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// SCRAM-SHA-256 is asked for; cleartext inside TLS of AWS's own drivers.
    Auto,
    /// SCRAM-SHA-256 is asked for, never cleartext.
    Scram,
    /// Cleartext is asked for, inside TLS.
    Cleartext,
}
