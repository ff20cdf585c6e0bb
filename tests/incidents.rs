//! What has gone wrong elsewhere, each incident by its name: docs/incidents.md has a row for each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that fails has done its work"
)]

mod support;

#[path = "incidents/aws.rs"]
mod aws;
#[path = "incidents/cancel.rs"]
mod cancel;
#[path = "incidents/crowds.rs"]
mod crowds;
#[path = "incidents/dns.rs"]
mod dns;
#[path = "incidents/encryption.rs"]
mod encryption;
#[path = "incidents/identity.rs"]
mod identity;
#[path = "incidents/leaks.rs"]
mod leaks;
#[path = "incidents/packets.rs"]
mod packets;
#[path = "incidents/table.rs"]
mod table;
