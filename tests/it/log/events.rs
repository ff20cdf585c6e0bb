//! docs/audit.md and the lines of the log: neither has an event or a field that the other has not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::event::all;
use crate::support::process::Proxy;
use crate::support::scene::Scene;
use crate::support::secrets::ODD_PASSWORD;
use crate::support::session::Session;
use crate::support::{Setup, World, raw};
use serde_json::Value;

const AUDIT: &str = include_str!("../../../docs/audit.md");

/// What every line may have.
const OF_ALL: [&str; 7] = ["schema", "event", "timestamp", "level", "message", "target", "span"];

type Fields = BTreeSet<String>;

/// The texts in backquotes of a text, without what is in brackets.
fn names(text: &str) -> Fields {
    let mut depth = 0;
    let outside = text.chars().filter(|c| {
        depth += i32::from(*c == '(');
        let is_outside = depth == 0;
        depth -= i32::from(*c == ')');
        is_outside
    });
    let outside: String = outside.collect();
    outside
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The fields that a paragraph of the page lists.
fn group(start: &str) -> Fields {
    let (_, rest) = AUDIT.split_once(start).expect(start);
    names(rest.split_once("\n\n").unwrap().0)
}

/// The events of the page, each with its fields.
fn documented() -> BTreeMap<String, Fields> {
    let of_session = group("Fields *of the session*, as far as they are known");
    let of_login = group("Fields *of the login*:");
    let rows = AUDIT
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .map(|(event, cells)| (event, cells.split('|').collect::<Vec<_>>()))
        .filter(|(_, cells)| cells.len() == 4);
    rows.map(|(event, cells)| {
        let fields = cells[1];
        let mut known = names(fields);
        if fields.contains("of the session") {
            known.extend(of_session.clone());
        }
        if fields.contains("of the login") {
            known.extend(of_login.clone());
        }
        (event.to_owned(), known)
    })
    .collect()
}

/// A call of tracing's macros at `info` and above, in the source.
#[derive(Debug)]
struct Call {
    place: String,
    /// The field `event`, or the message.
    event: String,
    fields: Fields,
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The arguments of a macro whose opening bracket was just read.
fn arguments(text: &str) -> Vec<String> {
    let (mut depth, mut is_text, mut is_escaped) = (0, false, false);
    let mut found = vec![String::new()];
    for c in text.chars() {
        let was_escaped = is_escaped;
        is_escaped = is_text && c == '\\' && !was_escaped;
        if c == '"' && !was_escaped {
            is_text = !is_text;
        }
        match c {
            ')' if !is_text && depth == 0 => break,
            ',' if !is_text && depth == 0 => {
                found.push(String::new());
                continue;
            }
            '(' | '[' | '{' if !is_text => depth += 1,
            ')' | ']' | '}' if !is_text => depth -= 1,
            _ => {}
        }
        found.last_mut().unwrap().push(c);
    }
    found
        .iter()
        .map(|argument| argument.trim().to_owned())
        .filter(|argument| !argument.is_empty())
        .collect()
}

fn literal(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

fn calls() -> Vec<Call> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut calls = Vec::new();
    for path in sources(&root) {
        let text = fs::read_to_string(&path).unwrap();
        // Tests come last in a file, and log what they like.
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for name in ["info!(", "warn!(", "error!("] {
            for (at, _) in text.match_indices(name) {
                if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                    continue;
                }
                let place = format!("{}:{}", path.display(), text[..at].lines().count());
                let (mut event, mut message, mut fields) = (None, None, Fields::new());
                for argument in arguments(&text[at + name.len()..]) {
                    if argument.starts_with("target:") {
                        continue;
                    }
                    if let Some(text) = literal(&argument) {
                        message = Some(text.to_owned());
                        continue;
                    }
                    let (field, value) = argument.split_once('=').unwrap_or((&argument, ""));
                    let field = field.trim().trim_start_matches(['%', '?']);
                    if field == "event" {
                        event = literal(value.trim()).map(str::to_owned);
                    } else {
                        fields.insert(field.to_owned());
                    }
                }
                let event = event.or(message).expect(&place);
                calls.push(Call { place, event, fields });
            }
        }
    }
    calls
}

#[test]
fn each_event_of_the_source_is_documented_with_its_fields() {
    let documented = documented();
    let calls = calls();
    assert!(calls.len() > 30, "{calls:?}");
    for Call { place, event, fields } in &calls {
        // The name is a constant: real lines show it.
        if ["{event}", "{EVENT}"].contains(&event.as_str()) {
            continue;
        }
        assert!(!event.contains('{'), "{place}: {event:?} is no name: give it a field `event`");
        let known = documented
            .get(event)
            .unwrap_or_else(|| panic!("{place}: docs/audit.md lacks the event {event:?}"));
        assert!(fields.is_subset(known), "{place}: docs/audit.md lacks {:?} of {event}", fields - known);
        let reserved: Vec<_> = fields
            .iter()
            .filter(|field| OF_ALL.contains(&field.as_str()))
            .collect();
        assert!(reserved.is_empty(), "{place}: {reserved:?} would be there twice");
    }
}

#[test]
fn each_event_that_is_documented_is_in_the_source() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let source: String = sources(&root)
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let documented = documented();
    assert!(documented.len() > 40, "{documented:?}");
    for (event, fields) in documented {
        assert!(source.contains(&format!("\"{event}\"")), "{event}");
        for field in fields {
            let is_there = ["=", ",", ")"].iter().any(|behind| {
                source.contains(&format!("{field}{behind}")) || source.contains(&format!("{field} {behind}"))
            });
            assert!(is_there, "{event}: {field}");
        }
    }
}

/// Each line is of a documented event, and has no other fields than that.
pub(super) fn assert_documented(events: &[Value]) {
    let documented = documented();
    for event in events {
        let name = event["event"].as_str().unwrap();
        if ["DEBUG", "TRACE"].contains(&event["level"].as_str().unwrap()) || name == "library" {
            continue;
        }
        let known = documented
            .get(name)
            .unwrap_or_else(|| panic!("not documented: {event}"));
        for key in event.as_object().unwrap().keys() {
            assert!(known.contains(key) || OF_ALL.contains(&key.as_str()), "{key}: {event}");
        }
    }
}

pub(super) fn of<'a>(events: &'a [Value], name: &str) -> &'a Value {
    events
        .iter()
        .find(|event| event["event"] == name)
        .unwrap_or_else(|| panic!("no {name}"))
}

#[tokio::test]
async fn real_lines_are_as_they_are_documented_and_the_examples_are_like_them() {
    let mut scene = Scene::new("[log]\nformat = \"json\"\n[limits]\nban_after = 3\nmax_handshakes = 100\n").await;
    let mut proxy = Proxy::start(&scene.world, &[]).await;
    let port = proxy.port;
    let mut session = Session::open(raw::tls(port, scene.world.sandbox.ca.pem()).await, "sales").await;
    session.query("select 1").await;
    session.until(b'Z').await;
    drop(session);
    proxy.wait_for_log("session ended").await;
    for (user, password, conn_id) in [
        ("odd", ODD_PASSWORD, "denied"),
        ("odd", ODD_PASSWORD, "nowhere"),
        ("nobody", "x", "sales"),
        ("odd", "x", "sales"),
        ("odd", "x", "sales"),
        ("odd", "x", "sales"),
    ] {
        scene.scram(port, user, password, conn_id, &[]).await;
    }
    proxy.wait_for_log("\"event\":\"banned\"").await;
    proxy.signal("TERM").await;
    proxy.wait_for_log("\"event\":\"stopped\"").await;
    let events = all(&proxy.log());
    assert_documented(&events);

    let started = of(&events, "started");
    assert_eq!(started["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&started["log_level"], &started["max_handshakes"]), (&"info".into(), &100.into()));
    let certificates = started["certificates"].as_str().unwrap();
    assert!(certificates.starts_with("listener \"") && certificates.contains("\" ends "), "{started}");
    for number in [
        "pid",
        "connections",
        "users",
        "max_sessions",
        "open_files",
        "open_files_hard",
        "drain_timeout_ms",
        "ban_time_ms",
    ] {
        assert!(started[number].as_u64().is_some_and(|number| number > 0), "{number}: {started}");
    }
    for number in ["drain_delay_ms", "ban_after", "ban_window_ms"] {
        assert!(started[number].is_u64(), "{number}: {started}");
    }
    assert!(of(&events, "stopped")["secs"].is_u64());
    let totals = of(&events, "totals");
    for sum in documented()["totals"].iter() {
        assert!(totals[sum].is_u64(), "{sum}: {totals}");
    }

    // The examples of the page, each in several lines.
    let (_, examples) = AUDIT.split_once("```json\n").unwrap();
    let examples = examples.split_once("```").unwrap().0;
    let examples: Vec<Value> = serde_json::Deserializer::from_str(examples)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(examples.len(), 4);
    for example in &examples {
        let name = example["event"].as_str().unwrap();
        let real = events
            .iter()
            .find(|event| event["event"] == name && event["class"] == example["class"])
            .unwrap_or_else(|| panic!("no {example}"));
        let keys = |event: &Value| {
            event
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(example), keys(real), "{name}");
        for (key, value) in example.as_object().unwrap() {
            assert_eq!(value.is_u64(), real[key].is_u64(), "{name}: {key}");
        }
    }
}

/// Every line of a log in text ends with the event and the schema.
#[tokio::test]
async fn lines_of_text_have_an_event_and_a_schema_too() {
    let config = "[log]\nformat = \"text\"\n".to_owned();
    let world = World::start(&Setup { config, ..Setup::default() }).await;
    let mut proxy = Proxy::start(&world, &[("RUST_LOG", "trace")]).await;
    let session = Session::open(raw::tls(proxy.port, world.sandbox.ca.pem()).await, "sales").await;
    drop(session);
    proxy.wait_for_log("session ended").await;
    proxy.signal("TERM").await;
    proxy.wait_for_log("event=\"stopped\"").await;
    for line in proxy.log().lines() {
        assert!(line.ends_with(" schema=1") && line.contains(" event=\""), "{line}");
    }
}
