//! The users who may open each connection, for `check --offline`.
//!
//! There may be thousands of connections and of users, so that not every pair of them can be looked
//! at. Users who share a list of rights are found through the list, and connections that the same
//! lists open share the result.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use crate::cli::connection::Connection;
#[cfg(test)]
use crate::config::value::work;
use crate::config::{Config, ConnId, ConnSpec, Holder, RightList};

/// The number of users that are named per connection when all connections are printed.
const MAX_NAMED: usize = 20;

/// The number of users up to which a list of rights is looked through for each connection anew. For
/// lists that more users share, the union of their users is kept for other connections that the
/// same lists open.
const FEW: usize = 16;

/// The users, indexed by the lists of rights that they share.
pub(super) struct OpenTo<'c> {
    /// The users by name; at last `users."*"`.
    holders: Vec<(Option<&'c str>, Holder)>,
    /// For each list of rights the users who share it, as indices into `holders`, in order.
    having: Vec<Vec<usize>>,
    /// For each connection the lists that open it, as indices into `having`, in order.
    opened_by: HashMap<&'c ConnId, Vec<usize>>,
    /// For each combination of long lists that was asked for, the users who have at least one of
    /// them, in order.
    together: HashMap<Vec<usize>, Rc<[usize]>>,
}

impl<'c> OpenTo<'c> {
    /// Indexes the users of a configuration.
    pub(super) fn new(config: &'c Config) -> Self {
        let holders: Vec<_> = config.holders().collect();
        let (mut numbers, mut lists, mut having) = (HashMap::new(), Vec::new(), Vec::<Vec<usize>>::new());
        for (at, (_, holder)) in holders.iter().enumerate() {
            for list in holder.rights().connections.lists() {
                let number = *numbers.entry(Arc::as_ptr(list)).or_insert_with(|| {
                    lists.push(Arc::clone(list));
                    having.push(Vec::new());
                    having.len() - 1
                });
                having
                    .get_mut(number)
                    .into_iter()
                    .for_each(|having| having.push(at));
            }
        }
        let opened_by = opened_by(&lists, &config.connections);
        Self { holders, having, opened_by, together: HashMap::new() }
    }

    /// The first users who may open the connection, each with what there is to note, and how many
    /// there are.
    pub(super) fn first(&mut self, spec: &'c Arc<ConnSpec>) -> (Vec<String>, usize) {
        let opened_by = self.opened_by.get(&spec.id).map_or(&[][..], Vec::as_slice);
        let (many, few): (Vec<_>, Vec<_>) = opened_by
            .iter()
            .partition(|list| self.had_by(**list).len() > FEW);
        let few: BTreeSet<_> = few
            .into_iter()
            .flat_map(|list| self.had_by(list))
            .copied()
            .collect();
        let many = self.together(many);
        #[cfg(test)]
        work::steps(few.len());
        let few: Vec<_> = few
            .into_iter()
            .filter(|at| many.binary_search(at).is_err())
            .collect();
        let count = many.len() + few.len();
        let mut first: Vec<_> = many
            .iter()
            .take(MAX_NAMED + 1)
            .chain(few.iter().take(MAX_NAMED + 1))
            .copied()
            .collect();
        first.sort_unstable();
        let connection = Connection::Configured(spec);
        let named = first.iter().filter_map(|at| self.holders.get(*at));
        let named: Vec<_> = named
            .filter_map(|(name, holder)| noted(&connection, *name, holder))
            .collect();
        // The lists say nothing of `identity = "per-user"`, which bars `users."*"`: users without
        // entries of their own.
        let is_barred = |(name, holder): &&(Option<&str>, Holder)| name.is_none() && !holder.may_open(spec);
        let last = self.holders.len().saturating_sub(1);
        let has_last = many.last() == Some(&last) || few.last() == Some(&last);
        let barred = usize::from(has_last && self.holders.last().filter(is_barred).is_some());
        (named.into_iter().take(MAX_NAMED).collect(), count - barred)
    }

    /// The users who have a list.
    fn had_by(&self, list: usize) -> &[usize] {
        self.having.get(list).map_or(&[], Vec::as_slice)
    }

    /// The users who have at least one of these lists, in order.
    fn together(&mut self, lists: Vec<usize>) -> Rc<[usize]> {
        if let Some(known) = self.together.get(&lists) {
            return Rc::clone(known);
        }
        let all: BTreeSet<_> = lists
            .iter()
            .flat_map(|list| self.had_by(*list))
            .copied()
            .collect();
        let all: Rc<[usize]> = all.into_iter().collect();
        #[cfg(test)]
        work::steps(all.len());
        self.together.insert(lists, Rc::clone(&all));
        all
    }
}

/// For each connection, which of the lists open it, in order.
fn opened_by<'c>(
    lists: &[Arc<RightList>],
    connections: &'c BTreeMap<ConnId, Arc<ConnSpec>>,
) -> HashMap<&'c ConnId, Vec<usize>> {
    let mut opened_by = HashMap::<_, Vec<usize>>::new();
    for (number, list) in lists.iter().enumerate() {
        for (id, _) in list.patterns.runs(connections).flatten() {
            let of = opened_by.entry(id).or_default();
            if of.last() != Some(&number) {
                of.push(number);
            }
        }
    }
    opened_by
}

/// The user's name with what there is to note. `None`: the user may not open the connection.
pub(super) fn noted(connection: &Connection<'_>, name: Option<&str>, holder: &Holder) -> Option<String> {
    let group = connection
        .right_of(holder)?
        .group
        .map(|group| format!("group {group}"));
    let notes: Vec<_> = (!holder.rights().enabled)
        .then(|| "disabled".to_owned())
        .into_iter()
        .chain(group)
        .collect();
    let name = name.unwrap_or("any other name");
    Some(if notes.is_empty() { name.to_owned() } else { format!("{name} ({})", notes.join(", ")) })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::path::Path;

    use super::*;
    use crate::cli::check::offline::offline;
    use crate::config::many::{growth, many};
    use crate::config::{UnknownKeys, parse};

    #[test]
    fn all_connections_are_told_in_twice_the_steps_for_twice_as_many_of_them_and_of_users() {
        let growth = growth(|connections, users| {
            let config = many(connections, users);
            work::of(|| offline(&config, &[]).unwrap()).0
        });
        assert!((1.5..2.3).contains(&growth), "{growth}");
    }

    /// Compares with a look at each user for each connection.
    #[test]
    fn users_counted_and_named_are_those_who_may_open_it() {
        let mut text = String::from(
            "[users.\"*\"]\npassword = \"ssm:/x/{user}\"\nconnections = [\"a*\"]\n[groups.all]\nconnections = [\"*\"]\n\
             [groups.bs]\nconnections = [\"b\", \"b?\"]\n[groups.none]\n",
        );
        for name in ["a", "ab", "b", "bb", "c"] {
            let per_user = "identity = \"per-user\"\nrole_arn = \"arn:aws:iam::123456789012:role/r\"";
            let more = if name == "ab" { per_user } else { "" };
            let _infallible = writeln!(
                text,
                "[connections.{name}]\ntype = \"redshift-serverless\"\nworkgroup = \"wg1\"\ndatabase = \"dev\"\n{more}"
            );
        }
        for at in 0..60 {
            let groups = ["[]", "[\"bs\"]", "[\"bs\", \"all\"]", "[\"none\"]"][at % 4];
            let own = ["[]", "[\"b\"]", "[\"c\", \"bb\"]"][at % 3];
            let (enabled, more) = (at % 7 > 0, if at % 50 == 49 { "a*" } else { "bb" });
            let own = if own == "[]" { format!("[\"{more}\"]") } else { own.to_owned() };
            let _infallible = writeln!(
                text,
                "[users.u{at:02}]\npassword = \"env:PW\"\nenabled = {enabled}\ngroups = {groups}\nconnections = {own}"
            );
        }
        let env = |name: &str| (name == "PW").then(|| "planted".to_owned());
        let config = parse(&text, Path::new("p"), &env, UnknownKeys::Refuse).unwrap();
        let mut open_to = OpenTo::new(&config);
        for spec in config.connections.values() {
            let connection = Connection::Configured(spec);
            let all: Vec<_> = config
                .holders()
                .filter_map(|(name, holder)| noted(&connection, name, &holder))
                .collect();
            let (first, count) = open_to.first(spec);
            assert_eq!((first.as_slice(), count), (&all[..all.len().min(MAX_NAMED)], all.len()), "{}", spec.id);
        }
    }
}
