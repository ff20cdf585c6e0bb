//! Names and globs of connections in the order in which they were given, searched without a look at
//! each.

use std::borrow::Borrow;
use std::collections::BTreeMap;

#[cfg(test)]
use crate::config::value;
use crate::config::value::{Glob, WILDCARDS};

/// A list of names and globs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patterns {
    /// The plain names, each once, sorted, with its index in the list.
    names: Box<[(Box<str>, usize)]>,
    /// The globs in the list's order, each with its index.
    globs: Box<[(Glob, usize)]>,
}

impl Patterns {
    /// Sorts names and globs out of a list.
    pub(super) fn new(list: &[String]) -> Self {
        let placed = || list.iter().enumerate();
        let is_glob = |text: &str| text.contains(WILDCARDS);
        let names = placed()
            .filter(|(_, text)| !is_glob(text))
            .map(|(place, text)| (text.as_str().into(), place));
        let mut names: Vec<(Box<str>, usize)> = names.collect();
        names.sort();
        names.dedup_by(|(later, _), (first, _)| later == first);
        let globs = placed()
            .filter(|(_, text)| is_glob(text))
            .map(|(place, text)| (Glob::new(text), place));
        Self { names: names.into(), globs: globs.collect() }
    }

    /// Whether the list has no pattern.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.globs.is_empty()
    }

    /// Whether this very name is in the list.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.named(name).is_some()
    }

    /// Whether a name or a glob of the list matches.
    pub(crate) fn cover(&self, name: &str) -> bool {
        self.has(name) || self.globs.iter().any(|(glob, _)| glob.matches(name))
    }

    /// The first pattern of the list that matches, as it was written.
    pub(super) fn first_for(&self, name: &str) -> Option<&str> {
        let named = self.named(name);
        let ahead = |place: usize| named.is_none_or(|(_, of_name)| place < *of_name);
        let mut globs = self.globs.iter().take_while(|(_, place)| ahead(*place));
        let glob = globs
            .find(|(glob, _)| glob.matches(name))
            .map(|(glob, _)| glob.as_str());
        glob.or(named.map(|(name, _)| &**name))
    }

    /// Iterates over all patterns in the list's order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let names = self.names.iter().map(|(name, place)| (*place, &**name));
        let globs = self
            .globs
            .iter()
            .map(|(glob, place)| (*place, glob.as_str()));
        names.chain(globs).collect::<BTreeMap<_, _>>().into_values()
    }

    /// The entries of an ordered map that the patterns match: first those of the plain names, then
    /// glob by glob. Each of these runs is in order, but an entry may be in several. The run of a
    /// glob that begins with text looks at no entry that begins otherwise.
    pub(crate) fn runs<'p, 'm: 'p, K, V>(&'p self, map: &'m BTreeMap<K, V>) -> impl Iterator<Item = Run<'p, 'm, K, V>>
    where
        K: Borrow<str> + Ord,
    {
        let names: Run<'p, 'm, K, V> = Box::new(
            self.names
                .iter()
                .filter_map(|(name, _)| map.get_key_value(&**name)),
        );
        let globs = self.globs.iter().map(|(glob, _)| -> Run<'p, 'm, K, V> {
            let within = map
                .range::<str, _>(glob.range())
                .take_while(|(name, _)| glob.may_match((*name).borrow()));
            Box::new(within.filter(|(name, _)| glob.matches((*name).borrow())))
        });
        std::iter::once(names).chain(globs)
    }

    fn named(&self, name: &str) -> Option<&(Box<str>, usize)> {
        #[cfg(test)]
        value::work::compared();
        let at = self
            .names
            .binary_search_by(|(other, _)| (**other).cmp(name))
            .ok()?;
        self.names.get(at)
    }
}

/// Some entries of a map, in the map's order.
pub(crate) type Run<'p, 'm, K, V> = Box<dyn Iterator<Item = (&'m K, &'m V)> + 'p>;

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(list: &[&str]) -> Patterns {
        Patterns::new(&list.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn the_first_that_matches_is_the_first_of_the_list() {
        let list = ["b", "a*", "ab", "a", "*", "b"];
        let all = patterns(&list);
        for (name, want) in [("a", "a*"), ("ab", "a*"), ("b", "b"), ("c", "*"), ("", "*")] {
            assert_eq!(all.first_for(name), Some(want), "{name}");
            assert!(all.cover(name));
        }
        assert_eq!(all.iter().collect::<Vec<_>>(), list[..5]);
        let some = patterns(&["b", "a?"]);
        assert_eq!((some.first_for("a"), some.first_for("ab"), some.first_for("b")), (None, Some("a?"), Some("b")));
        assert!(!some.cover("a") && some.has("b") && !some.has("a?") && !patterns(&[]).cover(""));
    }

    #[test]
    fn runs_hold_the_matching_names_in_order() {
        let map: BTreeMap<&str, ()> = ["a1", "a2", "b1", "b2", "c1"].map(|name| (name, ())).into();
        let all = patterns(&["c1", "?1", "a*", "b1", "nowhere"]);
        let runs: Vec<Vec<_>> = all
            .runs(&map)
            .map(|run| run.map(|(name, ())| *name).collect())
            .collect();
        assert_eq!(runs, [vec!["b1", "c1"], vec!["a1", "b1", "c1"], vec!["a1", "a2"]]);
    }
}
