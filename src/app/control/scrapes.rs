//! The text of the metrics, made once for all who ask for it at the same time.

use tokio::runtime::Handle;

use crate::coalesce::Coalesced;
use crate::metrics::{Exposition, Format};

/// The pause after a scrape, in times of how long it took: a crowd of scrapers gets a tenth of a
/// processor at most.
const REST: u32 = 10;

/// The scrapes of each format. A scrape that has panicked has no text.
pub(in crate::app) struct Scrapes {
    open_metrics: Coalesced<Option<Exposition>>,
    text: Coalesced<Option<Exposition>>,
}

impl Scrapes {
    /// Scrapes that run on this runtime.
    pub(super) fn new(runtime: &Handle) -> Self {
        let of_one = || Coalesced::new(runtime.clone(), REST);
        Self { open_metrics: of_one(), text: of_one() }
    }

    /// The scrapes of this format.
    pub(super) fn of(&self, format: Format) -> &Coalesced<Option<Exposition>> {
        match format {
            Format::OpenMetrics => &self.open_metrics,
            Format::Text => &self.text,
        }
    }
}
