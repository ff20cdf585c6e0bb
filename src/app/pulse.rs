//! Whether the runtime threads are alive: a task on each of them writes the time down, again and
//! again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

/// From one tick of a thread to the next.
const TICK: Duration = Duration::from_secs(1);

/// The age of a thread's last tick from which the thread counts as hung.
const MAX_AGE: Duration = Duration::from_secs(10);

/// The last tick of each runtime thread. The tasks that tick hold it weakly, and end when it is
/// dropped.
pub(super) struct Pulse {
    began: Instant,
    threads: Vec<Thread>,
}

/// One runtime thread.
struct Thread {
    name: String,
    /// The time of the last tick, in milliseconds since the pulse began.
    ticked: AtomicU64,
}

impl Pulse {
    /// Begins to tick on these runtimes, each of which counts as alive for as long as a thread may
    /// be late.
    pub(super) fn start(control: &Handle, workers: &[Handle]) -> Arc<Self> {
        let names = (0..workers.len()).map(|number| format!("worker-{number}"));
        let pulse = Arc::new(Self::of(std::iter::once("control".to_owned()).chain(names)));
        for (number, runtime) in std::iter::once(control).chain(workers).enumerate() {
            let pulse = Arc::downgrade(&pulse);
            runtime.spawn(async move {
                while let Some(pulse) = pulse.upgrade() {
                    pulse.tick(number);
                    drop(pulse);
                    sleep(TICK).await;
                }
            });
        }
        pulse
    }

    fn of(names: impl Iterator<Item = String>) -> Self {
        let threads = names.map(|name| Thread { name, ticked: AtomicU64::new(0) });
        Self { began: Instant::now(), threads: threads.collect() }
    }

    fn tick(&self, number: usize) {
        if let Some(thread) = self.threads.get(number) {
            thread
                .ticked
                .store(millis(self.began.elapsed()), Ordering::Relaxed);
        }
    }

    /// Judges the last tick of each thread.
    ///
    /// # Errors
    /// The threads that are late, and how long they have not ticked, in one line.
    pub(super) fn judge(&self) -> Result<(), String> {
        let now = millis(self.began.elapsed());
        let late = self.threads.iter().filter_map(|thread| {
            let age = Duration::from_millis(now.saturating_sub(thread.ticked.load(Ordering::Relaxed)));
            (age >= MAX_AGE).then(|| format!("{} has not ticked for {} s", thread.name, age.as_secs()))
        });
        let late: Vec<_> = late.collect();
        if late.is_empty() { Ok(()) } else { Err(late.join(", ")) }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_thread_that_does_not_tick_is_named() {
        let pulse = Pulse::of(
            ["control", "worker-0", "worker-1"]
                .map(str::to_owned)
                .into_iter(),
        );
        assert_eq!(pulse.judge(), Ok(()));
        advance(Duration::from_millis(9_999)).await;
        assert_eq!(pulse.judge(), Ok(()), "no thread has ticked yet, and none is late");
        pulse.tick(0);
        pulse.tick(2);
        advance(Duration::from_millis(1)).await;
        assert_eq!(pulse.judge(), Err("worker-0 has not ticked for 10 s".to_owned()));
        advance(Duration::from_secs(13)).await;
        pulse.tick(2);
        let late = "control has not ticked for 13 s, worker-0 has not ticked for 23 s";
        assert_eq!(pulse.judge(), Err(late.to_owned()));
        pulse.tick(0);
        pulse.tick(1);
        assert_eq!(pulse.judge(), Ok(()));
        pulse.tick(3);
    }

    #[tokio::test(start_paused = true)]
    async fn runtimes_tick_by_themselves_until_the_pulse_is_dropped() {
        let control = Handle::current();
        let pulse = Pulse::start(&control, std::slice::from_ref(&control));
        sleep(MAX_AGE * 3).await;
        assert_eq!(pulse.judge(), Ok(()));
        assert_eq!(control.metrics().num_alive_tasks(), 2);
        drop(pulse);
        sleep(TICK * 2).await;
        assert_eq!(control.metrics().num_alive_tasks(), 0);
    }

    /// A worker whose thread is held by work that blocks, as a bug would have it.
    #[test]
    fn a_worker_that_hangs_is_seen() {
        let runtime = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
        };
        let (control, worker) = (runtime(), runtime());
        let pulse = Pulse::start(control.handle(), &[worker.handle().clone()]);
        // The worker is never driven; the control thread is.
        control.block_on(async {
            tokio::time::pause();
            advance(MAX_AGE).await;
            sleep(TICK).await;
        });
        drop(worker);
        let told = control.block_on(async { pulse.judge() }).unwrap_err();
        assert!(told.starts_with("worker-0 has not ticked for 1"), "{told}");
    }
}
