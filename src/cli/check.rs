//! `check`: proves each connection step by step on the live AWS and warehouse ([`live()`]), or says
//! what it would do from the configuration alone ([`offline()`]). Prints no secret.

pub(crate) use self::listener::ages;
pub(crate) use self::live::{CheckOutcome, live};
pub(crate) use self::offline::offline;
pub(crate) use self::request::{CheckRequest, CheckSettings};
pub(crate) use self::step::CheckStep;

mod call_steps;
mod certificate;
mod context;
mod explain;
mod listener;
mod live;
mod observed;
mod offline;
mod open_to;
mod password;
pub(crate) mod prove;
mod report;
mod request;
mod step;
mod user;
mod warehouse;
