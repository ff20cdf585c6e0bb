//! What was probably meant.

/// The candidate that was probably meant.
pub(crate) fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let chars = name.chars().count();
    let within = (chars / 3).clamp(1, 2);
    // Each character more or less is an edit.
    let near = candidates
        .into_iter()
        .filter(|candidate| candidate.chars().count().abs_diff(chars) <= within);
    let scored = near.map(|candidate| (edits(name, candidate), candidate));
    scored
        .filter(|(edits, _)| *edits <= within)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, where two neighbours in the wrong order are one edit (optimal string
/// alignment).
fn edits(a: &str, b: &str) -> usize {
    #[cfg(test)]
    super::work::compared();
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let at = |row: &[usize], n: usize| row.get(n).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let left = at(&next, j) + 1;
            let mut least = left
                .min(at(&row, j + 1) + 1)
                .min(at(&row, j) + usize::from(x != y));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                least = least.min(at(&before, j - 1) + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    at(&row, b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered() {
        let keys = ["max_sessions", "max_handshakes", "host", "port"];
        for (name, want) in [
            ("max_session", Some("max_sessions")),
            ("hots", Some("host")),
            ("prot", Some("port")),
            ("hos", Some("host")),
            ("zzz", None),
        ] {
            assert_eq!(nearest(name, keys), want, "{name}");
        }
    }
}
