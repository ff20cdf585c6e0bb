//! Keys of the contract that this version does not serve yet. They are faults of their own kind,
//! under `--unknown-keys=warn` too: whoever counts on the admin address would miss it, and its
//! token and users, in silence.

/// Dotted paths; `*` stands for a name. A key here covers all below it.
pub(super) const NOT_YET: &[&str] = &["admin"];

/// What such a key is answered with.
pub(super) const NOT_YET_SUPPORTED: &str = "not yet supported";
