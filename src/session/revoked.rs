//! Sessions whose right is gone: their user, connection or right has been taken out of the
//! configuration or disabled, or they come from where the user may not come from any more.

use super::facts::{Facts, Stage};
use super::live::Live;
use super::registry::Sessions;
use crate::client_auth::Standing;
use crate::config::{ConnId, Holder};
use crate::spec::Permission;
use crate::stop::Order;

/// Ends the sessions that have no right under this configuration, and returns how many there were.
/// Those on connections of lava's table are only ended if names alone tell. A login that is under
/// way judges itself again before its session is relayed.
pub(crate) fn revoke(sessions: &Sessions, live: &Live) -> usize {
    sessions.end_where(Order::Revoke, |facts| has_lost_right(live, facts))
        + sessions.end_consoles_where(Order::Revoke, |facts| has_lost_right(live, facts))
}

/// Whether a configuration gives a session no right to its connection, or its console. A session
/// that has come to neither yet has lost nothing.
pub(super) fn has_lost_right(live: &Live, facts: &Facts) -> bool {
    match facts.stage {
        Stage::Console(_) => !may_use_console(live, facts),
        Stage::LoggingIn | Stage::AwaitsCredential | Stage::AwaitsWarehouse | Stage::Relays(_) => {
            permission(live, facts) == Permission::Lost
        }
    }
}

/// What has become of a session's right to its connection.
pub(crate) fn permission(live: &Live, facts: &Facts) -> Permission {
    let Some(conn_id) = facts.conn_id.as_ref().filter(|_| facts.is_proven) else {
        return Permission::Granted;
    };
    match live.accounts.standing(&facts.user, facts.has_own_entry) {
        Standing::Unread => Permission::Granted,
        Standing::Known(holder) if may_be_there(&holder, facts) => live.specs.permission(&holder, conn_id),
        Standing::Known(_) | Standing::Nobody => Permission::Lost,
    }
}

/// The user of a session that is on this connection. `None`: the session is on another, or its user
/// is gone.
pub(crate) fn holder_on(live: &Live, facts: &Facts, conn_id: &ConnId) -> Option<Holder> {
    if facts.conn_id.as_ref() != Some(conn_id) || !facts.is_proven {
        return None;
    }
    match live.accounts.standing(&facts.user, facts.has_own_entry) {
        Standing::Known(holder) => Some(holder),
        Standing::Unread | Standing::Nobody => None,
    }
}

/// Whether a client may use the console under this configuration, as the user that it has proved to
/// be.
pub(super) fn may_use_console(live: &Live, facts: &Facts) -> bool {
    let admin = &live.config.admin;
    let is_listed = |names: &[String]| names.iter().any(|name| **name == *facts.user);
    let is_known = match live.accounts.standing(&facts.user, facts.has_own_entry) {
        Standing::Known(holder) => may_be_there(&holder, facts),
        Standing::Unread | Standing::Nobody => false,
    };
    is_known
        && (is_listed(&admin.users) || is_listed(&admin.stats_users))
        && crate::address::is_in(facts.client, &admin.console_from)
}

fn may_be_there(holder: &Holder, facts: &Facts) -> bool {
    let rights = holder.rights();
    rights.enabled && rights.may_come_from(facts.client, facts.vpc_endpoint.as_deref())
}
