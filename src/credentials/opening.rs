//! What a session needs to reach a warehouse.

use std::sync::Arc;

use super::endpoint::{FoundAt, Wanted};
use super::login::DbLogin;
use super::order::Order;
use crate::aws::{Stored, StoredAt};

/// Where a warehouse is, and what its certificate has to say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct WarehouseAddr {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The name to send as SNI and to verify.
    pub(crate) server_name: String,
}

/// What a session dials, and as whom.
pub(crate) struct Opening {
    pub(crate) addr: WarehouseAddr,
    pub(crate) database: String,
    pub(crate) login: Arc<DbLogin>,
    pub(super) source: LoginSource,
    /// What AWS said of the place, where nobody else did.
    pub(super) endpoint: Option<(Wanted, Arc<FoundAt>)>,
}

/// What to ask again when the warehouse refuses the login.
pub(super) enum LoginSource {
    Minted(Order),
    Stored(StoredAt, Arc<Stored>),
}
