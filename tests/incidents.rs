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

use support::{Rig, Setup, World};

/// A PROXY header of version 1.
const HEADER: &[u8] = b"PROXY TCP4 198.51.100.7 192.0.2.1 40000 5439\r\n";

/// A rig whose proxy believes the headers of these networks, as they stand in the configuration.
async fn behind_balancers(networks: &str) -> Rig {
    let mut world = World::start(&Setup::default()).await;
    world.edit("[listen]\n", &format!("[listen]\nproxy_protocol_from = [{networks}]\n"));
    Box::pin(Rig::over(world)).await
}

#[path = "incidents/aws.rs"]
mod aws;
#[path = "incidents/cancel.rs"]
mod cancel;
#[path = "incidents/crowds.rs"]
mod crowds;
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
