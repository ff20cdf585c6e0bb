//! The end of a configuration that has been replaced.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::time::sleep;

use crate::references::Watch;
use crate::session::Live;

/// How often it is looked whether anybody still holds a configuration.
const LOOK: Duration = Duration::from_secs(1);

/// Waits until no login holds a configuration any more, and drops it on a thread of its own: it may
/// have thousands of users, and must hold up neither the control thread nor a worker.
pub(super) async fn drop_in_time(live: Arc<Live>, watch: Arc<Watch>) {
    // What the watch does with new values holds the configuration too.
    let mut watch = Some(watch);
    while watch.is_some() || Arc::strong_count(&live) > 1 {
        if let Some(watched) = watch.take_if(|watch| Arc::strong_count(watch) == 1) {
            drop_elsewhere(watched);
        }
        sleep(LOOK).await;
    }
    drop_elsewhere(live);
}

fn drop_elsewhere<T: Send + 'static>(value: T) {
    // Without a thread it is dropped here.
    let _ = thread::Builder::new()
        .name("retired".to_owned())
        .spawn(move || drop(value));
}
