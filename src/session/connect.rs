//! From a permitted connection to a warehouse that is ready: credential and dial, and what is worth
//! another try.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use tracing::debug;

use super::error::SessionError;
use super::log::Facts;
use super::shared::Shared;
use super::waiting::Wait;
use crate::client_auth::Principal;
use crate::config::ConnSpec;
use crate::credentials::{CredentialError, Owner};
use crate::fault::chain;
use crate::upstream::{OpenError, Route, UpstreamConn};

/// One fresh login if the warehouse refuses the first, one more look-up if it is not where AWS
/// said. A credential has a deadline of its own; that of the login begins with the first dial.
/// `wait` is told what goes on.
pub(super) async fn connect(
    shared: &Shared,
    spec: &ConnSpec,
    principal: &Principal,
    parameters: &[(String, String)],
    facts: &mut Facts,
    wait: &Wait,
) -> Result<(Arc<Route>, UpstreamConn), SessionError> {
    let failed = |source| OpenError { conn_id: spec.id.clone(), source };
    let owner = Owner::new(&principal.user, &principal.holder);
    let mut first_dial = None;
    loop {
        wait.for_credential();
        let opening = shared.logins.open(spec, owner).await;
        let opening = opening.map_err(|source| CredentialError { conn_id: spec.id.clone(), source })?;
        facts.logs_in_as(&opening.login.user);
        let route = shared
            .routes
            .to(opening.addr.clone(), spec.ca.as_ref())
            .map_err(failed)?;
        wait.for_warehouse();
        let is_retry = first_dial.is_some();
        let deadline = *first_dial.get_or_insert_with(Instant::now) + shared.login_timeout;
        let dialled = timeout_at(deadline, route.open(&opening.login, &opening.database, parameters)).await;
        match dialled.map_err(|source| SessionError::LoginTimeout { conn_id: spec.id.clone(), source })? {
            Err(error) if error.is_login_refused() && shared.logins.refused(&opening) && !is_retry => {
                debug!(error = chain(&error).as_str(), "a login was refused: fetching another one");
            }
            Err(error) if error.is_misled() && !is_retry && shared.logins.moved(&opening) => {
                debug!(error = chain(&error).as_str(), "the warehouse is not where AWS said: asking again");
            }
            Err(error) => return Err(failed(error).into()),
            Ok(upstream) => return Ok((Arc::new(route), upstream)),
        }
    }
}
