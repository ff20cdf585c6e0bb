//! A PostgreSQL wire-protocol proxy that reaches Amazon Redshift with IAM credentials.
//!
//! These are the stages of a connection in their order; [`session`] runs them from top to bottom:
//!
//! 1. [`listener`] accepts it and deals it to a worker; [`limits::handshakes`] gives it a permit
//!    until the client is logged in.
//! 2. [`startup`] reads a balancer's PROXY header and leads it through TLS to a startup message, or
//!    to a [`cancel`] request.
//! 3. [`client_auth`] lets the client prove who it is; [`limits::bans`] refuses clients that guess.
//! 4. [`spec`] finds the connection that the client asks for, and checks that it may open it;
//!    [`limits::caps`] checks that there is room.
//! 5. [`credentials`] has, or fetches, a database login for that connection.
//! 6. [`upstream`] dials the warehouse, verifies it and logs in.
//! 7. [`relay`] moves bytes until one side ends.
//!
//! Meanwhile [`references`] reads passwords and certificates again that the configuration refers
//! to. `docs/architecture.md` shows the layers, the threads and the locks.

#![allow(rustdoc::private_intra_doc_links, reason = "the crate is a program: its docs are for its developers")]

pub mod app;
pub mod aws;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod fault;
pub mod limits;
pub mod listener;
pub mod network;
pub mod secret;

mod address;
mod admin;
mod blocking;
mod bound;
mod cache;
mod cancel;
mod client_auth;
mod coalesce;
mod console;
mod core_files;
mod credentials;
mod jitter;
mod metrics;
mod nofile;
mod operations;
mod references;
mod relay;
mod resolver;
#[cfg(test)]
mod seeded;
mod serve;
mod session;
mod session_id;
mod spec;
mod startup;
mod stop;
mod stream;
mod telemetry;
mod upstream;
mod wire;

#[cfg(feature = "bench")]
#[doc(hidden)]
pub use relay::bench;
