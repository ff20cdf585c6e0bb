//! Counts of things, in words for operators.

/// A number of things in words: `1 session`, `2 sessions`. `thing` is the singular of a noun whose
/// plural ends in `s`.
pub(crate) fn count_of(count: usize, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_in_the_singular() {
        assert_eq!([0, 1, 2].map(|count| count_of(count, "session")), ["0 sessions", "1 session", "2 sessions"]);
    }
}
