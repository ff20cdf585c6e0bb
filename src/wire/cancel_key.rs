//! The key of a session that a CancelRequest names.

use crate::secret::SecretBytes;
use crate::wire;

/// What a CancelRequest carries.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct CancelKey {
    pub(crate) pid: u32,
    /// 4 bytes in protocol 3.0, up to 256 in 3.2.
    secret: SecretBytes,
}

impl CancelKey {
    /// The key of a session with this pid.
    pub(crate) fn new(pid: u32, secret: &[u8]) -> Self {
        Self { pid, secret: SecretBytes::new(secret.into()) }
    }

    /// Reads what follows the request code.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let (pid, secret) = body.split_at_checked(4)?;
        (4..=256)
            .contains(&secret.len())
            .then(|| Self::new(wire::peek_u32(pid, 0), secret))
    }

    /// The body of a BackendKeyData or CancelRequest.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.pid.to_be_bytes().to_vec();
        self.secret.append_to(&mut bytes);
        bytes
    }
}
