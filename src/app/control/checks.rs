//! The checks that are under way.

use std::collections::HashSet;

use parking_lot::Mutex;

use crate::config::ConnId;

/// The connections that are being checked. The lock is held for one look.
#[derive(Default)]
pub(in crate::app) struct Checks(pub(super) Mutex<HashSet<ConnId>>);
