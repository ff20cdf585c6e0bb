//! Texts that the configuration refers to: certificates, keys, revocation lists.

use super::value::Reference;
use crate::secret::Secret;

/// A text that the file refers to.
#[derive(Clone, Debug)]
pub struct Material {
    /// Where it is, so that it can be read again; paths are absolute.
    pub from: Reference,
    /// As it was at load, and checked. `None`: AWS keeps it, and it was not read.
    pub text: Option<Secret>,
}
