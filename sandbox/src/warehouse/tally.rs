//! The counts and messages that the warehouse has seen, for tests to read and to wait for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// A cancel request, as it is passed on to PostgreSQL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cancel {
    /// Behind an SSLRequest and a handshake, rather than in clear.
    pub inside_tls: bool,
    /// The process whose query is to be cancelled, as the request names it; it need not exist.
    pub pid: u32,
}

type Parameters = Vec<(String, String)>;

/// Shared by all sessions; sessions write, the [`super::Warehouse`] reads.
pub(super) struct Tally {
    dials: watch::Sender<usize>,
    cancels: watch::Sender<Vec<Cancel>>,
    startups: Mutex<Vec<Parameters>>,
    logins: AtomicUsize,
    answers: AtomicUsize,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            dials: watch::Sender::new(0),
            cancels: watch::Sender::new(Vec::new()),
            startups: Mutex::default(),
            logins: AtomicUsize::new(0),
            answers: AtomicUsize::new(0),
        }
    }

    pub(super) fn dialled(&self) {
        self.dials.send_modify(|dials| *dials += 1);
    }

    /// A connection turns out to be a cancel request, which is not counted as a dial.
    pub(super) fn not_a_dial(&self) {
        self.dials
            .send_modify(|dials| *dials = dials.saturating_sub(1));
    }

    pub(super) fn cancelled(&self, cancel: Cancel) {
        self.cancels.send_modify(|cancels| cancels.push(cancel));
    }

    pub(super) fn started(&self, parameters: Parameters) {
        self.locked_startups().push(parameters);
    }

    pub(super) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn logged_in(&self) {
        self.logins.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn dials(&self) -> usize {
        *self.dials.borrow()
    }

    pub(super) fn logins(&self) -> usize {
        self.logins.load(Ordering::Relaxed)
    }

    pub(super) fn answers(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }

    pub(super) fn startups(&self) -> Vec<Parameters> {
        self.locked_startups().clone()
    }

    pub(super) fn cancels(&self) -> Vec<Cancel> {
        self.cancels.borrow().clone()
    }

    pub(super) async fn wait_for_dials(&self, count: usize) {
        // Errs only if the sender is gone, which is ours.
        let _ = self
            .dials
            .subscribe()
            .wait_for(|dials| *dials >= count)
            .await;
    }

    pub(super) async fn wait_for_cancels(&self, count: usize) {
        let _ = self
            .cancels
            .subscribe()
            .wait_for(|cancels| cancels.len() >= count)
            .await;
    }

    fn locked_startups(&self) -> MutexGuard<'_, Vec<Parameters>> {
        self.startups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
