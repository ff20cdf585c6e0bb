//! Fetches texts from AWS before there is a proxy: the configuration itself, where `--config` refers
//! to it, and the token of a running one.

use std::sync::Arc;
use std::time::Duration;

use crate::aws::{Base, Calls, StoreReader};
use crate::config::{Aws, HomeRegion, Reference, Remote};
use crate::fault::chain;
use crate::references::References;
use crate::secret::Secret;

/// The longest that the fetch may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Fetches the configuration where `--config` is a reference to AWS. The environment alone
/// says who calls AWS and where.
///
/// # Errors
/// Why it cannot be fetched, in a line for people.
pub(crate) fn fetch(remote: &Remote, env: &dyn Fn(&str) -> Option<String>) -> Result<Secret, String> {
    fetch_by(remote, &Aws { region: None, endpoint_url: None }, env)
}

/// Fetches a text that AWS keeps, as `[aws]` and the environment say. There is no runtime, so that
/// one is made for this call.
///
/// # Errors
/// Why it cannot be fetched, in a line for people.
pub(crate) fn fetch_by(remote: &Remote, aws: &Aws, env: &dyn Fn(&str) -> Option<String>) -> Result<Secret, String> {
    crate::aws::require_roots().map_err(|why| why.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|why| why.to_string())?;
    runtime.block_on(async {
        let home = if remote.names_region() { HomeRegion::Unneeded } else { HomeRegion::Needed };
        let base = Base::from_environment(aws, home, env).await;
        let store = StoreReader(Arc::new(Calls::new(base, TIMEOUT, None)));
        let read = References::new(Arc::new(store), TIMEOUT)
            .read(&Reference::Remote(remote.clone()))
            .await;
        read.map_err(|error| chain(&error))
    })
}
