//! What a session needs to reach a warehouse.

use std::sync::Arc;

use super::endpoint::{EndpointKey, FoundEndpoint};
use super::login::DbLogin;
use super::login_key::LoginKey;
use crate::aws::{Stored, StoredAt};

/// The address of a warehouse, and the name that its certificate has to have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct WarehouseAddr {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The name to send as SNI and to verify.
    pub(crate) server_name: String,
}

/// What a session needs to reach a warehouse: where it is, and a login.
pub(crate) struct Opening {
    pub(crate) addr: WarehouseAddr,
    pub(crate) database: String,
    pub(crate) login: Arc<DbLogin>,
    pub(super) made_by: LoginSource,
    /// The endpoint that was looked up. `None`: spec or secret have the host.
    pub(super) endpoint: Option<(EndpointKey, Arc<FoundEndpoint>)>,
}

/// Where a login came from, and so what to reject when the warehouse refuses it.
pub(super) enum LoginSource {
    /// AWS minted it.
    Minted(LoginKey),
    /// Its password was stored.
    Stored(StoredAt, Arc<Stored>),
}
