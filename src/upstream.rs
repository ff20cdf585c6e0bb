//! The way to the warehouse: dial, TLS, startup, authentication, until it is ready for queries.
//!
//! This module owns one login on one server. The session decides which login that is, and whether
//! another one is worth a try.
//!
//! [`route`] and [`error`] are what the other parts stand on; [`dial`] makes a verified connection,
//! [`login`] a session over it, [`redial`] repeats both, [`step`] tells how far that has come, and
//! [`cancel`] sends a CancelRequest.
//! [`parameters`] decides which startup parameters of the client are passed on.

mod application_name;
mod auth;
mod cancel;
mod conn;
mod dial;
mod digest;
mod error;
mod forbidden;
#[cfg(test)]
mod fuzz;
mod login;
mod options;
pub(crate) mod parameters;
mod race;
mod redial;
mod route;
mod scram;
mod server_error;
mod status;
mod step;
mod tls;

pub(crate) use self::application_name::Asker;
pub(crate) use self::conn::UpstreamConn;
pub(crate) use self::error::{OpenError, UpstreamError};
pub(crate) use self::race::Unanswered;
pub(crate) use self::redial::Redials;
pub(crate) use self::route::{Paths, Route, Routes, Timeouts};
pub(crate) use self::server_error::ServerError;
pub(crate) use self::step::Step;
pub(crate) use self::tls::{ClientTls, ClientTlsError};
