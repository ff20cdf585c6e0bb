//! The key of a session that a CancelRequest names.

use crate::secret::same;
use crate::wire;

/// What a CancelRequest carries.
#[derive(Clone)]
pub(crate) struct CancelKey {
    pub(crate) pid: u32,
    /// 4 bytes in protocol 3.0, up to 256 in 3.2.
    secret: Box<[u8]>,
}

impl CancelKey {
    /// The key of a session with this pid.
    pub(crate) fn new(pid: u32, secret: &[u8]) -> Self {
        Self { pid, secret: secret.into() }
    }

    /// Reads what follows the request code.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let (pid, secret) = body.split_at_checked(4)?;
        (4..=256)
            .contains(&secret.len())
            .then(|| Self::new(wire::peek_u32(pid, 0), secret))
    }

    /// The part that must not be guessed.
    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// The body of a BackendKeyData or CancelRequest.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [&self.pid.to_be_bytes(), &*self.secret].concat()
    }
}

/// The secret in constant time.
impl PartialEq for CancelKey {
    fn eq(&self, other: &Self) -> bool {
        self.pid == other.pid && same(&self.secret, &other.secret)
    }
}

impl std::fmt::Debug for CancelKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelKey")
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}
