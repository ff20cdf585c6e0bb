//! What has gone wrong elsewhere, each incident by its name: docs/incidents.md has a row for each.

mod aws;
mod cancel;
mod crowds;
mod dns;
mod encryption;
mod identity;
mod leaks;
mod packets;
mod table;
