//! Which connections there are, and which of them a principal may open.
//!
//! Connections come from the configuration and, with `[specs]`, from lava's table in DynamoDB:
//! [`table`] reads the table, [`item`] interprets its items. A connection of the configuration wins
//! over an item, even if their names differ in case.

pub(crate) use self::disabled::Disabled;
pub(crate) use self::error::SpecError;
pub(crate) use self::item::{Flaw, Found, attributes};
pub(crate) use self::permission::Permission;
pub(crate) use self::specs::{Named, Specs, check_enabled};
pub(crate) use self::table::SpecTable;

mod asked;
mod catalog;
mod disabled;
mod error;
mod item;
mod permission;
mod specs;
mod table;
#[cfg(test)]
mod tests;
mod unknown_names;
