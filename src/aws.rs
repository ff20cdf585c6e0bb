//! Everything about calling AWS: where its keys come from, one set of clients for each region, and
//! the one way in that every call takes.

mod arn;
mod base;
mod call;
mod clients;
mod code;
mod endpoints;
mod error;
mod failure;
mod forward_proxy;
pub(crate) mod gate;
mod identity;
mod operation;
pub(crate) mod partition;
mod redact;
mod region;
mod skew;
mod sources;
mod store;

pub(crate) use self::arn::Arn;
pub(crate) use self::base::require_roots;
pub use self::base::{Base, NoRoots};
pub(crate) use self::call::{Calls, Observer};
pub(crate) use self::code::{Code, EXPIRED, UNKNOWN_KEY, has_run_out};
pub(crate) use self::error::{AwsError, Call};
pub(crate) use self::operation::Operation;
pub(crate) use self::store::{STORED_MAX_AGE, StoreReader, Stored, StoredAt};
