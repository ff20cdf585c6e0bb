//! The process's limit on open files, and how many sessions fit under it.

use tracing::{info, warn};

use crate::config::Limits;

/// The files that are open besides sessions and handshakes: listeners, epoll, AWS connections, log,
/// cancel requests; those of consoles and of the handshakes that are kept for them, 16 each; and the
/// connections to the two admin addresses, 64 places each and one that makes room.
const RESERVE: u64 = 256 + 32 + 130;

/// The files that a session needs: two sockets.
const FILES_PER_SESSION: u64 = 2;

/// Raises the soft limit to the hard one (RLIMIT_NOFILE, getrlimit(2)) and cuts `max_sessions` and
/// `max_handshakes` to what fits, each with one warning. Without a file for the next connection
/// it could not be accepted, and the oldest would not give way to it.
pub(crate) fn fit(limits: &mut Limits) {
    let limit = match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => limit,
        Err(error) => {
            info!(
                event = "open files unknown",
                error = error.to_string().as_str(),
                "the limit on open files is not known"
            );
            return;
        }
    };
    let (sessions, handshakes) = fitting(limit, limits.max_handshakes);
    for (key, wanted, fitting) in [
        ("limits.max_sessions", &mut limits.max_sessions, sessions),
        ("limits.max_handshakes", &mut limits.max_handshakes, handshakes),
    ] {
        if fitting < *wanted {
            warn!(
                event = "limit cut",
                key,
                wanted = *wanted,
                fitting,
                open_files = limit,
                "{key} is cut to what the limit on open files allows"
            );
            limits.cut.push((key, *wanted));
            *wanted = fitting;
        }
    }
}

/// How many sessions and handshakes fit under the limit. A twentieth of the files is kept for
/// handshakes, or as many as there may be: they are short, and the oldest gives way.
fn fitting(limit: u64, max_handshakes: usize) -> (usize, usize) {
    let handshakes = u64::try_from(max_handshakes)
        .unwrap_or(u64::MAX)
        .min(limit / 20);
    let files = limit.saturating_sub(RESERVE + handshakes);
    let at_least_one = |count: u64| usize::try_from(count).unwrap_or(usize::MAX).max(1);
    (at_least_one(files / FILES_PER_SESSION), at_least_one(handshakes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_files_a_session_and_some_to_spare() {
        for (limit, max_handshakes, expected) in [
            (1024, 2000, (277, 51)),
            (20_000, 2000, (9291, 1000)),
            (20_000, 10, (9786, 10)),
            (1 << 20, 2000, (523_079, 2000)),
            (10, 2000, (1, 1)),
        ] {
            assert_eq!(fitting(limit, max_handshakes), expected, "{limit}");
        }
    }
}
