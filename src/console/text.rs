//! Text on its way to an operator's terminal.

use std::borrow::Cow;

/// A text without characters that a terminal obeys or that hide others: control characters,
/// terminal escapes and changes of direction are written as `\u{…}`. Clients choose some of what
/// the console shows, such as their `application_name`.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if is_harmful(char) {
            shown.extend(char.escape_unicode());
        } else {
            shown.push(char);
        }
    }
    Cow::Owned(shown)
}

/// Whether a terminal may obey the character, or show others in another order or not at all
/// (Unicode's Bidi_Control and its invisible separators and joiners).
fn is_harmful(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_spelled_out() {
        for (text, shown) in [
            ("", ""),
            ("Zoë's \"mart\" ❤", "Zoë's \"mart\" ❤"),
            ("a\x1b[31mb", "a\\u{1b}[31mb"),
            ("a\r\nb\0", "a\\u{d}\\u{a}b\\u{0}"),
            ("\u{9b}2J\u{202e}x", "\\u{9b}2J\\u{202e}x"),
        ] {
            assert_eq!(harmless(text), shown, "{text:?}");
        }
    }
}
