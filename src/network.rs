//! The network around a proxy: how names are looked up, and how a vanished peer is noticed. Tests
//! give their own to [`App::start_on`](crate::app::App::start_on).

use std::time::Duration;

pub use crate::resolver::{LookUp, system};

/// The network that a proxy is on, as far as tests replace it.
#[derive(Clone)]
pub struct Network {
    /// Looks warehouses' host names up.
    pub look_up: LookUp,
    /// How a silent peer is probed.
    pub probes: Probes,
}

/// The probes by which a silent peer is found to be gone. The defaults are fixed by the contract of
/// `upstream.keepalive`; tests shrink them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Probes {
    /// Pause between two keepalive probes. The first one goes out after `upstream.keepalive` of
    /// silence.
    pub interval: Duration,
    /// The number of TCP keepalive probes in a row that may stay unanswered.
    pub count: u32,
    /// The time for which bytes that were sent may stay unacknowledged.
    pub unacknowledged: Duration,
}

impl Default for Network {
    fn default() -> Self {
        Self { look_up: system(), probes: Probes::default() }
    }
}

impl Default for Probes {
    fn default() -> Self {
        Self { interval: Duration::from_secs(10), count: 3, unacknowledged: Duration::from_secs(60) }
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("probes", &self.probes)
            .finish_non_exhaustive()
    }
}
