//! Secrets stay where they belong: the real binary runs at trace level through logins of every kind and failures of
//! every kind, and neither its log nor what its clients read holds any of them, in any spelling.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that fails has done its work"
)]

mod support;

use std::fmt::Write;
use std::process::{Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use redshift_iam_proxy::config::Verifier;
use redshift_iam_proxy::secret::Secret;
use redshift_sandbox::aws::{Fault, Times};
use redshift_sandbox::ca::Ca;
use redshift_sandbox::warehouse::Authentication;
use serde_json::Value;
use support::process::Proxy;
use support::raw::{Stream, field, message, open, read_message, say, startup, until_closed};
use support::scram::{Scram, initial_response, part};
use support::tap::Tap;
use support::{PASSWORD, Setup, USER, World};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const TRACE: &[(&str, &str)] = &[("RUST_LOG", "trace")];

/// A password with everything that has to be escaped somewhere.
const ODD_PASSWORD: &str = r#"pl+nt/ed=pa%ss "w\rd-7f3a'"#;

/// Not the password of anybody.
const WRONG_PASSWORD: &str = r#"wr+ng/pl=nt%d "p\ss-91c4'"#;

/// A password that somebody types where a name is asked for.
const TYPED_AS_USER: &str = r#"typ+d/in=th%e "wr\ng-field-55e0'"#;

const EXTERNAL_ID: &str = "sandbox-external-id-5f0c";

/// What must not be seen, each in every spelling.
#[derive(Default)]
struct Secrets(Vec<(String, Vec<String>)>);

impl Secrets {
    fn add(&mut self, name: &str, secret: impl AsRef<[u8]>) {
        self.0.push((name.to_owned(), spellings(secret.as_ref())));
    }

    /// The names of those that `text` holds.
    fn found_in(&self, text: &str) -> Vec<&str> {
        let holds = |spellings: &Vec<String>| spellings.iter().any(|spelling| text.contains(spelling));
        self.0.iter().filter(|(_, spellings)| holds(spellings)).map(|(name, _)| name.as_str()).collect()
    }

    #[track_caller]
    fn assert_absent(&self, what: &str, text: &str) {
        let found = self.found_in(text);
        let lines: Vec<_> = text.lines().filter(|line| !self.found_in(line).is_empty()).take(5).collect();
        assert!(found.is_empty(), "{what} holds {found:?}:\n{}", lines.join("\n"));
    }
}

/// Too short a text is found by chance.
const SHORTEST: usize = 8;

/// Every way in which bytes may come to stand in a text.
fn spellings(secret: &[u8]) -> Vec<String> {
    let lossy = String::from_utf8_lossy(secret).into_owned();
    let mut all = vec![lossy.clone()];
    let debug = format!("{lossy:?}");
    all.push(debug[1..debug.len() - 1].to_owned());
    all.push(serde_json::to_string(&lossy).unwrap());
    all.push(secret.escape_ascii().to_string());
    let hex = |upper: bool| {
        secret.iter().fold(String::new(), |mut hex, byte| {
            if upper { write!(hex, "{byte:02X}") } else { write!(hex, "{byte:02x}") }.unwrap();
            hex
        })
    };
    all.extend([hex(false), hex(true)]);
    // `{:?}` of bytes.
    all.push(secret.iter().map(u8::to_string).collect::<Vec<_>>().join(", "));
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
    // Base64 of it alone, and of any text that it stands in: three alignments, without the letters that it shares.
    for ahead in 0..3 {
        let shifted = [&vec![0; ahead][..], secret].concat();
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
fn unescaped(log: &str) -> String {
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
    for line in log.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        texts(&line, &mut all);
    }
    all
}

#[test]
fn the_search_finds_every_spelling() {
    let mut secrets = Secrets::default();
    secrets.add("odd", ODD_PASSWORD);
    let debug = format!("{ODD_PASSWORD:?}");
    let json = serde_json::to_string(&debug).unwrap();
    for text in [
        ODD_PASSWORD.to_owned(),
        debug,
        unescaped(&format!("{{\"a\":[{{\"b\":{json}}}]}}")),
        format!("{:?}", ODD_PASSWORD.as_bytes()),
        STANDARD.encode(format!("\0user\0{ODD_PASSWORD}\0")),
        STANDARD.encode(format!("user:{ODD_PASSWORD}")),
        URL_SAFE_NO_PAD.encode(format!("x{ODD_PASSWORD}x")),
        "x=pl%2Bnt%2Fed%3Dpa%25ss+%22w%5Crd-7f3a%27&y".to_owned(),
    ] {
        assert_eq!(secrets.found_in(&format!("ahead {text} behind")), ["odd"], "{text}");
    }
    assert!(secrets.found_in("nothing to be seen here").is_empty());
}

/// The world with users of the odd password, and the proxy's AWS calls within hearing.
struct Scene {
    world: World,
    tap: Tap,
    secrets: Secrets,
    /// All that clients read.
    replies: Vec<u8>,
}

const WORKGROUPS: [&str; 9] =
    ["throttled", "denied", "failing", "garbled", "cut", "assume", "stranger", "nonsense", "parameter"];

impl Scene {
    async fn new(more: &str) -> Self {
        let verifier = Verifier::derive(&Secret::new(ODD_PASSWORD.into()), b"fedcba9876543210", 1).to_string();
        let config = format!(
            "{more}\n[users.odd]\npassword = \"{verifier}\"\nconnections = [\"*\"]\n\
             [users.plain]\npassword = \"{verifier}\"\nmethod = \"cleartext\"\nconnections = [\"*\"]\n\
             [users.stored]\npassword = \"file:stored-password\"\nconnections = [\"*\"]\n"
        );
        let world = World::start(&Setup { config, workgroups: WORKGROUPS.to_vec(), ..Setup::default() }).await;
        std::fs::write(world.dir.path().join("stored-password"), ODD_PASSWORD).unwrap();
        let tap = Tap::start(&world.sandbox.aws.url()).await;
        let path = world.dir.path().join("proxy.toml");
        let toml = std::fs::read_to_string(&path).unwrap().replace(&world.sandbox.aws.url(), &tap.url());
        std::fs::write(&path, toml).unwrap();

        let mut secrets = Secrets::default();
        secrets.add("client password", ODD_PASSWORD);
        secrets.add("client password", PASSWORD);
        secrets.add("wrong password", WRONG_PASSWORD);
        for verifier in [&verifier, &support::verifier()] {
            let (_, keys) = verifier.rsplit_once('$').unwrap();
            for (name, key) in ["stored key", "server key"].into_iter().zip(keys.split(':')) {
                secrets.add(name, STANDARD.decode(key).unwrap());
            }
        }
        secrets.add("external id", EXTERNAL_ID);
        secrets.add("AWS secret access key", &world.keys.1);
        let key = std::fs::read_to_string(world.dir.path().join("server.key")).unwrap();
        let lines: Vec<_> = key.lines().filter(|line| !line.starts_with('-')).collect();
        for line in &lines {
            secrets.add("private key", line);
        }
        // Its scalar too, however it is cut: PKCS#8 of P-256 holds it at bytes 36 to 68.
        secrets.add("private key", &STANDARD.decode(lines.concat()).unwrap()[36..68]);
        Self { world, tap, secrets, replies: Vec::new() }
    }

    /// What went between the proxy and AWS.
    fn add_aws_secrets(&mut self) {
        let all = |begin: &str, ends: &[char]| {
            let all = self.tap.all_between(begin, ends);
            assert!(!all.is_empty(), "nobody said {begin}");
            all
        };
        let heard = [
            ("secret key of a role session", all("<SecretAccessKey>", &['<'])),
            ("session token", all("<SessionToken>", &['<'])),
            ("session token in a header", all("x-amz-security-token: ", &['\r'])),
            ("database password", all("\"dbPassword\":\"", &['"'])),
            ("signature", all("Signature=", &['\r', ',', ' '])),
            ("Authorization header", all("authorization: AWS4-HMAC-SHA256 ", &['\r'])),
        ];
        for (name, texts) in heard {
            for text in texts {
                self.secrets.add(name, text);
            }
        }
    }

    /// Starts a session as `odd` would, by SCRAM.
    async fn scram(&mut self, port: u16, user: &str, password: &str, conn_id: &str, more: &[(&str, &str)]) -> Login {
        let pairs = [&[("user", user), ("database", conn_id)][..], more].concat();
        let mut stream = open(port, Some(self.world.sandbox.ca.pem())).await;
        say(&mut stream, &startup(0, &pairs)).await;
        assert_eq!(read_message(&mut stream).await.unwrap().0, b'R');
        let scram = Scram::default();
        say(&mut stream, &initial_response("SCRAM-SHA-256", scram.first().as_bytes())).await;
        let (_, body) = read_message(&mut stream).await.unwrap();
        self.replies.extend_from_slice(&body);
        let challenge = String::from_utf8(body[4..].to_vec()).unwrap();
        let last = scram.last(&challenge, password);
        self.secrets.add("client-final message", &last);
        self.secrets.add("client's proof", part(&last, "p="));
        say(&mut stream, &message(b'p', last.as_bytes())).await;
        self.read_greeting(stream).await
    }

    /// The same with the password itself.
    async fn cleartext(&mut self, port: u16, user: &str, password: &str, more: &[(&str, &str)]) -> Login {
        let pairs = [&[("user", user), ("database", "sales")][..], more].concat();
        let mut stream = open(port, Some(self.world.sandbox.ca.pem())).await;
        say(&mut stream, &startup(0, &pairs)).await;
        assert_eq!(read_message(&mut stream).await.unwrap(), (b'R', vec![0, 0, 0, 3]));
        say(&mut stream, &message(b'p', &[password.as_bytes(), b"\0"].concat())).await;
        self.read_greeting(stream).await
    }

    async fn read_greeting(&mut self, mut stream: Stream) -> Login {
        let mut key = Vec::new();
        loop {
            let (tag, body) = read_message(&mut stream).await.unwrap();
            self.replies.extend_from_slice(&body);
            match tag {
                b'K' => {
                    add_number(&mut self.secrets, &body[4..]);
                    key = body;
                }
                b'S' if body.starts_with(b"driver_token\0") => {
                    self.secrets.add("driver_token", &body[13..body.len() - 1]);
                }
                b'Z' => return Login { stream, key, sqlstate: None },
                b'E' => {
                    let sqlstate = Some(field(&body, b'C'));
                    self.replies.extend(until_closed(&mut stream).await);
                    return Login { stream, key, sqlstate };
                }
                _ => {}
            }
        }
    }

    /// A login that is to fail so.
    async fn refused(&mut self, proxy: &mut Proxy, conn_id: &str, sqlstate: &str) {
        let login = self.scram(proxy.port, "odd", ODD_PASSWORD, conn_id, &[]).await;
        assert_eq!(login.sqlstate.as_deref(), Some(sqlstate), "{conn_id}\n{}", proxy.log());
    }
}

/// Ends the proxy: its log, to the last line.
async fn whole_log(proxy: &mut Proxy) -> String {
    proxy.signal("TERM").await;
    assert_eq!(proxy.exit_code().await, Some(0));
    proxy.wait_for_log("drained").await;
    proxy.log()
}

struct Login {
    stream: Stream,
    /// Body of BackendKeyData.
    key: Vec<u8>,
    /// Of its refusal.
    sqlstate: Option<String>,
}

/// A cancel key, also as the number that it may be printed as.
fn add_number(secrets: &mut Secrets, key: &[u8]) {
    let hex = key.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let mut all = vec![hex.clone(), hex.to_uppercase()];
    let number = u32::from_be_bytes(key.try_into().unwrap());
    all.extend([number.to_string(), number.cast_signed().to_string()]);
    all.push(key.iter().map(u8::to_string).collect::<Vec<_>>().join(", "));
    all.push(STANDARD.encode(key));
    all.retain(|spelling| spelling.len() >= SHORTEST);
    secrets.0.push(("cancel key".to_owned(), all));
}

/// Our own lines are there, and those of libraries that print requests are not.
fn assert_levels(log: &str) {
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let count = |level: &str, part: &str| {
        let is = |line: &&Value| {
            line["level"] == level
                && line["target"].as_str().unwrap().starts_with(&format!("redshift_iam_proxy::{part}"))
        };
        lines.iter().filter(is).count()
    };
    for (level, part) in [
        ("DEBUG", "session"),
        ("DEBUG", "client_auth"),
        ("DEBUG", "upstream"),
        ("TRACE", "wire"),
        ("TRACE", "startup"),
        ("TRACE", "upstream"),
        ("TRACE", "relay"),
    ] {
        assert!(count(level, part) > 0, "no {level} line of {part}");
    }
    for line in &lines {
        let target = line["target"].as_str().unwrap();
        let is_quiet = ["aws_", "hyper", "h2", "rustls", "tokio_rustls"].iter().any(|quiet| target.starts_with(quiet));
        let is_fine = line["level"] == "DEBUG" || line["level"] == "TRACE";
        assert!(!(is_quiet && is_fine), "{line}");
    }
}

const QUERY: &str = "select 'query-text-d41d8cd9'";
const PARAMETER: &str = "query-parameter-8f00b204";

/// Simple and extended, then goodbye.
async fn query(login: &mut Login) {
    let parse = message(b'P', &[b"\0", QUERY.as_bytes(), b" || $1::text\0\0\0"].concat());
    let length = u32::try_from(PARAMETER.len()).unwrap().to_be_bytes();
    let bind = message(b'B', &[b"\0\0\0\0\0\x01", &length[..], PARAMETER.as_bytes(), b"\0\0"].concat());
    let simple = message(b'Q', &[QUERY.as_bytes(), b"\0"].concat());
    let all = [simple, parse, bind, message(b'E', b"\0\0\0\0\0"), message(b'S', b""), message(b'X', b"")].concat();
    say(&mut login.stream, &all).await;
    let answer = until_closed(&mut login.stream).await;
    assert!(answer.windows(PARAMETER.len()).any(|text| text == PARAMETER.as_bytes()), "{}", answer.escape_ascii());
}

/// What a log may hold least of all, and no client either.
fn assert_clean(scene: &mut Scene, log: &str) {
    scene.add_aws_secrets();
    let mut in_log = Secrets(scene.secrets.0.clone());
    in_log.add("query text", "query-text-d41d8cd9");
    in_log.add("query parameter", PARAMETER);
    in_log.add("password for a user name", TYPED_AS_USER);
    in_log.assert_absent("the log", &unescaped(log));
    // These are the client's own.
    let own = ["driver_token", "cancel key"];
    let in_replies = Secrets(scene.secrets.0.iter().filter(|(name, _)| !own.contains(&&**name)).cloned().collect());
    in_replies.assert_absent("a reply", &String::from_utf8_lossy(&scene.replies));
}

#[tokio::test]
async fn logins_of_every_kind_leave_no_secret_in_log_or_replies() {
    let mut scene = Scene::new("").await;
    let mut proxy = Proxy::start(&scene.world, TRACE).await;
    let port = proxy.port;
    for way in [Authentication::Cleartext, Authentication::Md5, Authentication::Scram, Authentication::Digest] {
        scene.world.sandbox.warehouse.ask(way);
        let mut login = scene.scram(port, "odd", ODD_PASSWORD, "sales", &[]).await;
        assert_eq!(login.sqlstate, None, "{way:?}");
        query(&mut login).await;
    }
    scene.world.sandbox.warehouse.ask(Authentication::Cleartext);
    let driver = [("client_protocol_version", "3"), ("driver_discovery_version", "1"), ("plugin_name", "none")];
    for user in ["plain", "odd"] {
        let mut login = scene.cleartext(port, user, ODD_PASSWORD, &driver).await;
        assert_eq!(login.sqlstate, None);
        query(&mut login).await;
    }
    assert!(scene.secrets.0.iter().any(|(name, _)| name == "driver_token"));
    let mut login = scene.scram(port, "stored", ODD_PASSWORD, "sales", &[("application_name", "app")]).await;
    query(&mut login).await;

    // A cancel request with the right key, and one with a wrong one.
    let busy = scene.scram(port, "odd", ODD_PASSWORD, "sales", &[]).await;
    for key in [&busy.key[..], &[&busy.key[..4], b"\x9d\xe1\xa7\xf3"].concat()] {
        let mut request = open(port, Some(scene.world.sandbox.ca.pem())).await;
        say(&mut request, &[&16u32.to_be_bytes()[..], b"\x04\xd2\x16\x2e", key].concat()).await;
        assert_eq!(until_closed(&mut request).await, b"");
    }
    add_number(&mut scene.secrets, b"\x9d\xe1\xa7\xf3");
    scene.world.sandbox.warehouse.wait_for_cancels(1).await;
    drop(busy);

    let log = whole_log(&mut proxy).await;
    assert!(log.contains("\"cancel forwarded\"") && log.contains("\"application_name\":\"app\""));
    assert_levels(&log);
    assert_clean(&mut scene, &log);
}

#[tokio::test]
async fn failed_proofs_leave_no_secret_in_log_or_replies() {
    let mut scene = Scene::new("").await;
    let mut proxy = Proxy::start(&scene.world, TRACE).await;
    let port = proxy.port;
    for (user, password) in
        [("odd", WRONG_PASSWORD), ("leaver", ODD_PASSWORD), ("leaver", PASSWORD), ("nobody", ODD_PASSWORD)]
    {
        let login = scene.scram(port, user, password, "sales", &[]).await;
        assert_eq!(login.sqlstate.as_deref(), Some("28P01"));
    }
    for (user, password) in [("plain", WRONG_PASSWORD), ("odd", WRONG_PASSWORD), ("nobody", ODD_PASSWORD)] {
        let login = scene.cleartext(port, user, password, &[("client_protocol_version", "3")]).await;
        assert_eq!(login.sqlstate.as_deref(), Some("28P01"));
    }
    let login = scene.scram(port, TYPED_AS_USER, ODD_PASSWORD, "sales", &[]).await;
    assert_eq!(login.sqlstate.as_deref(), Some("28P01"));
    // Where it does not belong: a SASL exchange of another kind, behind a Query, in a message that is cut.
    for wrong in [
        initial_response("PLAIN", format!("\0odd\0{ODD_PASSWORD}").as_bytes()),
        message(b'Q', format!("alter user odd password '{ODD_PASSWORD}'\0").as_bytes()),
        message(b'p', ODD_PASSWORD.as_bytes()),
        message(b'p', format!("{ODD_PASSWORD}\0{ODD_PASSWORD}\0").as_bytes()),
    ] {
        for driver in [&[][..], &[("client_protocol_version", "3")]] {
            let mut stream = open(port, Some(scene.world.sandbox.ca.pem())).await;
            let pairs = [&[("user", "odd"), ("database", "sales")][..], driver].concat();
            say(&mut stream, &[startup(0, &pairs), wrong.clone()].concat()).await;
            scene.replies.extend(until_closed(&mut stream).await);
        }
    }
    // In clear, ahead of everything.
    let mut stream = open(port, None).await;
    say(&mut stream, format!("{ODD_PASSWORD}\r\n").as_bytes()).await;
    scene.replies.extend(until_closed(&mut stream).await);
    let mut login = scene.scram(port, USER, PASSWORD, "sales", &[]).await;
    query(&mut login).await;

    let log = whole_log(&mut proxy).await;
    let unknown = log.matches("\"unknown-").count();
    assert!(unknown >= 3 && log.contains("wrong password") && log.contains("disabled user"), "{log}");
    assert_levels(&log);
    assert_clean(&mut scene, &log);
}

#[tokio::test]
async fn failures_of_aws_leave_no_secret_in_log_or_replies() {
    let mut scene = Scene::new("").await;
    let mut proxy = Proxy::start(&scene.world, TRACE).await;
    // One that works, so that there is something to be heard.
    let mut login = scene.scram(proxy.port, "odd", ODD_PASSWORD, "sales", &[]).await;
    query(&mut login).await;
    for (workgroup, fault, sqlstate) in [
        ("throttled", Fault::Throttle, "57P03"),
        ("denied", Fault::Deny, "08004"),
        ("failing", Fault::InternalError, "57P03"),
        ("garbled", Fault::Garbage, "57P03"),
        ("cut", Fault::Close, "57P03"),
    ] {
        scene.world.sandbox.aws.fault_where("GetCredentials", ("workgroupName", workgroup), fault, Times::Always);
        scene.refused(&mut proxy, workgroup, sqlstate).await;
    }
    for (operation, workgroup) in [("AssumeRole", "assume"), ("GetParameter", "parameter")] {
        for fault in [Fault::Throttle, Fault::InternalError, Fault::Garbage, Fault::Close] {
            scene.world.sandbox.aws.fault(operation, fault, Times::Always);
            scene.refused(&mut proxy, workgroup, "57P03").await;
            scene.world.sandbox.aws.clear_faults();
        }
        scene.world.sandbox.aws.fault(operation, Fault::Deny, Times::Always);
        scene.refused(&mut proxy, workgroup, "08004").await;
        scene.world.sandbox.aws.clear_faults();
    }
    // External ids that the role does not know, and that STS would quote.
    let name = "/lava/demo/rs01-external-id";
    for (workgroup, external_id) in
        [("stranger", "another-external-id-c0ffee"), ("nonsense", "no external id 'at' all: <pl&nted> \"e7b1\"")]
    {
        scene.world.sandbox.aws.put_parameter(name, external_id);
        scene.secrets.add("external id", external_id);
        scene.refused(&mut proxy, workgroup, "08004").await;
    }

    let log = whole_log(&mut proxy).await;
    let codes =
        ["Throttling", "AccessDenied", "InternalServer", "unreadable answer", "no connection", "no external id"];
    for code in codes {
        assert!(log.lines().any(|line| line.contains("login refused") && line.contains(code)), "{code}: {log}");
    }
    assert_clean(&mut scene, &log);
}

#[tokio::test]
async fn failures_of_the_warehouse_leave_no_secret_in_log_or_replies() {
    let mut scene = Scene::new("").await;
    let mut proxy = Proxy::start(&scene.world, TRACE).await;
    let mut login = scene.scram(proxy.port, "odd", ODD_PASSWORD, "sales", &[]).await;
    query(&mut login).await;
    for way in [Authentication::Cleartext, Authentication::Md5, Authentication::Scram, Authentication::Digest] {
        scene.world.sandbox.warehouse.ask(way);
        scene.world.sandbox.warehouse.refuse_logins(2);
        scene.refused(&mut proxy, "sales", "08004").await;
    }
    scene.world.sandbox.warehouse.reset_logins(3);
    scene.refused(&mut proxy, "sales", "08001").await;
    scene.world.sandbox.warehouse.login_error(1, "53300", "too many connections");
    scene.refused(&mut proxy, "sales", "53300").await;
    scene.world.sandbox.warehouse.refuse_tls(true);
    scene.refused(&mut proxy, "sales", "08001").await;
    scene.world.sandbox.warehouse.refuse_tls(false);
    scene.world.sandbox.warehouse.forge_behind_ssl(Some(b"R\0\0\0\x08\0\0\0\x03".to_vec()));
    scene.refused(&mut proxy, "sales", "08001").await;
    scene.world.sandbox.warehouse.forge_behind_ssl(None);
    scene.world.sandbox.warehouse.present(Ca::new().issue(&["localhost"]));
    scene.refused(&mut proxy, "sales", "08001").await;
    scene.world.sandbox.warehouse.present(scene.world.sandbox.ca.issue(&["other.example.com"]));
    scene.refused(&mut proxy, "sales", "08001").await;
    let log = whole_log(&mut proxy).await;
    assert_clean(&mut scene, &log);
}

/// People paste passwords into `options`; the warehouse quotes them in its refusals.
#[tokio::test]
async fn startup_parameters_are_not_logged_even_where_the_warehouse_quotes_them() {
    let mut scene = Scene::new("").await;
    let mut proxy = Proxy::start(&scene.world, TRACE).await;
    let planted = "planted-option-2b6f";
    for (name, value) in [
        ("options", format!("-c search_path={planted}")),
        ("options", format!("-c {planted}=1")),
        ("options", format!("-c datestyle={planted}")),
        ("options", planted.to_owned()),
        ("options", format!("--password={planted}")),
        ("datestyle", planted.to_owned()),
        ("TimeZone", planted.to_owned()),
        ("client_encoding", planted.to_owned()),
        ("statement_timeout", planted.to_owned()),
        ("extra_float_digits", planted.to_owned()),
        (planted, planted.to_owned()),
        ("password", planted.to_owned()),
        ("_pq_.planted", planted.to_owned()),
        ("replication", planted.to_owned()),
        ("idp_type", planted.to_owned()),
    ] {
        drop(scene.scram(proxy.port, "odd", ODD_PASSWORD, "sales", &[(name, &value)]).await);
    }
    let log = whole_log(&mut proxy).await;
    assert!(log.contains("\"session started\"") && log.contains("\"login refused\""));
    scene.secrets.assert_absent("the log", &unescaped(&log));
    let mut planted_only = Secrets::default();
    planted_only.add("startup parameter", planted);
    planted_only.assert_absent("the log", &unescaped(&log));
}

/// Lines of its own, escapes that a terminal obeys, quotes that end a JSON text.
const HOSTILE_TEXT: &str = "x\n{\"level\":\"INFO\",\"message\":\"FORGED\"}\r\n2026-01-01T00:00:00Z  INFO FORGED\u{1b}[2J\u{7}\u{202e}\",\"a\":\"b\\";

async fn hostile_texts(scene: &mut Scene, proxy: &mut Proxy) -> String {
    let port = proxy.port;
    for (user, conn_id, application_name) in
        [(HOSTILE_TEXT, "sales", HOSTILE_TEXT), ("odd", HOSTILE_TEXT, HOSTILE_TEXT), ("odd", "sales", HOSTILE_TEXT)]
    {
        let mut login = scene.scram(port, user, ODD_PASSWORD, conn_id, &[("application_name", application_name)]).await;
        if login.sqlstate.is_none() {
            query(&mut login).await;
        }
    }
    let log = whole_log(proxy).await;
    for line in log.lines() {
        assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}' && !line.starts_with('{')), "{line:?}");
        assert!(!line.starts_with("2026-01-01T00:00:00Z  INFO FORGED"), "{line}");
    }
    log
}

#[tokio::test]
async fn client_text_is_escaped_in_json() {
    let mut scene = Scene::new("[log]\nformat = \"json\"\n").await;
    let mut proxy = Proxy::start(&scene.world, TRACE).await;
    let log = hostile_texts(&mut scene, &mut proxy).await;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(lines.iter().all(|line| line["message"] != "FORGED" && line["target"].is_string()));
    let started = lines.iter().find(|line| line["message"] == "session started").unwrap();
    assert_eq!(started["application_name"], HOSTILE_TEXT);
    assert_clean(&mut scene, &log);
}

#[tokio::test]
async fn client_text_is_escaped_in_text() {
    let mut scene = Scene::new("[log]\nformat = \"text\"\n").await;
    let mut proxy = Proxy::start(&scene.world, TRACE).await;
    let log = hostile_texts(&mut scene, &mut proxy).await;
    let is_line =
        |line: &&str| [" TRACE ", " DEBUG ", "  INFO ", "  WARN ", " ERROR "].iter().any(|l| line.contains(l));
    assert!(log.lines().all(|line| is_line(&line)), "{log}");
    assert!(log.contains(&format!("application_name={HOSTILE_TEXT:?}")), "{log}");
    assert!(log.contains("DEBUG") && log.contains("TRACE"));
    assert_clean(&mut scene, &log);
}

async fn run(args: &[&str], stdin: &str, env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redshift-iam-proxy"));
    command.args(args).env_clear().env("RUST_LOG", "trace").envs(env.iter().copied());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may be gone before it reads.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes()).await;
    child.wait_with_output().await.unwrap()
}

fn printed(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

#[tokio::test]
async fn faults_of_the_configuration_do_not_quote_secrets() {
    let dir = tempfile::TempDir::new().unwrap();
    let secret = "config-secret-0a1b2c3d";
    let mut secrets = Secrets::default();
    secrets.add("secret in the configuration", secret);
    secrets.add("AWS secret access key", "aws-secret-key-99f0e1d2");
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write(
        "broken.key",
        &format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(secret)),
    );
    write("broken-verifier", &format!("SCRAM-SHA-256$4096:{secret}"));
    write("empty", "");
    let user = |password: &str| format!("[users.u]\npassword = {password}\n");
    let connection = |more: &str| {
        format!(
            "[connections.c]\ntype = \"redshift-serverless\"\nhost = \"h.example.com\"\nworkgroup = \"work\"\n\
             database = \"d\"\n{more}\n"
        )
    };
    for text in [
        user(&format!("\"{secret}\"")),
        user(&format!("\"/{secret}\"")),
        user(&format!("\"file:{secret}\"")),
        user(&format!("\"SCRAM-SHA-256$4096:{secret}\"")),
        user(&format!("\"SCRAM-SHA-256$4096:AAAA${secret}:{secret}\"")),
        user(&format!("[\"{secret}\", \"{secret}\"]")),
        user(&format!("\"{secret}")),
        user(secret),
        user(&format!("{{ value = \"{secret}\" }}")),
        user("\"file:broken-verifier\""),
        user("\"env:WRONG_VERIFIER\""),
        user(&format!("\"${{SECRET}} ${{NOPE}} {secret}\"")),
        connection(&format!("external_id = \"{secret} not a name\"")),
        connection(&format!("password = \"{secret}\"")),
        connection(&format!("external_id = [\"{secret}\"]")),
        "[listen.tls]\ncert = \"broken.key\"\nkey = \"broken.key\"".to_owned(),
        format!("[listen.tls]\ncert = \"broken.key\"\nkey = \"\"\"\n-----BEGIN PRIVATE KEY-----\n{secret}\"\"\""),
        format!("[aws]\nendpoint_url = \"https://user:{secret}@example.com\""),
        format!("[admin]\ntoken = \"{secret}\""),
    ] {
        write("proxy.toml", &text);
        let path = dir.path().join("proxy.toml");
        let path = path.to_str().unwrap();
        let wrong = format!("SCRAM-SHA-256$1:{secret}$");
        let env = [
            ("SECRET", secret),
            ("WRONG_VERIFIER", wrong.as_str()),
            ("AWS_SECRET_ACCESS_KEY", "aws-secret-key-99f0e1d2"),
        ];
        for args in [&["check", "--offline", "--config", path][..], &["serve", "--config", path]] {
            let output = run(args, "", &env).await;
            assert_eq!(output.status.code(), Some(78), "{text}\n{}", printed(&output));
            secrets.assert_absent(&format!("what {args:?} says of {text}"), &printed(&output));
        }
        // And as a text in a variable.
        let env = [&env[..], &[("TEXT", &text)]].concat();
        let output = run(&["check", "--offline", "--config", "env:TEXT"], "", &env).await;
        secrets.assert_absent(&format!("what check says of {text}"), &printed(&output));
    }
    // One that is right tells none either.
    let text = connection("role_arn = \"arn:aws:iam::123456789012:role/r\"\nexternal_id = \"/name\"")
        + "[users.u]\npassword = \"env:SECRET\"\nconnections = [\"c\"]\n";
    let env = [("SECRET", secret), ("TEXT", text.as_str())];
    let output = run(&["check", "--offline", "--config", "env:TEXT"], "", &env).await;
    assert!(output.status.success(), "{}", printed(&output));
    secrets.assert_absent("check", &printed(&output));
}

#[tokio::test]
async fn hash_password_prints_the_verifier_alone() {
    let mut secrets = Secrets::default();
    secrets.add("password", ODD_PASSWORD);
    let output = run(&["hash-password"], &format!("{ODD_PASSWORD}\n"), &[]).await;
    assert!(output.status.success());
    secrets.assert_absent("hash-password", &printed(&output));
    // A password where a verifier belongs.
    let output = run(&["hash-password", "--like", ODD_PASSWORD], "x\n", &[]).await;
    assert_eq!(output.status.code(), Some(64));
    secrets.assert_absent("hash-password --like", &printed(&output));
}
