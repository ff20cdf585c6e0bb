//! Many connections and users, for tests that hold how work grows with both.

use std::fmt::Write;
use std::path::Path;

use super::value::work;
use super::{Config, UnknownKeys, parse};

/// A configuration of 20 groups: every user is in one, and has a connection of its own beside.
/// Every tenth connection is `per-user`; the users' names will not do as database users, and all
/// connections have one real database.
fn text(connections: usize, users: usize) -> String {
    let mut text = String::new();
    for at in 0..connections {
        let kind = match at % 20 {
            0 => "type = \"redshift\"\ncluster_id = \"c1\"\nidentity = \"per-user\"",
            10 => {
                "type = \"redshift-serverless\"\nworkgroup = \"wg1\"\nidentity = \"per-user\"\nshared_user_roles = true\n\
                 role_arn = \"arn:aws:iam::123456789012:role/r\""
            }
            _ => "type = \"redshift-serverless\"\nworkgroup = \"wg1\"",
        };
        let _infallible = writeln!(text, "[connections.t{:02}-{at:05}]\n{kind}\ndatabase = \"dev\"", at % 100);
    }
    for group in 0..20 {
        let globs: Vec<_> = (0..3)
            .map(|at| format!("\"t{:02}-*\"", group * 5 + at))
            .collect();
        let rights = format!("{}, \"*-{group:05}\", \"*-0?0{group:02}\"", globs.join(", "));
        let _infallible = writeln!(text, "[groups.g{group}]\nconnections = [{rights}]\ndb_roles = [\"r{group}\"]");
    }
    for at in 0..users {
        let own = at % connections;
        let _infallible = writeln!(
            text,
            "[users.u{at:05}]\npassword = \"env:PW\"\ngroups = [\"g{}\"]\nconnections = [\"t{:02}-{own:05}\"]",
            at % 20,
            own % 100
        );
    }
    text
}

fn env(name: &str) -> Option<String> {
    (name == "PW").then(|| "planted".to_owned())
}

/// A configuration with so many connections and users.
pub(crate) fn many(connections: usize, users: usize) -> Config {
    parse(&text(connections, users), Path::new("p"), &env, UnknownKeys::Refuse).unwrap()
}

/// By what factor the steps of a task grow when there are twice as many connections and users.
/// `task` is given the number of each, and returns its steps.
pub(crate) fn growth(task: impl Fn(usize, usize) -> usize) -> f64 {
    let steps = |scale: usize| f64::from(u32::try_from(task(100 * scale, 400 * scale)).unwrap());
    steps(2) / steps(1)
}

#[test]
fn a_load_takes_twice_as_many_comparisons_for_twice_as_many_connections_and_users() {
    let growth = growth(|connections, users| work::of(|| many(connections, users)).0);
    assert!((1.5..2.3).contains(&growth), "{growth}");
}

/// Names that lead nowhere, of thousands of users: what was meant is looked for a few times.
#[test]
fn names_that_lead_nowhere_are_told_without_a_look_at_all_connections_for_each() {
    let growth = growth(|connections, users| {
        let text = text(connections, users).replace("connections = [\"t", "connections = [\"x");
        work::of(|| parse(&text, Path::new("p"), &env, UnknownKeys::Refuse).unwrap_err()).0
    });
    assert!(growth < 2.3, "{growth}");
}
