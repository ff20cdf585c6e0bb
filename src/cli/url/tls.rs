//! The TLS mode that a tool is told to use.

use std::fmt;

use crate::config::{Listen, TlsMode};

/// The note where a tool does not verify the proxy.
pub(super) const UNVERIFIED: &str = "require does not verify who answers";

/// The note where there is no TLS: Amazon's driver sends passwords in cleartext only, and so asks
/// for it.
pub(super) const AMAZON_NEEDS_TLS: &str = "Amazon's driver cannot log in without TLS";

/// `sslmode`, in libpq's terms.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SslMode {
    /// The listener has no TLS.
    Disable,
    /// The listener's certificate is made at start, so that no CA vouches for it.
    Require,
    /// The listener has a certificate of its own.
    VerifyFull,
}

impl SslMode {
    /// The strictest mode that the listener allows.
    pub(super) fn of(listen: &Listen) -> Self {
        match (listen.tls, &listen.identity) {
            (TlsMode::Disable, _) => Self::Disable,
            (TlsMode::Require | TlsMode::Prefer, None) => Self::Require,
            (TlsMode::Require | TlsMode::Prefer, Some(_)) => Self::VerifyFull,
        }
    }

    /// The note that holds for every tool.
    pub(super) fn note(self) -> Option<String> {
        (self == Self::Disable).then(|| "no TLS: passwords and results can be read on the way".to_owned())
    }
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disable => "disable",
            Self::Require => "require",
            Self::VerifyFull => "verify-full",
        })
    }
}
