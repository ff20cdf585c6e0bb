//! PostgreSQL's spellings of a boolean (`parse_bool` in bool.c), as far as a startup parameter
//! needs them.

/// The words that mean false, each with the fewest letters that PostgreSQL takes for it: `of` is
/// off, `o` could be on.
const FALSE: [(&str, usize); 4] = [("false", 1), ("no", 1), ("off", 2), ("0", 1)];

/// Whether PostgreSQL reads this value as false: `off`, `false`, `no` and `0` in any case, and what
/// they begin with.
pub(crate) fn is_false(value: &str) -> bool {
    let value = value.trim();
    FALSE.iter().any(|(word, shortest)| {
        value.len() >= *shortest
            && word
                .get(..value.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_postgresql_reads_as_false_is_false() {
        for value in ["off", "OFF", "of", "false", "F", "fal", "no", "n", "0", " off "] {
            assert!(is_false(value), "{value:?}");
        }
        for value in ["", " ", "o", "on", "true", "t", "yes", "y", "1", "database", "offf", "00", "falsey", "none"] {
            assert!(!is_false(value), "{value:?}");
        }
    }
}
