//! Reads a configuration key by key. Unlike serde, the reader goes on behind a problem, and knows
//! the line of each value.
//!
//! This module owns lines, dotted keys, `${NAME}`, references, and the verdict on keys that nobody
//! asked for. It does not know the meaning of any key.

pub(super) use self::doc::Doc;
pub(super) use self::key::dotted;
pub(super) use self::value::{Refused, Table, Value, if_given};

#[cfg(test)]
mod asked;
mod doc;
mod key;
mod referenced;
mod typed;
mod value;
