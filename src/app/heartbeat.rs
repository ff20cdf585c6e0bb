//! The line of the log that says, every minute, what has happened in it: for those who run no
//! Prometheus, and as a sign of life on a quiet proxy.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use crate::operations::Totals;

/// The time between two lines.
const SPAN: Duration = Duration::from_secs(60);

/// What there is now, beside the sums of what has happened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gauges {
    /// The connections of clients that are not logged in yet.
    pub(super) handshakes: usize,
    /// The sessions.
    pub(super) sessions: usize,
    /// The bans in force.
    pub(super) bans: usize,
}

/// What a line says, summed since the start of the process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    /// What has happened.
    pub(super) totals: Totals,
    /// The lines of the log that were dropped.
    pub(super) lines_dropped: u64,
    /// What there is now.
    pub(super) gauges: Gauges,
}

/// Writes the lines. `App` and the task that writes one every minute hold it; the lock guards the
/// last reading while a line is made of it.
pub(super) struct Heartbeat {
    read: Box<dyn Fn() -> Reading + Send + Sync>,
    last: Mutex<(Instant, Reading)>,
}

impl Heartbeat {
    /// A heartbeat whose first line counts from now on. `read` walks no sessions.
    pub(super) fn new(read: impl Fn() -> Reading + Send + Sync + 'static) -> Self {
        Self { read: Box::new(read), last: Mutex::new((Instant::now(), Reading::default())) }
    }

    /// Starts the task that writes a line every minute.
    pub(super) fn start(self: &Arc<Self>) -> AbortOnDropHandle<()> {
        let running = Arc::clone(self);
        AbortOnDropHandle::new(tokio::spawn(async move { running.run().await }))
    }

    /// Writes a line every minute, for as long as it is polled.
    async fn run(&self) {
        let mut minutes = interval_at(Instant::now() + SPAN, SPAN);
        minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            minutes.tick().await;
            self.write();
        }
    }

    /// Writes a line about the time since the last one: at the end of the process too, so that the
    /// lines add up to all that has happened.
    pub(super) fn write(&self) {
        let (since, before, now) = self.next();
        let Totals { accepted, logins, refusals, ended, cancels, bytes_up, bytes_down, aws_calls, aws_errors } =
            difference(&before.totals, &now.totals);
        let Gauges { handshakes, sessions, bans } = now.gauges;
        info!(
            secs = since.elapsed().as_secs(),
            accepted,
            logins,
            refusals,
            ended,
            cancels,
            bytes_up,
            bytes_down,
            aws_calls,
            aws_errors,
            lines_dropped = now.lines_dropped.saturating_sub(before.lines_dropped),
            handshakes,
            sessions,
            bans,
            "totals"
        );
    }

    /// Reads anew. Returns when the last reading was, that one, and the new one.
    fn next(&self) -> (Instant, Reading, Reading) {
        let mut last = self.last.lock();
        let now = (self.read)();
        let (since, before) = std::mem::replace(&mut *last, (Instant::now(), now));
        (since, before, now)
    }
}

fn difference(before: &Totals, now: &Totals) -> Totals {
    let of = |field: fn(&Totals) -> u64| field(now).saturating_sub(field(before));
    Totals {
        accepted: of(|totals| totals.accepted),
        logins: of(|totals| totals.logins),
        refusals: of(|totals| totals.refusals),
        ended: of(|totals| totals.ended),
        cancels: of(|totals| totals.cancels),
        bytes_up: of(|totals| totals.bytes_up),
        bytes_down: of(|totals| totals.bytes_down),
        aws_calls: of(|totals| totals.aws_calls),
        aws_errors: of(|totals| totals.aws_errors),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reading_is_taken_every_minute_and_lines_add_up() {
        let logins = Arc::new(AtomicU64::new(5));
        let counted = Arc::clone(&logins);
        let read = move || {
            let totals = Totals { logins: counted.fetch_add(7, Ordering::Relaxed), ..Totals::default() };
            Reading { totals, lines_dropped: 1, ..Reading::default() }
        };
        let heartbeat = Arc::new(Heartbeat::new(read));
        let _task = heartbeat.start();
        let readings = || (logins.load(Ordering::Relaxed) - 5) / 7;
        tokio::task::yield_now().await;
        assert_eq!(readings(), 0, "not at once");
        for minute in 1..=3 {
            advance(SPAN).await;
            tokio::task::yield_now().await;
            assert_eq!(readings(), minute);
        }
        advance(Duration::from_secs(12)).await;
        let (since, before, now) = heartbeat.next();
        assert_eq!(since.elapsed().as_secs(), 12);
        assert_eq!(difference(&before.totals, &now.totals).logins, 7);
        assert_eq!(difference(&now.totals, &before.totals).logins, 0, "never below 0");
    }
}
