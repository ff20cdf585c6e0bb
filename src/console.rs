//! The console: `psql dbname=proxy_admin`, where an operator asks and acts in PgBouncer's language.
//!
//! Owns its grammar, its tables and its side of the protocol. What it asks and does is an
//! [`Operations`](crate::operations::Operations)' matter, and whether the client may is the
//! session's.

pub(crate) use self::serve::Console;
pub(crate) use self::tables::Tables;

mod answer;
mod channel;
mod command;
mod error;
mod execute;
mod habit;
mod message;
mod parse;
mod prepared;
mod role;
mod serve;
mod show;
mod tables;
mod text;
mod token;
mod value;

/// The version that drivers read: one of PostgreSQL's, from which they conclude what the server can
/// do, old enough for every psql not to warn that the server is newer than itself.
const SERVER_VERSION: &str = concat!("9.6.0 (redshift-iam-proxy ", env!("CARGO_PKG_VERSION"), ")");
