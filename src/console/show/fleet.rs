//! `SHOW FLEET`

use crate::console::answer::{Kind, Value};
use crate::console::show::Table;

/// What a replica is to its fleet.
pub(super) struct FleetState(&'static str);

/// The state of a replica that has no `[fleet]`.
pub(super) const ALONE: FleetState = FleetState("alone");

/// The fleet that this replica belongs to.
pub(super) const FLEET: Table<FleetState> = Table(&[("state", Kind::Text, |fleet| Value::text(fleet.0))]);
