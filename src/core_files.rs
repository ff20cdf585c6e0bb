//! No core file of the process: it would hold passwords and private keys.

use rlimit::{Resource, setrlimit};
use tracing::warn;

/// Neither a file nor a dump for the helper of `kernel.core_pattern`. Of the kernel's
/// fs/coredump.c: a file is written where the limit is at least the binary format's `min_coredump`
/// (a page, for ELF), so that no file has 1 byte. A helper behind a `|` is fed whatever the limit
/// is, 0 too, but for 1: that is how the kernel knows a helper that crashes itself (`cprm.limit ==
/// 1`, "RLIMIT_CORE is set to 1, aborting core").
const NONE: u64 = 1;

/// Sets the limit on the size of core files (RLIMIT_CORE, getrlimit(2)), soft and hard, for good.
pub(crate) fn forbid() {
    let Err(error) = setrlimit(Resource::CORE, NONE, NONE) else { return };
    // A hard limit of 0 cannot be raised: then there are no files, but a helper is fed.
    let what_is_left = match setrlimit(Resource::CORE, 0, 0) {
        Ok(()) if !has_helper() => return,
        Ok(()) => {
            "a crash is dumped to the helper of kernel.core_pattern, with secrets in it: start with a hard limit of 1"
        }
        Err(_same) => "core files cannot be turned off: one would hold secrets",
    };
    warn!(event = "core files", error = error.to_string().as_str(), "{what_is_left}");
}

/// Whether dumps go to a program.
fn has_helper() -> bool {
    std::fs::read_to_string("/proc/sys/kernel/core_pattern").is_ok_and(|pattern| pattern.starts_with('|'))
}
