//! From a permitted connection to a warehouse that is ready: credential and dial, and what is worth another try.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;

use super::log::Facts;
use super::{SessionError, Shared};
use crate::config::ConnSpec;
use crate::credentials::{CredentialError, DbLogin, Order};
use crate::fault::chain;
use crate::upstream::{OpenError, Route, UpstreamConn, UpstreamError};

/// How often a login that is cut off is dialled again, and the pause before, which doubles: a workgroup may be waking.
const REDIALS: u32 = 2;
const REDIAL_PAUSE: Duration = Duration::from_millis(250);

/// One fresh login if the warehouse refuses the first. A credential has a deadline of its own; that of the login begins
/// with the first dial.
pub(super) async fn connect(
    shared: &Shared,
    route: &Route,
    spec: &ConnSpec,
    parameters: &[(String, String)],
    facts: &mut Facts,
) -> Result<UpstreamConn, SessionError> {
    let order = Order::new(spec);
    let conn_id = || spec.id.as_str().to_owned();
    let mut first_dial = None;
    loop {
        let login = shared.logins.get(&order).await.map_err(|source| CredentialError { conn_id: conn_id(), source })?;
        facts.logs_in_as(&login.user);
        let is_retry = first_dial.is_some();
        let deadline = *first_dial.get_or_insert_with(Instant::now) + shared.login_timeout;
        let dialled = timeout_at(deadline, dial(route, &login, &spec.database, parameters)).await;
        match dialled.map_err(|source| SessionError::LoginTimeout { conn_id: conn_id(), source })? {
            Err(error) if error.is_login_refused() && !is_retry && shared.logins.refused(&order, &login) => {
                debug!(error = chain(&error).as_str(), "a login was refused: fetching another one");
            }
            outcome => return outcome.map_err(|source| OpenError { conn_id: conn_id(), source }.into()),
        }
    }
}

/// One login, dialled again where the warehouse cuts it off.
async fn dial(
    route: &Route,
    login: &DbLogin,
    database: &str,
    parameters: &[(String, String)],
) -> Result<UpstreamConn, UpstreamError> {
    let mut pause = REDIAL_PAUSE;
    for _ in 0..REDIALS {
        match route.open(login, database, parameters).await {
            Err(error) if error.is_reset() => {
                debug!(error = chain(&error).as_str(), "cut off during login: dialling again");
            }
            outcome => return outcome,
        }
        sleep(pause).await;
        pause *= 2;
    }
    route.open(login, database, parameters).await
}
