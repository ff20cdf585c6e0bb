//! Metrics: counts of what happens, and their text for Prometheus.
//!
//! [`Metrics`] counts; recording takes no lock that a scrape or a login holds for long. What is not
//! counted but looked up ([`Readings`]) is brought by whoever scrapes. No text of a client becomes
//! a label: names of connections that exist do, all others are `other`.

pub(crate) use self::connections::{OfConnection, Origin};
pub(crate) use self::format::Format;
pub(crate) use self::label::{
    AuthReason, CancelOutcome, End, LoginStage, Outcome, ReloadOutcome, Side, Slot, Sqlstate, TlsReason,
};
pub(crate) use self::recorder::Metrics;
pub(crate) use self::scrape::{Connection, Exposition, OTHER, Readings, ReferenceReading};
pub(crate) use self::traffic::Traffic;

mod connections;
mod counts;
mod family;
mod format;
mod histogram;
mod label;
mod page;
mod process;
mod recorder;
mod scrape;
mod traffic;

#[cfg(test)]
mod tests;
