//! Checks users of one role on Serverless. One role is one `IAMR:` user, whoever logs in, and AWS
//! does not document whether the roles of one session show in another. So different `db_roles` over
//! one role are a problem, unless the connection accepts them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::access::RightList;
use super::user::User;
use crate::config::connection::{ConnSpec, Workgroup};
use crate::config::reader::Value;

/// The users with entries of their own, by name.
pub(super) type Users = BTreeMap<String, Arc<User>>;

/// Workgroups by the names of their connections.
pub(super) type Workgroups<'s> = BTreeMap<&'s str, (&'s ConnSpec, &'s Workgroup)>;

/// Reports one problem for each role, at a connection that does not accept it.
///
/// It does not list who may open a connection: of the users who share a list of rights it is enough
/// to know the first one, and the first one with other database roles.
pub(super) fn check(users: &Users, workgroups: &Workgroups<'_>, entries: &[Value<'_>]) {
    if workgroups.is_empty() {
        return;
    }
    let mut by_spec = BTreeMap::<&str, Seen<'_>>::new();
    for (list, seen) in by_list(users) {
        for (id, _) in list.patterns.runs(workgroups).flatten() {
            by_spec.entry(id).or_default().merge(seen);
        }
    }
    let mut by_role = BTreeMap::<&str, Vec<(&ConnSpec, &Workgroup, Seen<'_>)>>::new();
    for (id, seen) in by_spec {
        let Some((spec, workgroup)) = workgroups.get(id) else { continue };
        let Some(role) = spec.roles.hops.last() else { continue };
        by_role
            .entry(&role.role_arn)
            .or_default()
            .push((spec, workgroup, seen));
    }
    for (role, logins) in by_role {
        let mut strict = logins
            .iter()
            .filter(|(_, workgroup, _)| !workgroup.shared_user_roles);
        let Some((spec, one)) = strict.find_map(|(spec, _, seen)| Some((spec, seen.first?))) else { continue };
        let Some(other) = logins
            .iter()
            .find_map(|(_, _, seen)| seen.first_unlike(one.roles))
        else {
            continue;
        };
        let Some(entry) = entries.iter().find(|entry| entry.name == spec.id.as_str()) else {
            continue;
        };
        let [one, other] = [one, other].map(|login| login.user.escape_debug());
        entry.report(format_args!(
            "users \"{one}\" and \"{other}\" have different db_roles, but {role} makes them one database user; \
             shared_user_roles = true accepts that"
        ));
    }
}

/// The lists of rights that users have, each with those users that matter.
fn by_list(users: &Users) -> impl Iterator<Item = (&RightList, Seen<'_>)> {
    let mut roles_seen = HashMap::new();
    let mut lists = HashMap::<*const RightList, (&RightList, Seen<'_>)>::new();
    for (name, user) in users {
        let mut roles: Vec<_> = user.rights.db_roles.iter().map(String::as_str).collect();
        roles.sort_unstable();
        let known = roles_seen.len();
        let login = Login { user: name, roles: *roles_seen.entry(roles).or_insert(known) };
        for list in user.rights.connections.lists() {
            lists
                .entry(Arc::as_ptr(list))
                .or_insert((list, Seen::default()))
                .1
                .add(login);
        }
    }
    lists.into_values()
}

/// A user, and a number for its set of database roles.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Login<'u> {
    user: &'u str,
    roles: usize,
}

/// The first of some users by name, and the first one whose database roles differ from that one's.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Seen<'u> {
    first: Option<Login<'u>>,
    unlike_first: Option<Login<'u>>,
}

impl<'u> Seen<'u> {
    fn add(&mut self, login: Login<'u>) {
        #[cfg(test)]
        crate::config::value::work::compared();
        let all = [Some(login), self.first, self.unlike_first]
            .into_iter()
            .flatten();
        let Some(first) = all.clone().min_by_key(|login| login.user) else {
            return;
        };
        self.unlike_first = all
            .filter(|login| login.roles != first.roles)
            .min_by_key(|login| login.user);
        self.first = Some(first);
    }

    fn merge(&mut self, others: Self) {
        for login in [others.first, others.unlike_first].into_iter().flatten() {
            self.add(login);
        }
    }

    /// The first user whose database roles are not these.
    fn first_unlike(&self, roles: usize) -> Option<Login<'u>> {
        self.first
            .filter(|first| first.roles != roles)
            .or(self.unlike_first.filter(|other| other.roles != roles))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a look at all of them, in every order and parting.
    #[test]
    fn two_of_all_users_are_enough() {
        const USERS: [(&str, usize); 5] = [("a", 0), ("b", 0), ("c", 1), ("d", 2), ("e", 1)];
        for chosen in 0..1 << USERS.len() {
            for parted in 0..1 << USERS.len() {
                let (mut one, mut other) = (Seen::default(), Seen::default());
                let users = USERS
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| chosen >> at & 1 == 1);
                for (at, &(user, roles)) in users.clone() {
                    if parted >> at & 1 == 1 { &mut one } else { &mut other }.add(Login { user, roles });
                }
                let mut backwards = other;
                backwards.merge(one);
                one.merge(other);
                assert_eq!(one, backwards);
                assert_eq!(one.first.map(|login| login.user), users.clone().next().map(|(_, (user, _))| *user));
                for roles in 0..4 {
                    let want = users
                        .clone()
                        .find(|(_, (_, of))| *of != roles)
                        .map(|(_, (user, _))| *user);
                    assert_eq!(one.first_unlike(roles).map(|login| login.user), want, "{chosen} {parted} {roles}");
                }
            }
        }
    }
}
