//! The users with entries of their own, and that of all others.

use super::Control;
use crate::config::Holder;
use crate::operations::UserStatus;

/// Lists the users by name; `*` comes last and counts the sessions of nobody, since those are of
/// users by other names.
pub(super) fn all(control: &Control) -> Vec<UserStatus> {
    let live = control.live.load_full();
    let (_, sessions) = control.shared.caps.counts();
    live.config
        .holders()
        .map(|(name, holder)| {
            let is_read = match name {
                Some(name) => live.accounts.is_read(name),
                None => live.accounts.is_list_read(),
            };
            let sessions = name
                .and_then(|name| sessions.get(name).copied())
                .unwrap_or(0);
            status(name.unwrap_or("*"), &holder, is_read, sessions)
        })
        .collect()
}

fn status(name: &str, holder: &Holder, is_read: bool, sessions: usize) -> UserStatus {
    let rights = holder.rights();
    let lists = rights.connections.lists();
    UserStatus {
        name: name.to_owned(),
        enabled: rights.enabled,
        auth: if holder.is_proved_by_certificate() { "cert" } else { "password" },
        groups: lists
            .filter_map(|list| list.group().map(str::to_owned))
            .collect(),
        connections: rights
            .connections
            .rights()
            .map(|right| right.pattern.to_owned())
            .collect(),
        password_expires: rights.password_expires,
        is_read,
        sessions,
        max_sessions: rights.max_sessions,
    }
}
