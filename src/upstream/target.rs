//! Where a warehouse is.

/// Where a warehouse is, and what its certificate has to say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The name to send as SNI and to verify.
    pub(crate) server_name: String,
}
