//! Secrets, and the search for them in any spelling.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// A password with everything that has to be escaped somewhere.
pub(crate) const ODD_PASSWORD: &str = r#"pl+nt/ed=pa%ss "w\rd-7f3a'"#;

/// The secrets that must not be seen, each in every spelling.
#[derive(Default)]
pub(crate) struct Secrets(pub(crate) Vec<(String, Vec<String>)>);

impl Secrets {
    pub(crate) fn add(&mut self, name: &str, secret: impl AsRef<[u8]>) {
        self.0.push((name.to_owned(), spellings(secret.as_ref())));
    }

    /// The names of those that `text` holds. The text is gone through once, however many spellings
    /// there are: they are found by their first bytes.
    pub(crate) fn found_in(&self, text: &str) -> Vec<&str> {
        let mut by_start: HashMap<&[u8], Vec<(usize, &[u8])>> = HashMap::new();
        for (at, (_, spellings)) in self.0.iter().enumerate() {
            for spelling in spellings.iter().map(String::as_bytes) {
                by_start
                    .entry(&spelling[..SHORTEST])
                    .or_default()
                    .push((at, spelling));
            }
        }
        let (text, mut found) = (text.as_bytes(), BTreeSet::new());
        for (from, start) in text.windows(SHORTEST).enumerate() {
            for (at, spelling) in by_start.get(start).into_iter().flatten() {
                if text[from..].starts_with(spelling) {
                    found.insert(*at);
                }
            }
        }
        found.into_iter().map(|at| self.0[at].0.as_str()).collect()
    }

    #[track_caller]
    pub(crate) fn assert_absent(&self, what: &str, text: &str) {
        let found = self.found_in(text);
        if !found.is_empty() {
            let lines: Vec<_> = text
                .lines()
                .filter(|line| !self.found_in(line).is_empty())
                .take(5)
                .collect();
            panic!("{what} holds {found:?}:\n{}", lines.join("\n"));
        }
    }
}

/// A cancel key, also as the number that it may be printed as.
pub(crate) fn add_number(secrets: &mut Secrets, key: &[u8]) {
    let hex = key
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let mut all = vec![hex.clone(), hex.to_uppercase()];
    let number = u32::from_be_bytes(key.try_into().unwrap());
    all.extend([number.to_string(), number.cast_signed().to_string()]);
    all.push(key.iter().map(u8::to_string).collect::<Vec<_>>().join(", "));
    all.push(STANDARD.encode(key));
    all.retain(|spelling| spelling.len() >= SHORTEST);
    secrets.0.push(("cancel key".to_owned(), all));
}

/// Too short a text is found by chance.
const SHORTEST: usize = 8;

/// Of a longer secret this many bytes give it away, however they are spelt.
const PART: usize = 8;

/// Every way in which bytes may come to stand in a text.
fn spellings(secret: &[u8]) -> Vec<String> {
    let lossy = String::from_utf8_lossy(secret).into_owned();
    let mut all = vec![lossy.clone()];
    let debug = format!("{lossy:?}");
    all.push(debug[1..debug.len() - 1].to_owned());
    all.push(serde_json::to_string(&lossy).unwrap());
    all.push(secret.escape_ascii().to_string());
    for between in ["", " ", ":", ", "] {
        for part in [secret]
            .into_iter()
            .chain(secret.chunks_exact(PART).filter(|_| secret.len() > PART))
        {
            let hex = part
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<Vec<_>>()
                .join(between);
            all.extend([hex.to_uppercase(), hex]);
        }
    }
    // `{:?}` of bytes, of the whole or of some of it: an error shows the line at which it stopped.
    for part in [secret]
        .into_iter()
        .chain(secret.chunks_exact(PART).filter(|_| secret.len() > PART))
    {
        for (between, after) in [(", ", ","), (",", ","), (" ", " ")] {
            let list = part
                .iter()
                .map(u8::to_string)
                .collect::<Vec<_>>()
                .join(between);
            // Within a longer list, or at its end.
            all.extend([format!("{list}{after}"), format!("{list}]")]);
        }
        let escaped = part.iter().fold(String::new(), |mut text, byte| {
            write!(text, "\\x{byte:02x}").unwrap();
            text
        });
        all.extend([escaped.to_uppercase().replace('X', "x"), escaped]);
    }
    for space in ["%20", "+"] {
        all.push(secret.iter().fold(String::new(), |mut url, &byte| {
            match byte {
                b' ' => url.push_str(space),
                b'-' | b'.' | b'_' | b'~' => url.push(byte.into()),
                byte if byte.is_ascii_alphanumeric() => url.push(byte.into()),
                byte => write!(url, "%{byte:02X}").unwrap(),
            }
            url
        }));
    }
    // Base64 of it alone, and of any text that it stands in: three alignments, without the letters
    // that it shares.
    let parts = secret
        .chunks_exact(PART * 2)
        .filter(|_| secret.len() > PART * 2);
    for (ahead, part) in [secret]
        .into_iter()
        .chain(parts)
        .flat_map(|part| (0..3).map(move |ahead| (ahead, part)))
    {
        let shifted = [&vec![0; ahead][..], part].concat();
        let (first, last) = ((ahead * 8).div_ceil(6), shifted.len() * 8 / 6);
        for encoded in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            all.push(encoded[first..last].to_owned());
        }
    }
    all.retain(|spelling| spelling.len() >= SHORTEST);
    all.sort();
    all.dedup();
    assert!(!all.is_empty(), "a secret too short to be looked for");
    all
}

/// A log, and once more all its texts without JSON's own escapes.
pub(crate) fn unescaped(log: &str) -> String {
    fn texts(value: &Value, all: &mut String) {
        match value {
            Value::String(text) => {
                all.push_str(text);
                all.push('\n');
            }
            Value::Array(values) => values.iter().for_each(|value| texts(value, all)),
            Value::Object(members) => members.values().for_each(|value| texts(value, all)),
            _ => {}
        }
    }
    let mut all = log.to_owned();
    for line in log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
    {
        texts(&line, &mut all);
    }
    all
}
