//! The key of a session: the warehouse's own, or the one that we give to a client.

use crate::secret::SecretBytes;
use crate::wire;

/// The pid and the secret of a session, as BackendKeyData gives them and a CancelRequest names
/// them.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct CancelKey {
    /// The process number that names the session. Several servers may use the same one at once.
    pub(crate) pid: u32,
    /// The part that must not be guessed: 4 bytes in protocol 3.0, up to 256 in 3.2.
    secret: SecretBytes,
}

impl CancelKey {
    /// Joins a pid and a secret.
    pub(crate) fn new(pid: u32, secret: &[u8]) -> Self {
        Self { pid, secret: SecretBytes::new(secret.into()) }
    }

    /// Reads the body of a CancelRequest behind its code, or that of a BackendKeyData. `None`: no
    /// key has this length.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let (pid, secret) = body.split_at_checked(4)?;
        (4..=256)
            .contains(&secret.len())
            .then(|| Self::new(wire::peek_u32(pid, 0), secret))
    }

    /// Writes the key as the body of a BackendKeyData or CancelRequest has it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.pid.to_be_bytes().to_vec();
        self.secret.append_to(&mut bytes);
        bytes
    }
}
