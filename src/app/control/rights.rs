//! Who may use the console.

use std::net::IpAddr;

use crate::address::is_in;
use crate::config::Admin;
use crate::operations::Rights;

/// The rights of a user that comes from this address. `None`: it may not use the console there.
pub(super) fn of(admin: &Admin, user: &str, from: IpAddr) -> Option<Rights> {
    let names = |users: &[String]| users.iter().any(|name| name == user);
    if !is_in(from, &admin.console_from) {
        return None;
    }
    if names(&admin.users) {
        return Some(Rights::All);
    }
    names(&admin.stats_users).then_some(Rights::Show)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_by_exact_name_and_by_place() {
        let admin = Admin {
            address: None,
            health_address: None,
            token: None,
            users: vec!["ops".to_owned(), "both".to_owned()],
            stats_users: vec!["monitor".to_owned(), "both".to_owned()],
            console_from: vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
            watch: false,
        };
        for (user, from, want) in [
            ("ops", "127.0.0.1", Some(Rights::All)),
            ("ops", "::ffff:10.1.2.3", Some(Rights::All)),
            ("ops", "192.168.0.1", None),
            ("monitor", "127.0.0.1", Some(Rights::Show)),
            ("both", "127.0.0.1", Some(Rights::All)),
            ("OPS", "127.0.0.1", None),
            ("", "127.0.0.1", None),
        ] {
            assert_eq!(of(&admin, user, from.parse().unwrap()), want, "{user} {from}");
        }
    }
}
