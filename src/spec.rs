//! Which connections there are, and which of them a principal may open.
//!
//! They come from the configuration and, with `[specs]`, from lava's table: [`table`] reads it,
//! [`item`] says what is in it. The configuration's win, also over a name that differs from theirs
//! by case alone.

pub(crate) use self::error::SpecError;
pub(crate) use self::item::{Flaw, Found, attributes};
pub(crate) use self::specs::{Named, Specs, enabled};
pub(crate) use self::table::SpecTable;

mod asked;
mod catalog;
mod error;
mod item;
mod specs;
mod table;
#[cfg(test)]
mod tests;
mod unknown_names;
