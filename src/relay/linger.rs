//! A client that has ended its side: it still gets its results, but not without end.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::coop::unconstrained;
use tokio::time::{Sleep, sleep};

/// How long a session may go on behind the end of its client: a tool that half-closes reads its
/// result meanwhile, and of one that is gone nobody else would tell.
pub(super) const LINGER: Duration = Duration::from_secs(30);

/// The time behind the client's end; nothing until then.
#[derive(Default)]
pub(super) struct Linger(Option<Pin<Box<Sleep>>>);

impl Linger {
    /// To be asked whenever the session was woken behind the client's end. Ready [`LINGER`] after
    /// it was asked first.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        // Out of tokio's budget it would not register, and nobody would ask it again.
        pin!(unconstrained(timer.as_mut())).poll(cx)
    }
}
