//! The keys that are refused: unknown ones, and keys of the contract that this version does not
//! serve yet. The latter are refused even under `--unknown-keys=warn`, since an operator who counts
//! on replicas that share their caps and bans would miss that in silence.

/// The treatment of a key that this version does not know.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum UnknownKeys {
    /// A problem
    Refuse,
    /// A warning: for rolling back under a newer file
    Warn,
}

/// Keys that are not served yet, as dotted paths with `*` for a name. A key here covers all keys
/// below it.
pub(super) const NOT_YET: &[&str] = &["fleet"];

/// The message about a key of [`NOT_YET`].
pub(super) const NOT_YET_SUPPORTED: &str = "not yet supported";
