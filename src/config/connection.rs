//! One connection: the spec that a conn_id stands for.

pub use self::bounds::{Bounds, BoundsError};
pub use self::id::{BadConnId, ConnId};
#[cfg(test)]
pub(crate) use self::item::FIELDS as ITEM_FIELDS;
pub use self::item::connection_from_item;
pub(super) use self::read::connections;
pub use self::spec::{Cluster, ConnSpec, LoginAs, LoginFrom, RoleHop, Roles, Target, Workgroup};
pub(crate) use self::startup::MAX_APPLICATION_NAME;
#[cfg(test)]
pub(crate) use self::startup::{NEVER_PASSED, OURS};
pub use self::startup::{NameTemplate, Piece, StartupPolicy};

mod bounds;
mod id;
mod item;
mod kind;
mod login;
mod names;
mod read;
mod role;
mod spec;
mod startup;
mod target;
