//! The connections that a user may open. Lists of rights are shared by all who have them: 20,000
//! users in 20 groups are 20 lists.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::patterns::Patterns;

/// The connections that a user may open, by names alone: its own list of rights, then its groups'
/// in the order of `groups`.
#[derive(Clone, Debug, Default)]
pub struct Access(Box<[Arc<RightList>]>);

/// A list of rights: that of a group, or the one of all users who wrote the same. Each of them
/// holds the same `Arc`.
#[derive(Debug)]
pub(crate) struct RightList {
    /// The name of the group. `None`: users wrote the list themselves.
    pub(super) group: Option<Box<str>>,
    /// The names and globs of connections.
    pub(crate) patterns: Patterns,
}

/// A name or glob of connections that a user may open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Right<'a> {
    /// The pattern of the right: `*` is any run of characters, `?` is one.
    pub pattern: &'a str,
    /// The group that the right comes from. `None`: the user's own entry.
    pub group: Option<&'a str>,
}

impl Access {
    /// Puts lists together, without those that are empty.
    pub(super) fn new(lists: impl IntoIterator<Item = Arc<RightList>>) -> Self {
        Self(
            lists
                .into_iter()
                .filter(|list| !list.patterns.is_empty())
                .collect(),
        )
    }

    /// Whether a right covers the connection of this name.
    pub(crate) fn covers(&self, name: &str) -> bool {
        self.0.iter().any(|list| list.patterns.cover(name))
    }

    /// The first right that covers the connection of this name.
    pub(crate) fn right_to(&self, name: &str) -> Option<Right<'_>> {
        self.0.iter().find_map(|list| {
            list.patterns
                .first_for(name)
                .map(|pattern| list.right(pattern))
        })
    }

    /// Iterates over all rights in their order.
    pub fn rights(&self) -> impl Iterator<Item = Right<'_>> {
        self.0
            .iter()
            .flat_map(|list| list.patterns.iter().map(|pattern| list.right(pattern)))
    }

    /// The lists themselves. All users who share a list have the same `Arc`.
    pub(crate) fn lists(&self) -> impl Iterator<Item = &Arc<RightList>> {
        self.0.iter()
    }

    /// Whether this very name, rather than a glob, is among the user's own rights.
    pub(super) fn names(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|list| list.group.is_none() && list.patterns.has(name))
    }

    /// The first entries of a map of connections that a right covers and `will_do` accepts, at most
    /// so many.
    pub(crate) fn first_of<'m, K, V>(
        &self,
        map: &'m BTreeMap<K, V>,
        most: usize,
        will_do: impl Fn(&V) -> bool,
    ) -> Vec<&'m K>
    where
        K: Borrow<str> + Ord,
    {
        let mut first = BTreeSet::new();
        for list in &self.0 {
            for run in list.patterns.runs(map) {
                first.extend(
                    run.filter(|(_, entry)| will_do(entry))
                        .map(|(name, _)| name)
                        .take(most),
                );
            }
        }
        first.into_iter().take(most).collect()
    }
}

impl RightList {
    /// The name of the group that has the list. `None`: users wrote it themselves.
    pub(crate) fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    fn right<'a>(&'a self, pattern: &'a str) -> Right<'a> {
        Right { pattern, group: self.group.as_deref() }
    }
}
