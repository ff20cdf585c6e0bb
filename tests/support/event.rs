//! Lines of the log, as docs/audit.md says that they are.

use serde_json::Value;

/// A line in JSON, or `None` where it is none: text, or what is said on standard error in other
/// words.
///
/// # Errors
/// The line is not as every line has to be: an object with `schema`, `event` and no key twice, and
/// nothing in it that a terminal obeys.
pub(crate) fn checked(line: &str) -> Result<Option<Value>, String> {
    if !line.starts_with('{') {
        return Ok(None);
    }
    let event: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if event["schema"] != 1 || event["event"].as_str().is_none_or(str::is_empty) {
        return Err("no schema or no event".to_owned());
    }
    if line.contains(is_obeyed) {
        return Err("a character that a terminal obeys".to_owned());
    }
    // A key that is there twice is parsed once, so that less is written again.
    let again: usize = event
        .to_string()
        .chars()
        .map(|c| if is_obeyed(c) { r"\u0000".len() } else { c.len_utf8() })
        .sum();
    if again != line.len() {
        return Err(format!("{again} of {} bytes: a key is there twice", line.len()));
    }
    Ok(Some(event))
}

/// Whether a terminal obeys this character rather than shows it: written anew for the tests.
pub(crate) fn is_obeyed(c: char) -> bool {
    c.is_control()
        || ['\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}'].contains(&c)
        || ('\u{202a}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
}

/// The events of a whole log in JSON.
pub(crate) fn all(log: &str) -> Vec<Value> {
    log.lines()
        .filter_map(|line| checked(line).expect(line))
        .collect()
}
