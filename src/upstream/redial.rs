//! Logins that are dialled again: a workgroup that wakes may cut them off.

use std::time::Duration;

use tokio::time::sleep;
use tracing::debug;

use super::conn::UpstreamConn;
use super::error::UpstreamError;
use super::route::Route;
use super::step::{OnStep, Step};
use crate::credentials::DbLogin;
use crate::fault::chain;

/// How often a login that is cut off is dialled again.
const REDIALS: u32 = 2;

/// The pause before the first redial; it doubles with each.
const REDIAL_PAUSE: Duration = Duration::from_millis(250);

/// The redials that one login has left, and the pause before the next. Each login has its own.
pub(crate) struct Redials {
    left: u32,
    pause: Duration,
}

impl Default for Redials {
    fn default() -> Self {
        Self { left: REDIALS, pause: REDIAL_PAUSE }
    }
}

impl Redials {
    /// Whether a login that failed with `error` is to be dialled again: the warehouse cut it off,
    /// and a redial is left. Waits for the pause before it.
    pub(crate) async fn take(&mut self, error: &UpstreamError) -> bool {
        if self.left == 0 || !error.is_reset() {
            return false;
        }
        debug!(error = chain(error).as_str(), "cut off during login: dialling again");
        sleep(self.pause).await;
        self.left -= 1;
        self.pause *= 2;
        true
    }
}

impl Route {
    /// Dials and logs in, and dials again where the warehouse cuts the login off. `parameters` go
    /// into the startup message behind user and database; `on_step` is told how far each dial has
    /// come. The caller sets the deadline: an idle workgroup wakes inside this step, for a minute
    /// at times.
    pub(crate) async fn open(
        &self,
        login: &DbLogin,
        database: &str,
        parameters: &[(String, String)],
        on_step: OnStep<'_>,
    ) -> Result<UpstreamConn, UpstreamError> {
        let mut redials = Redials::default();
        loop {
            // Boxed: it is large, and the futures around it would each hold room for it.
            match Box::pin(self.open_once(login, database, parameters, on_step)).await {
                Ok(opened) => return Ok(opened),
                Err(error) => {
                    on_step(Step::Failed(&error));
                    if !redials.take(&error).await {
                        return Err(error);
                    }
                }
            }
        }
    }
}
