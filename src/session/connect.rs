//! From a permitted connection to a warehouse that is ready: credential and dial, and which
//! failures are worth another try.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::error::SessionError;
use super::event::Event;
use super::login::Login;
use crate::client_auth::Principal;
use crate::config::ConnSpec;
use crate::credentials::{CredentialError, Owner};
use crate::upstream::{OpenError, Route, Step, UpstreamConn};

/// Fetches a database login and opens a session at the warehouse with it. Fetches one more login if
/// the warehouse refuses the first, and asks AWS once more where the warehouse is if it is not
/// where AWS said. A credential has a deadline of its own; the login's begins with the first dial.
pub(super) async fn connect(
    login: &Login<'_>,
    spec: &ConnSpec,
    principal: &Principal,
    parameters: &[(String, String)],
) -> Result<(Arc<Route>, UpstreamConn), SessionError> {
    let Login { shared, live, session, .. } = login;
    let failed = |source| OpenError { conn_id: spec.id.clone(), source };
    let owner = Owner::new(&principal.user, &principal.holder);
    let mut first_dial = None;
    loop {
        session.happened(&Event::CredentialAwaited);
        let opening = {
            let _waiting = shared.metrics.wait_for_credential();
            live.logins.open(spec, owner).await
        };
        let opening = opening.map_err(|source| CredentialError { conn_id: spec.id.clone(), source })?;
        let (host, database) = (opening.addr.host.as_str(), opening.database.as_str());
        session.happened(&Event::Dialled { db_user: &opening.login.user, host, database });
        let route = live
            .routes
            .to(opening.addr.clone(), spec.ca.as_ref())
            .map_err(failed)?;
        let is_retry = first_dial.is_some();
        let deadline = *first_dial.get_or_insert_with(Instant::now) + live.login_timeout;
        let on_step = |step: Step<'_>| session.happened(&Event::Dial(step));
        let dialling = route.open(&opening.login, &opening.database, parameters, &on_step);
        let dialled = timeout_at(deadline, dialling).await;
        match dialled.map_err(|source| SessionError::LoginTimeout { conn_id: spec.id.clone(), source })? {
            Err(error) if error.is_login_refused() && live.logins.refused(&opening) && !is_retry => {
                session.happened(&Event::CredentialRefused(&error));
            }
            Err(error) if error.is_misled() && !is_retry && live.logins.moved(&opening) => {
                session.happened(&Event::WarehouseMoved(&error));
            }
            Err(error) => return Err(failed(error).into()),
            Ok(upstream) => return Ok((Arc::new(route), upstream)),
        }
    }
}
