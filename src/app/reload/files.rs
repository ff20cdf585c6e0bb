//! `admin.watch`: a reload when a file of the configuration has changed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::reloader::Reloader;
use crate::blocking::Lanes;
use crate::operations::{Channel, Operator, SharedOperations};

/// From one look at the files to the next.
const POLL: Duration = Duration::from_secs(1);

impl Reloader {
    /// Reloads the configuration when a file has changed that the last load has read, or could not
    /// read, and has stayed as it is from one look to the next. Never ends. The files are looked at
    /// on a thread of their own, since a mount may hang.
    pub(in crate::app) async fn watch_files(self: Arc<Self>, operations: SharedOperations) {
        let threads = Lanes::new("watch-files", 1, 1);
        // What the last reload has come of, and what the last look has seen.
        let (mut judged, mut seen) = (None, None);
        loop {
            sleep(POLL).await;
            if !self.live.load().config.admin.watch {
                (judged, seen) = (None, None);
                continue;
            }
            let sources = self.sources.lock().clone();
            let as_read = sources.clone();
            let Ok(now) = threads.run((), move || sources.now()).await else { continue };
            let is_news = now != as_read && judged.as_ref() != Some(&now);
            if is_news && seen.as_ref() == Some(&now) {
                // Whatever comes of it, these files are not read again before they change.
                judged = Some(now.clone());
                let by = Operator { name: "watch".to_owned(), from: None, channel: Channel::Watch };
                // A refusal is logged by the reload.
                let _logged = operations.reload(by).await;
            }
            seen = Some(now);
        }
    }
}
