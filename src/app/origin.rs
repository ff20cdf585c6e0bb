//! Where a running proxy gets its configuration from, at each reload.

use futures_util::future::LocalBoxFuture;

use crate::aws::Base;
use crate::config::{Config, Problems};

/// Where a running proxy gets its configuration from, and its identity towards AWS: `serve` has the
/// command line's, tests have their own.
pub trait Origin: Send + Sync + 'static {
    /// Reads the configuration. It may block for long, and may call AWS on a runtime of its own: it
    /// is called on a thread of its own.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration.
    fn load(&self) -> Result<Config, Problems>;

    /// The base identity and the endpoints that a configuration asks for.
    fn base<'a>(&'a self, config: &'a Config) -> LocalBoxFuture<'a, Base>;
}
