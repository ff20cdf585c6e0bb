//! Secrets: not in logs, and compared in constant time alone.

use std::path::Path;

use crate::support::process::Proxy;
use crate::support::scene::{Scene, TRACE, TYPED_AS_USER, assert_clean, query, whole_log};
use crate::support::secrets::{ODD_PASSWORD, Secrets, unescaped};

/// Startup parameters and messages are not logged whole, not even at trace level, and a password in
/// the wrong field is one.
#[tokio::test]
async fn neon_and_teleport_debug_logs_hold_no_password_that_was_put_into_options_or_the_user_name() {
    let mut scene = Scene::new("").await;
    let mut proxy = Proxy::start(&scene.world, TRACE).await;
    let port = proxy.port;
    let planted = "planted-password-91fe";
    for (name, value) in [
        ("options", format!("-c password={planted}")),
        ("options", format!("--password={planted}")),
        ("options", planted.to_owned()),
        ("password", planted.to_owned()),
        ("datestyle", planted.to_owned()),
        ("_pq_.password", planted.to_owned()),
    ] {
        drop(
            scene
                .scram(port, "odd", ODD_PASSWORD, "sales", &[(name, &value)])
                .await,
        );
    }
    for user in [TYPED_AS_USER, planted] {
        let login = scene.scram(port, user, ODD_PASSWORD, "sales", &[]).await;
        assert_eq!(login.sqlstate.as_deref(), Some("28P01"));
    }
    let mut login = scene.scram(port, "odd", ODD_PASSWORD, "sales", &[]).await;
    query(&mut login).await;
    let log = whole_log(&mut proxy).await;
    assert!(log.contains("\"TRACE\"") && log.contains("\"session started\"") && log.contains("\"login refused\""));
    let mut passwords = Secrets::default();
    passwords.add("password in the wrong field", planted);
    passwords.assert_absent("the log", &unescaped(&log));
    assert_clean(&mut scene, &log);
}

/// Each source file of the program, without its tests.
fn sources(folder: &Path, each: &mut impl FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path.is_dir() {
            if name != "tests" {
                sources(&path, each);
            }
        } else if !["tests", "fuzz", "bench"].contains(&name) {
            let text = std::fs::read_to_string(&path).unwrap();
            each(&path, text.split("#[cfg(test)]\nmod tests {").next().unwrap());
        }
    }
}

/// What yields a secret that is not a `SecretBytes`, which the compiler lets nobody compare in
/// another way: texts, and what the library for hashes gives before it is made one.
const SECRETS: [&str; 5] = ["expose", "password", "hmac", "digest", "salted"];

/// The operands of each comparison in a line: the words beside it.
fn compared(line: &str) -> Vec<&str> {
    let words: Vec<_> = line.split_whitespace().collect();
    let beside = |at: usize| [at.checked_sub(1), Some(at + 1)].into_iter().flatten();
    let operators = (0..words.len()).filter(|&at| ["==", "!="].contains(&words[at]));
    let operands = operators
        .flat_map(beside)
        .filter_map(|at| words.get(at).copied());
    let is_call = |word: &&str| {
        [".eq(", ".ne(", ".cmp("]
            .iter()
            .any(|call| word.contains(call))
    };
    operands
        .chain(words.iter().copied().filter(is_call))
        .collect()
}

fn names_a_secret(operand: &str) -> bool {
    let is_part = |b: char| b.is_ascii_alphanumeric() || b == '_';
    operand
        .split(|b| !is_part(b))
        .any(|name| SECRETS.contains(&name))
}

#[test]
fn the_reader_of_the_sources_sees_comparisons_of_secrets() {
    for line in [
        "if digest.as_ref() == given.as_ref() {",
        "given.salted != known.salted",
        "password.expose() == given",
        "is(a) && password == expected",
        "one.password.eq(&other)",
    ] {
        assert!(compared(line).into_iter().any(names_a_secret), "{line}");
    }
    for line in ["if spec.password_id == other && is_same(&a.password, &b.password) {", "let password = a == b;"] {
        assert!(!compared(line).into_iter().any(names_a_secret), "{line}");
    }
}

/// Its tests are declared near the top, and are in a file of their own.
#[test]
fn the_reader_of_the_sources_reads_to_the_end_of_a_file() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/client_auth/accounts.rs");
    let text = std::fs::read_to_string(&path).unwrap();
    let last = text.lines().rfind(|line| line.contains("fn ")).unwrap();
    let mut is_read = false;
    sources(path.parent().unwrap(), &mut |read, text| is_read |= read == path && text.contains(last));
    assert!(is_read, "{last}");
}

/// What a compiler does not see: an `==` that tells by its time how much of a secret was right.
#[test]
fn supavisor_1032_secrets_are_compared_in_constant_time_alone() {
    let (mut suspects, mut helpers) = (Vec::new(), Vec::new());
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut |path, text| {
        for line in text
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("//"))
        {
            if compared(line).into_iter().any(names_a_secret) {
                suspects.push(format!("{}: {line}", path.display()));
            }
            if line.contains("verify_slices_are_equal(") {
                helpers.push(
                    path.strip_prefix(env!("CARGO_MANIFEST_DIR"))
                        .unwrap()
                        .display()
                        .to_string(),
                );
            }
        }
    });
    assert_eq!(suspects, [""; 0]);
    // One helper, behind the `==` of `Secret` and `SecretBytes`.
    assert_eq!(helpers, ["src/secret.rs"]);
    let secret = include_str!("../../../src/secret.rs");
    for derived in secret
        .lines()
        .filter(|line| line.trim().starts_with("#[derive("))
    {
        assert!(!derived.contains("PartialEq") && !derived.contains("Ord") && !derived.contains("Hash"), "{derived}");
    }
}

/// Foreign errors that may be the cause of one of ours: those of reading and waiting, and those
/// about names that no secret is in. What a library says about the content of a text quotes the
/// text.
const CAUSES: [&str; 6] = [
    "std::io::Error",
    "io::Error",
    "tokio::task::JoinError",
    "Elapsed",
    "rustls::pki_types::InvalidDnsNameError",
    // Of AWS's words, in `aws::failure` and nowhere else.
    "Box<dyn Error + Send + Sync>",
];

/// Types that an error of ours has as a cause and that are none of ours, each with its file.
fn foreign_causes(path: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"))
    {
        let of_attribute = ["#[source] ", "#[from] "]
            .into_iter()
            .filter_map(|mark| Some(line.split_once(mark)?.1));
        let of_field = line.split_once("source: ").map(|(_, rest)| rest);
        // Else it is a call, or a text's name.
        let of_field = of_field.filter(|rest| !line.contains('(') && !rest.starts_with(['&', '"']));
        for cause in of_attribute.chain(of_field) {
            let cause = cause.trim_end_matches([',', ')', '}', ' ']).trim();
            let is_ours =
                cause.chars().all(|c| c.is_ascii_alphanumeric()) && cause != "Error" || cause.starts_with("Arc<");
            if !is_ours || cause == "Elapsed" {
                found.push(format!("{}: {cause}", path.file_name().unwrap().display()));
            }
        }
    }
    found
}

#[test]
fn the_reader_of_the_sources_sees_foreign_causes() {
    let found = |line: &str| foreign_causes(Path::new("x.rs"), line);
    for line in [
        "Pem(#[source] rustls::pki_types::pem::Error),",
        "Json(#[from] serde_json::Error),",
        "source: rustls::Error,",
        "File { path: String, source: toml::de::Error },",
    ] {
        assert_eq!(found(line).len(), 1, "{line}");
    }
    assert!(found("Clients(#[from] ClientsError),").is_empty() && found("source: Arc<AwsError>,").is_empty());
}

/// The text of a library's error about secret input is input: no error of ours may carry one along.
#[test]
fn no_error_has_a_cause_that_quotes_what_was_parsed() {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut |path, text| {
        found.extend(foreign_causes(path, text));
    });
    assert!(found.len() > 10, "{found:?}");
    let is_known = |found: &String| CAUSES.contains(&found.split_once(": ").unwrap().1);
    found.retain(|found| !is_known(found));
    // About TLS settings that nobody but us makes.
    assert_eq!(found, ["tls.rs: rustls::Error"; 1]);
}
