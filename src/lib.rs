//! A PostgreSQL wire-protocol proxy that reaches Amazon Redshift with IAM credentials.
//!
//! What happens to a connection, in the order in which it happens; [`session`] tells it top to
//! bottom:
//!
//! 1. [`listener`] accepts it and deals it to a worker; [`limits`] has a place for it until the
//!    client is logged in.
//! 2. [`startup`] reads a balancer's PROXY header and leads it through TLS to a startup message, or
//!    to a [`cancel`] request.
//! 3. [`client_auth`] lets the client prove who it is; [`limits::bans`] keep those away who guess.
//! 4. [`spec`] says which connection the client means, and whether it may open it;
//!    [`limits::caps`] whether there is room.
//! 5. [`credentials`] has, or fetches, a database login for that connection.
//! 6. [`upstream`] dials the warehouse, verifies it and logs in.
//! 7. [`relay`] moves bytes until one side ends.
//!
//! [`references`] reads what the configuration refers to again while all this goes on: passwords
//! and certificates.

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
mod blocking;
mod cache;
mod cancel;
mod client_auth;
mod core_files;
mod credentials;
mod jitter;
mod nofile;
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
