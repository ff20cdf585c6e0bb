//! Globs over names: `*` is any run of characters, `?` is one, all else stands for itself.

use std::ops::Bound;
use std::str::Chars;

/// A glob, split once into its parts: most names are told apart by their beginnings and ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Glob {
    text: Box<str>,
    /// The length of the text ahead of the first wildcard, in bytes.
    head: usize,
    /// The offset in the text at which the last wildcard ends, in bytes.
    tail: usize,
}

impl Glob {
    /// Splits a glob into its parts.
    pub(crate) fn new(text: &str) -> Self {
        let head = text.find(WILDCARDS).unwrap_or(text.len());
        let tail = text.rfind(WILDCARDS).map_or(text.len(), |last| last + 1);
        Self { text: text.into(), head, tail }
    }

    /// The glob as it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the glob matches the whole name.
    pub(crate) fn matches(&self, name: &str) -> bool {
        #[cfg(test)]
        work::compared();
        let end = self.text.get(self.tail..).unwrap_or_default();
        let between = name
            .strip_prefix(self.head())
            .and_then(|rest| rest.strip_suffix(end));
        between.is_some_and(|between| fits(self.text.get(self.head..self.tail).unwrap_or_default(), between))
    }

    /// The range of an ordered collection that holds the names which the glob matches: from its
    /// start on, as long as the glob [may](Self::may_match) match one.
    pub(crate) fn range(&self) -> (Bound<&str>, Bound<&str>) {
        (Bound::Included(self.head()), Bound::Unbounded)
    }

    /// Whether a name begins as the glob does.
    pub(crate) fn may_match(&self, name: &str) -> bool {
        name.starts_with(self.head())
    }

    fn head(&self) -> &str {
        self.text.get(..self.head).unwrap_or_default()
    }
}

/// The characters that make a name a glob.
pub(crate) const WILDCARDS: [char; 2] = ['*', '?'];

/// Whether `name` matches `pattern`, for a pattern that is used once.
pub(crate) fn glob_matches(pattern: &str, name: &str) -> bool {
    fits(pattern, name)
}

fn fits(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern.chars(), name.chars());
    // Behind the last `*`: where to go on in the pattern, and where in the name that was last
    // tried.
    let mut retry: Option<(Chars<'_>, Chars<'_>)> = None;
    loop {
        let here = name.clone();
        match (pattern.next(), name.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                if pattern.as_str().is_empty() {
                    return true;
                }
                name = here;
                retry = Some((pattern.clone(), name.clone()));
            }
            (Some(want), Some(is)) if want == '?' || want == is => {}
            (_, None) => return false,
            (_, Some(_)) => {
                let Some((behind, tried)) = &mut retry else { return false };
                tried.next();
                (pattern, name) = (behind.clone(), tried.clone());
            }
        }
    }
}

/// Counts work, for tests that check how it grows.
#[cfg(test)]
pub(crate) mod work {
    use std::cell::Cell;

    thread_local! {
        static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    /// Counts one comparison of a name with another or with a pattern.
    pub(crate) fn compared() {
        steps(1);
    }

    /// Counts `count` steps that are no comparisons.
    pub(crate) fn steps(count: usize) {
        STEPS.set(STEPS.get() + count);
    }

    /// Counts the steps that a task takes, on this thread.
    pub(crate) fn of<T>(task: impl FnOnce() -> T) -> (usize, T) {
        let before = STEPS.get();
        let done = task();
        (STEPS.get() - before, done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, name, want) in [
            ("sales", "sales", true),
            ("sales", "sale", false),
            ("sales", "sales2", false),
            ("*", "", true),
            ("*", "anything", true),
            ("**", "", true),
            ("fin-*", "fin-1", true),
            ("fin-*", "fin-", true),
            ("fin-*", "fin", false),
            ("*-prod", "a-prod-prod", true),
            ("*-prod", "-pro", false),
            ("a*b*c", "axxbyybzc", true),
            ("a*b*c", "axxbyybz", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("ab*ba", "aba", false),
            ("*aab", "aaab", true),
            ("x*aab*y", "xaaaby", true),
            ("?", "ü", true),
            ("?", "", false),
            ("??", "ü", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*?", "a", true),
            ("?*", "", false),
            ("ü*ß", "üß", true),
            ("*ß*", "aßb", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(glob_matches(pattern, name), want, "{pattern} {name}");
            assert_eq!(Glob::new(pattern).matches(name), want, "{pattern} {name}");
        }
    }

    #[test]
    fn strings_that_match_a_glob_are_within_its_range() {
        let names = std::collections::BTreeSet::from(["", "fin", "fin-1", "fin-2", "fio", "sales"]);
        for (pattern, want) in [("fin-*", &["fin-1", "fin-2"][..]), ("*n*", &["fin", "fin-1", "fin-2"]), ("x*", &[])] {
            let glob = Glob::new(pattern);
            let within = names
                .range::<str, _>(glob.range())
                .take_while(|name| glob.may_match(name));
            assert_eq!(
                within
                    .copied()
                    .filter(|name| glob.matches(name))
                    .collect::<Vec<_>>(),
                want,
                "{pattern}"
            );
        }
    }
}
