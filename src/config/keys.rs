//! Keys of the contract that this version does not serve yet. They are faults of their own kind, under
//! `--unknown-keys=warn` too: most of them narrow what a user may do, and must not be dropped in silence.

/// Dotted paths; `*` stands for a name. A key here covers all below it.
pub(super) const NOT_YET: &[&str] =
    &["admin", "listen.proxy_protocol_from", "listen.sni_suffix", "listen.reuse_port", "connections.*.listen"];

/// What such a key, or such a value of a key that is served, is answered with.
pub(super) const NOT_YET_SUPPORTED: &str = "not yet supported";
