//! Key derivations: thousands of hashes each, so off the event loop and bounded in number.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};

/// Does the work when there is a permit, which goes with it: work goes on when nobody waits for it any more. The caller sets
/// the deadline.
///
/// # Errors
/// It panicked, or the runtime is shutting down.
pub(crate) async fn derive<T: Send + 'static>(
    permits: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    // Never closed.
    let permit = Arc::clone(permits).acquire_owned().await;
    let work = move || {
        let _held_to_the_end = permit;
        work()
    };
    spawn_blocking(work).await
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn abandoned_work_keeps_its_permit_to_its_end() {
        let permits = Arc::new(Semaphore::new(1));
        let (go_on, told) = mpsc::channel::<()>();
        let mut abandoned = Box::pin(derive(&permits, move || told.recv()));
        assert!(poll!(&mut abandoned).is_pending());
        drop(abandoned);
        let mut next = Box::pin(derive(&permits, || 7));
        assert!(poll!(&mut next).is_pending());
        assert_eq!(permits.available_permits(), 0);
        go_on.send(()).unwrap();
        assert_eq!(next.await.unwrap(), 7);
        let broken: Result<(), _> = derive(&permits, || panic!("broken")).await;
        assert!(broken.is_err());
        assert_eq!(permits.available_permits(), 1);
    }
}
