//! What a session needs to reach a warehouse.

use std::sync::Arc;

use super::endpoint::{EndpointKey, FoundEndpoint};
use super::login::DbLogin;
use super::login_key::LoginKey;
use crate::aws::{Stored, StoredAt};

/// The address of a warehouse, and the name that its certificate has to have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct WarehouseAddr {
    /// The name or address to dial.
    pub(crate) host: String,
    /// The TCP port to dial.
    pub(crate) port: u16,
    /// The name to send as SNI and to verify.
    pub(crate) server_name: String,
}

/// The address of a warehouse and a login for it: all that a session needs to reach it.
pub(crate) struct Opening {
    /// The address to dial.
    pub(crate) addr: WarehouseAddr,
    /// The database to log in to.
    pub(crate) database: String,
    /// The user and password to log in with.
    pub(crate) login: Arc<DbLogin>,
    /// The source of the login.
    pub(super) made_by: LoginSource,
    /// The endpoint that was looked up. `None`: spec or secret have the host.
    pub(super) endpoint: Option<(EndpointKey, Arc<FoundEndpoint>)>,
}

/// The source of a login, and so what to reject when the warehouse refuses the login.
pub(super) enum LoginSource {
    /// AWS minted the login.
    Minted(LoginKey),
    /// The password of the login was stored in SSM or Secrets Manager.
    Stored(StoredAt, Arc<Stored>),
}
