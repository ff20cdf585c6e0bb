//! Which TLS mode a tool is told to use.

use std::fmt;

use crate::config::{Listen, TlsMode};

/// Where TLS has no say in who answers.
pub(super) const UNVERIFIED: &str = "require does not verify who answers";

/// It sends passwords in clear only, for which there has to be TLS.
pub(super) const AMAZON_NEEDS_TLS: &str = "Amazon's driver cannot log in without TLS";

/// `sslmode`, as libpq and those after it call it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SslMode {
    /// The listener has no TLS.
    Disable,
    /// Its certificate is made at start, so that nobody can vouch for it.
    Require,
    /// It has a certificate of its own.
    VerifyFull,
}

impl SslMode {
    /// The best that the listener allows.
    pub(super) fn of(listen: &Listen) -> Self {
        match (listen.tls, &listen.identity) {
            (TlsMode::Disable, _) => Self::Disable,
            (TlsMode::Require | TlsMode::Prefer, None) => Self::Require,
            (TlsMode::Require | TlsMode::Prefer, Some(_)) => Self::VerifyFull,
        }
    }

    /// What holds for every tool.
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
