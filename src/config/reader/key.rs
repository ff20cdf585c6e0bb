//! Dotted keys, as messages show them.

/// The key of `name` in the table `key`.
pub(in crate::config) fn dotted(key: &str, name: &str) -> String {
    join(key, &quoted(name))
}

/// Joins a key and a name that needs no quotes.
pub(super) fn join(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

/// Quotes a name for a dotted key where needed. Characters that a terminal would obey are escaped,
/// and a text that is too long to be a name is cut.
fn quoted(name: &str) -> String {
    let bare = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let (shown, rest) = name.split_at(
        name.char_indices()
            .nth(MAX_NAME_CHARS)
            .map_or(name.len(), |(at, _)| at),
    );
    let cut = if rest.is_empty() { "" } else { "…" };
    if bare { format!("{shown}{cut}") } else { format!("\"{}{cut}\"", shown.escape_debug()) }
}

/// Longest name that is shown whole, in characters: that of a tag's key.
const MAX_NAME_CHARS: usize = 128;
