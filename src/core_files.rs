//! No core file of the process: it would hold passwords and private keys.

use tracing::warn;

/// Sets the limit on the size of core files to 0 (RLIMIT_CORE, getrlimit(2)), for good. systemd-coredump heeds it too.
pub(crate) fn forbid() {
    if let Err(error) = rlimit::setrlimit(rlimit::Resource::CORE, 0, 0) {
        warn!(error = error.to_string().as_str(), "core files cannot be turned off: one would hold secrets");
    }
}
