//! tokio's clock, standing still while real sockets go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::raw::SOON;

/// Time stands still until this is dropped, but for [`FrozenTime::advance`].
///
/// A paused clock of tokio's jumps to the next timer as soon as the runtime idles, which with real
/// sockets is all the time. It does not while a blocking task runs: one is held here. It also
/// bounds the test in real time.
pub(crate) struct FrozenTime {
    release: Option<Sender<()>>,
    over: Arc<AtomicBool>,
}

impl FrozenTime {
    /// On a current-thread runtime only, as `#[tokio::test]` makes it.
    pub(crate) async fn start() -> Self {
        let (release, released) = channel::<()>();
        let (started, running) = tokio::sync::oneshot::channel();
        let over = Arc::new(AtomicBool::new(false));
        let late = Arc::clone(&over);
        tokio::task::spawn_blocking(move || {
            let _ = started.send(());
            if released.recv_timeout(2 * SOON) == Err(RecvTimeoutError::Timeout) {
                late.store(true, Ordering::Relaxed);
            }
        });
        running.await.unwrap();
        tokio::time::pause();
        Self { release: Some(release), over }
    }

    /// Moves tokio's clock, and lets whoever was woken by it run.
    pub(crate) async fn advance(&self, by: Duration) {
        tokio::time::advance(by).await;
    }

    /// Until it is so, without a timer; fails after a minute of real time.
    pub(crate) async fn wait_until(&self, wanted: impl Fn() -> bool) {
        while !wanted() {
            assert!(!self.over.load(Ordering::Relaxed), "it did not come about");
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for FrozenTime {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            tokio::time::resume();
        }
        drop(self.release.take());
    }
}
