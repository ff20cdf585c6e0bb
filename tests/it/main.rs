//! The integration tests: one program, for each one links the AWS SDK anew. A module is a family of
//! scenarios.
//!
//! Programs of their own (`tests/*.rs`) are only those that need the machine, or its files, to
//! themselves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that fails has done its work"
)]

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod aws_dialect;
mod bad_input;
mod balancers;
mod bans;
mod bound;
mod cancel;
mod check;
mod cli;
mod client_cert;
mod config;
mod connections;
mod console;
mod console_tables;
mod credentials;
mod drivers;
mod ending;
mod entrances;
mod from;
mod greeting;
mod hostile_auth;
mod hostile_startup;
mod hostile_time;
mod hostile_tls;
mod hostile_warehouse;
mod iam_policy;
mod import_lava;
mod incidents;
mod include;
mod layers;
mod log;
mod login;
mod metrics;
mod moto;
mod notice;
mod readme;
mod references;
mod relay;
mod reload;
mod rights;
mod rolling;
mod run;
mod sample;
mod scram_plus;
mod secrets;
mod secrets_cli;
mod seeds;
mod shutdown;
mod specs;
mod upstream;
mod url;
mod vanished;
