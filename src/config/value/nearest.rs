//! Finds the name that was probably meant.

/// The candidate that was probably meant, within one or two edits.
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

/// Levenshtein's distance, where two neighbours in the wrong order are one edit.
fn edits(a: &str, b: &str) -> usize {
    #[cfg(test)]
    super::work::compared();
    strsim::osa_distance(a, b)
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
