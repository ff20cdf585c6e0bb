//! The process's limit on open files, and how many sessions fit under it.

use tracing::{info, warn};

/// Files that are open besides sessions and handshakes: listeners, epoll, AWS connections, log, cancel requests.
const RESERVE: u64 = 256;

/// A session has two sockets.
const FILES_PER_SESSION: u64 = 2;

/// Raises the soft limit to the hard one (RLIMIT_NOFILE, getrlimit(2)) and cuts `max_sessions` to what fits, with one
/// warning.
pub(crate) fn fit(max_sessions: usize, max_handshakes: usize) -> usize {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => {
            let fitting = sessions(limit, max_handshakes);
            if fitting >= max_sessions {
                return max_sessions;
            }
            warn!(
                max_sessions,
                fitting,
                open_files = limit,
                "limits.max_sessions is cut to what the limit on open files allows"
            );
            fitting
        }
        Err(error) => {
            info!(error = error.to_string().as_str(), "the limit on open files is not known");
            max_sessions
        }
    }
}

/// A twentieth is kept for handshakes, or as many as there may be: they are short, and the oldest gives way.
fn sessions(limit: u64, max_handshakes: usize) -> usize {
    let handshakes = u64::try_from(max_handshakes).unwrap_or(u64::MAX).min(limit / 20);
    let files = limit.saturating_sub(RESERVE + handshakes);
    usize::try_from(files / FILES_PER_SESSION).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_files_a_session_and_some_to_spare() {
        for (limit, max_handshakes, expected) in
            [(1024, 2000, 358), (20_000, 2000, 9372), (20_000, 10, 9867), (1 << 20, 2000, 523_160), (64, 2000, 1)]
        {
            assert_eq!(sessions(limit, max_handshakes), expected, "{limit}");
        }
    }
}
