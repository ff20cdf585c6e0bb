//! Keys that are refused: those that nobody knows, and those of the contract that this version does
//! not serve yet. The latter are problems of their own kind, under `--unknown-keys=warn` too: whoever
//! counts on the admin address would miss it, and its token and users, in silence.

/// What becomes of a key that this version does not know.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum UnknownKeys {
    /// A problem
    Refuse,
    /// A warning: for rolling back under a newer file
    Warn,
}

/// Dotted paths; `*` stands for a name. A key here covers all below it.
pub(super) const NOT_YET: &[&str] = &["admin"];

/// What such a key is answered with.
pub(super) const NOT_YET_SUPPORTED: &str = "not yet supported";
