//! The console: `psql dbname=proxy_admin`, where an operator asks and acts in PgBouncer's language.
//!
//! Owns its grammar, its tables and its side of the protocol. What it asks and does is an
//! [`Operations`](crate::operations::Operations)' matter, and whether the client may is the
//! session's.

mod answer;
mod command;
mod execute;
mod show;
