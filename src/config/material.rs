//! Texts that the configuration refers to: certificates, keys, revocation lists.

use super::value::Reference;
use crate::secret::Secret;

/// A text that the configuration refers to.
#[derive(Clone, Debug)]
pub struct Material {
    /// The place of the text, so that it can be read again; paths are absolute.
    pub from: Reference,
    /// The text as it was at load, after checks. `None`: AWS keeps it, and it was not read.
    pub text: Option<Secret>,
}
