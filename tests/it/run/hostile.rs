//! Names that attack whoever reads them: terminal escapes, control characters, quotes, mark-up,
//! lines of other formats, and great length. They are harmless in logs, metrics, console, status
//! and headers.

use serde_json::{Value, json};

use crate::support::admin::{Admin, promtool};
use crate::support::console::{self, Console};
use crate::support::operated::{METRICS_TEXT, OPS, Operated, TABLES, all_shown};
use crate::support::process::Proxy;
use crate::support::raw::{self, Stream, say, startup, until_closed};
use crate::support::session::{self, log_in};
use crate::support::{PASSWORD, Setup, USER, World};

const TABLE: &str = "lava.demo.connections";

/// Names that attack terminals, parsers and pages.
fn names() -> Vec<String> {
    let mut names: Vec<_> = [
        // A terminal's title, its screen, its answerback, and the same in the eight-bit controls.
        "\x1b]0;owned\x07",
        "\x1b[2J\x1b[1;1H",
        "\u{9b}31m\u{9d}0;owned\u{9c}",
        "line\nfeed\r\n{\"event\":\"admin action\"}",
        "back\x08\x08space\x7f\x0b\x0c\t",
        "quotes'\"`$(id)\\",
        "\\x1b\\n\\\"\\",
        "<script>alert(1)</script><img src=x onerror=alert(1)>&lt;",
        "\"} 1\nredshift_iam_proxy_build_info{version=\"forged",
        "right\u{202e}to\u{2066}left\u{200b}\u{feff}",
        "'; drop table sessions; --",
        "%s%n%p{user}{0}",
        "=cmd|' /C calc'!A0",
    ]
    .map(str::to_owned)
    .to_vec();
    // Of a startup message, which may have 10,000 bytes, most.
    names.push("n".repeat(9_900));
    names.push("\x1b[5m".repeat(2_400));
    names
}

/// The control characters that must not reach a terminal, as they are.
#[track_caller]
fn assert_printable(what: &str, text: &str, but: &[char]) {
    let found = text
        .char_indices()
        .find(|(_, char)| (char.is_control() || is_bidi(*char)) && !but.contains(char));
    if let Some((at, char)) = found {
        let from = text.floor_char_boundary(at.saturating_sub(80));
        let to = text.floor_char_boundary(at + 80);
        panic!("{what} holds {char:?}: {:?}", &text[from..to]);
    }
}

/// Whether the character turns the direction of the text around it (Unicode, UAX #9).
fn is_bidi(char: char) -> bool {
    matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A configuration with such a text where people may write one, and lava's table.
fn setup() -> Setup {
    // Control characters are refused, but for line feeds.
    let description = r#"<script>alert(1)</script>\n{\"event\":1} '$(id)` \\x1b[2J"#;
    let config = format!(
        "[specs]\ndynamodb_table = \"{TABLE}\"\nconn_ids = [\"bi-*\"]\nbase_identity = true\n\
         roles = [\"arn:aws:iam::123456789012:role/rs*\"]\nparameter_prefix = \"/lava/demo/\"\nhosts = [\"localhost\"]\n\
         {}",
        crate::support::connection("described", &[("description", &format!("\"{description}\""))]),
    );
    Setup { config, tls: "prefer", ..Setup::default() }
}

#[tokio::test]
async fn hostile_names_are_harmless_wherever_they_are_shown() {
    let operated = Operated::start(setup()).await;
    let Operated { world, mut proxy, admin } = operated;
    let console = Console::open(&world, proxy.port, OPS).await.unwrap();
    put_items(&world);
    let kept = visit(&proxy).await;
    ask(&admin, &console).await;

    for (name, text) in all_shown(&admin, &console).await {
        let is_table = TABLES.contains(&&*name);
        assert_printable(&name, &text, if is_table { &['\n', '\t'] } else { &['\n'] });
        if name == METRICS_TEXT {
            promtool(&text).await.unwrap();
            assert!(!text.contains("owned") && !text.contains("forged"), "a label out of a client's text:\n{text}");
        }
    }
    let status = admin.get("/status.json").await.json();
    assert!(status.is_object(), "{status}");
    for table in TABLES {
        let shown = console::psql(&world, proxy.port, OPS)
            .args(["-c", &format!("SHOW {table}")])
            .output()
            .await
            .unwrap();
        let shown = [shown.stdout, shown.stderr].concat();
        assert_printable(&format!("psql: {table}"), &String::from_utf8(shown).unwrap(), &['\n']);
    }
    drop((kept, console));
    let log = crate::support::scene::whole_log(&mut proxy).await;
    for line in log.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_printable("the log", line, &[]);
        assert!(line.len() < 16 * 1024, "a line of {} bytes: {}…", line.len(), &line[..200]);
    }
}

#[tokio::test]
async fn hostile_names_are_harmless_in_a_log_of_text() {
    let mut setup = setup();
    setup.config = format!("[log]\nformat = \"text\"\nlevel = \"debug\"\n{}", setup.config);
    let world = World::start(&setup).await;
    let mut proxy = Proxy::start(&world, &[]).await;
    put_items(&world);
    drop(visit(&proxy).await);
    proxy.signal("TERM").await;
    assert_eq!(proxy.exit_code().await, Some(0));
    proxy.wait_for_log("drained").await;
    for line in proxy.log().lines() {
        assert_printable("the log", line, &[]);
        assert!(line.starts_with("20"), "a line that no event began: {line:?}");
    }
}

/// Items of lava's table, which whoever may write it has described.
fn put_items(world: &World) {
    let aws = &world.sandbox.aws;
    aws.put_table(TABLE);
    for (at, name) in names().iter().enumerate() {
        let item = json!({
            "conn_id": {"S": format!("bi-{at}")}, "type": {"S": "redshift-serverless"}, "enabled": {"BOOL": true},
            "host": {"S": "localhost"}, "port": {"N": world.sandbox.warehouse.address().port().to_string()},
            "workgroup": {"S": "analytics"}, "database": {"S": name}, "description": {"S": name}, "owner": {"S": name},
        });
        aws.put_item(TABLE, item);
    }
}

/// Uses each name in each place of a startup message. Sessions that were let in are returned.
async fn visit(proxy: &Proxy) -> Vec<Stream> {
    let mut kept = Vec::new();
    for (at, name) in names().iter().enumerate() {
        let behind = format!("{USER}~{name}");
        for pairs in [
            [("user", name.as_str()), ("database", "sales")],
            [("user", USER), ("database", name)],
            [("user", &behind), ("database", "dev")],
            [("user", USER), (name, name)],
        ] {
            let mut stream: Stream = raw::open(proxy.port, None).await;
            // A name of this size twice is too much for a startup message, which is closed.
            say(&mut stream, &startup(0, &pairs)).await;
            until_refused(&mut stream).await;
        }
        let parameters =
            [("user", USER), ("database", "sales"), ("application_name", name.as_str()), ("client_encoding", "UTF8")];
        let mut stream: Stream = raw::open(proxy.port, None).await;
        let messages = log_in(&mut stream, &startup(0, &parameters), PASSWORD).await;
        assert_eq!(messages.last().unwrap().0, b'Z', "{name:?}");
        session::query(&mut stream, "select 1::text").await;
        kept.push(stream);
        let item = [("user", USER), ("database", &*format!("bi-{at}"))];
        let mut stream: Stream = raw::open(proxy.port, None).await;
        // The name of no database is refused by one side or the other.
        log_in(&mut stream, &startup(0, &item), PASSWORD).await;
    }
    kept
}

/// Proves the password, and reads up to the refusal.
async fn until_refused(stream: &mut Stream) {
    let mut chunk = [0; 1];
    // The first byte tells whether there is anybody to speak to.
    let read = tokio::io::AsyncReadExt::read(stream, &mut chunk).await;
    if !matches!(read, Ok(1..)) {
        return;
    }
    // A wrong message, so that the login is refused in words.
    say(stream, &raw::message(b'p', b"SCRAM-SHA-256\0\0\0\0\x05n,,n=")).await;
    until_closed(stream).await;
}

/// Commands and requests with each name.
async fn ask(admin: &Admin, console: &Console) {
    for name in names() {
        let quoted = name.replace('"', "\"\"");
        let literal = name.replace('\'', "''");
        for command in [
            format!("KILL USER \"{quoted}\""),
            format!("KILL CONNECTION '{literal}'"),
            format!("DISABLE \"{quoted}\""),
            format!("CHECK \"{quoted}\""),
            format!("SHOW ERRORS '{literal}'"),
            format!("SHOW {name}"),
            name.clone(),
        ] {
            // Whatever comes of it, the console goes on.
            let _ = console.run(&command).await;
        }
        let path: String = name
            .bytes()
            .map(|byte| if byte.is_ascii_graphic() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect();
        admin.get(&format!("/{path}")).await;
        let raw = format!("GET /metrics?{name} HTTP/1.1\r\nHost: {name}\r\nOrigin: {name}\r\n\r\n");
        admin.say(raw.as_bytes()).await;
    }
}
