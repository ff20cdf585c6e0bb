//! References: values that the configuration names by where they are kept (a file, SSM, Secrets
//! Manager), and that may change while the proxy runs.
//!
//! [`References`] reads one value, or lists the values below an SSM path, when it is asked.
//! [`Watch`] asks again every two minutes for each [`Watched`] value and has new ones applied.

pub(crate) use self::error::ReferenceError;
pub(crate) use self::listing::Listing;
pub(crate) use self::reader::References;
pub(crate) use self::record::LastReads;
pub(crate) use self::watch::Watch;
pub(crate) use self::watched::{BadValue, Watched};

mod error;
mod files;
mod listing;
mod reader;
mod record;
mod watch;
mod watched;
