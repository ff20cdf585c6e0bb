//! Quoting words for a shell (POSIX, Shell Command Language 2.2).

/// The text as one word, quoted if it has to be. In single quotes nothing is special, not even to
/// an interactive shell's history.
pub(super) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { single(text) }
}

/// The text as one word in quotes: double ones, which other shells understand too, unless something
/// in it is special inside them.
pub(super) fn quoted(text: &str) -> String {
    if text.contains(['"', '$', '`', '\\', '!']) { single(text) } else { format!("\"{text}\"") }
}

/// The text in single quotes.
fn single(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_each_quoted_word_unchanged() {
        let texts = [
            "plain",
            "",
            "a b",
            "it's",
            "''",
            "say \"hi\"",
            "$HOME `id` $(id) ${x}",
            r"back\slash\",
            "!history",
            "*?[a]~#;&|<>()",
            "größe 😀",
            "%40@:/",
            "-n",
        ];
        let args: Vec<_> = texts
            .iter()
            .flat_map(|text| [word(text), quoted(text)])
            .collect();
        let script = format!("printf '%s\\n' {}", args.join(" "));
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        let read = String::from_utf8(output.stdout).unwrap();
        let want: Vec<_> = texts.iter().flat_map(|text| [*text, *text]).collect();
        assert_eq!(read.lines().collect::<Vec<_>>(), want);
        assert_eq!((word("sales"), quoted("dbname=sales")), ("sales".to_owned(), "\"dbname=sales\"".to_owned()));
    }
}
