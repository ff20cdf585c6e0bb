//! What may be used up, and how much of it is.

use std::fs;

use super::Control;
use crate::limits::caps::MAX_CONSOLES;
use crate::operations::LimitStatus;

/// Lists the caps of the whole proxy. Those of connections and users are in their own tables.
pub(super) fn all(control: &Control) -> Vec<LimitStatus> {
    let live = control.live.load();
    let limits = &live.limits;
    let of = |name, used: usize, limit: Option<usize>| LimitStatus { name, used: wide(used), limit: limit.map(wide) };
    vec![
        of("max_sessions", control.shared.caps.sessions(), Some(limits.max_sessions)),
        of("consoles", control.shared.caps.consoles(), Some(MAX_CONSOLES)),
        of("max_handshakes", control.shared.handshakes.count_common(), Some(limits.handshakes.max)),
        LimitStatus {
            name: "open_files",
            used: open_files(),
            limit: rlimit::getrlimit(rlimit::Resource::NOFILE)
                .ok()
                .map(|(soft, _hard)| soft),
        },
    ]
}

/// The files that this process has open, as Linux counts them since 6.2; older ones have them
/// listed.
fn open_files() -> u64 {
    let of_folder = fs::metadata("/proc/self/fd").map_or(0, |folder| folder.len());
    if of_folder > 0 { of_folder } else { fs::read_dir("/proc/self/fd").map_or(0, |files| wide(files.count())) }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
