//! The reload: another configuration is put in the place of the one in force, as a whole or not at
//! all; and what happens because of changes of files and of lava's table.

pub(super) use self::reloader::{Reloader, Started};

mod bound;
mod files;
mod reloader;
mod retired;
mod table;
