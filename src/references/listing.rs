//! What a listing of an SSM path is, and how large one may be.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::secret::Secret;

/// The SecureString parameters right below a path, by the last element of their names.
pub(crate) type Listing = BTreeMap<String, Secret>;

/// The longest that one listing may take with all its pages: less than from one read to the next.
pub(super) const LISTING_TIMEOUT: Duration = Duration::from_secs(90);

/// The most parameters below a path that are taken.
pub(super) const MAX_LISTED: usize = 10_000;

/// The most bytes that the values of one listing may have together.
pub(super) const MAX_LISTED_BYTES: usize = 8 * 1024 * 1024;

/// The most pages of one listing: twice what so many parameters need at ten a page, for a page may
/// be empty.
pub(super) const MAX_PAGES: usize = MAX_LISTED / 10 * 2;
