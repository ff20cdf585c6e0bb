//! The tables in docs/incidents.md and docs/field.md, held against the tests.

use std::path::{Path, PathBuf};

/// Every incident of the list that the project was given.
const INCIDENTS: [&str; 48] = [
    "CVE-2021-3935",
    "CVE-2021-43766",
    "CVE-2021-23214",
    "CVE-2021-43767",
    "CVE-2021-23222",
    "CVE-2026-107350",
    "CVE-2015-6817",
    "PgDog #1053",
    "CVE-2026-6667",
    "CVE-2025-12819",
    "CVE-2025-2291",
    "CVE-2026-107349",
    "CVE-2026-6664",
    "CVE-2026-6668",
    "CVE-2026-107348",
    "CVE-2026-6665",
    "CVE-2026-6669",
    "CVE-2026-6666",
    "CVE-2012-4575",
    "CVE-2025-49146",
    "jackc/pgx#2578",
    "pgbouncer #38",
    "pgbouncer #245",
    "neon #9739",
    "Odyssey storage documentation",
    "Supavisor #993",
    "Supavisor #783",
    "Supavisor #970",
    "Supavisor #1032",
    "amazon-redshift-jdbc-driver#12",
    "amazon-redshift-jdbc-driver#97",
    "CVE-2026-86863",
    "Neon debug logs",
    "Teleport debug logs",
    "PgBouncer #1358",
    "confused deputy",
    "CPU exhaustion by SCRAM",
    "CPU exhaustion by TLS",
    "DNS trap",
    "upstream trap",
    // The fuzz set that follows from them.
    "startup packet",
    "`options` string",
    "PROXY v1 and v2 header",
    "SASL messages of the warehouse",
    "SASL messages of clients",
    "ErrorResponse fields",
    "code-13 payload",
    "CancelRequest of 3.0 and 3.2",
];

/// Rows that say so lean on code that there is not.
const CANNOT_OCCUR: &str = "cannot occur:";

const HEADS: [&str; 4] = ["| incident |", "| what |", "| what people met elsewhere |", "| ---"];

fn page(name: &str) -> String {
    std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("docs")
            .join(name),
    )
    .unwrap()
}

fn docs() -> String {
    page("incidents.md")
}

fn rows(docs: &str) -> impl Iterator<Item = &str> {
    let is_row = |line: &&str| line.starts_with("| ") && !HEADS.iter().any(|head| line.starts_with(head));
    docs.lines().filter(is_row)
}

/// All code of a folder, of which there may be none.
fn code(folder: &Path, all: &mut String) {
    for path in entries(folder) {
        if path.is_dir() {
            code(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

/// That of a module: of its file, and of the folder beside it.
fn module(folder: &Path, name: &str, all: &mut String) {
    if let Ok(text) = std::fs::read_to_string(folder.join(format!("{name}.rs"))) {
        all.push_str(&text);
    }
    code(&folder.join(name), all);
}

/// The same, wherever below the folder the module is.
fn modules(folder: &Path, name: &str, all: &mut String) {
    module(folder, name, all);
    for below in entries(folder).into_iter().filter(|path| path.is_dir()) {
        modules(&below, name, all);
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// As the rows name it: `test`, of this family, `module::test`, of a family of tests/ or of a
/// module of the program, or `sandbox/module::test`, of a family of the sandbox's tests.
fn is_test(test: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (family, name) = test.rsplit_once("::").unwrap_or(("incidents", test));
    let mut all = String::new();
    modules(&root.join("tests"), family, &mut all);
    modules(&root.join("src"), family, &mut all);
    if let Some(family) = family.strip_prefix("sandbox/") {
        module(&root.join("sandbox/tests"), family, &mut all);
    }
    all.contains(&format!("fn {name}("))
}

#[test]
fn every_row_names_tests_that_there_are() {
    for (name, least) in [("incidents.md", 35), ("field.md", 60)] {
        let docs = page(name);
        assert!(rows(&docs).count() >= least, "{name}");
        for row in rows(&docs) {
            let tests: Vec<_> = row
                .rsplit('|')
                .nth(1)
                .unwrap()
                .split('`')
                .skip(1)
                .step_by(2)
                .collect();
            assert!(!tests.is_empty(), "no test: {row}");
            for test in tests {
                assert!(is_test(test), "{test} is no test: {row}");
            }
        }
    }
    assert!(is_test("fuzz::digest_requests_of_any_bytes_are_read_whole_or_refused"));
    assert!(!is_test("options::digest_requests_of_any_bytes_are_read_whole_or_refused"), "of another module");
    assert!(!is_test("digest_requests_of_any_bytes_are_read_whole_or_refused"), "of no family");
}

#[test]
fn every_incident_has_a_row_and_few_cannot_occur() {
    let docs = docs();
    for incident in INCIDENTS {
        assert!(rows(&docs).any(|row| row.contains(incident)), "{incident} has no row");
    }
    let excuses: Vec<_> = rows(&docs)
        .filter(|row| row.contains(CANNOT_OCCUR))
        .collect();
    assert!(excuses.len() <= 5, "{excuses:#?}");
}

/// Each test of this family is in the table: nobody has to look for what it is about.
#[test]
fn every_test_of_the_family_is_in_the_table() {
    let docs = docs();
    let mut all = String::new();
    code(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/incidents"), &mut all);
    let own = include_str!("table.rs");
    let tests = |text: &str| -> Vec<String> {
        let attributed = text
            .split("#[tokio::test]\n")
            .chain(text.split("#[test]\n"));
        let name = |rest: &str| {
            let rest = rest
                .strip_prefix("async fn ")
                .or_else(|| rest.strip_prefix("fn "))?;
            rest.split_once('(').map(|(name, _)| name.to_owned())
        };
        attributed.filter_map(name).collect()
    };
    let (all, own) = (tests(&all), tests(own));
    assert!(all.len() > 25, "{all:?}");
    for test in all.iter().filter(|test| !own.contains(test)) {
        assert!(
            docs.contains(&format!("`{test}`")) || docs.contains(&format!("::{test}`")),
            "{test} is not in the table"
        );
    }
}
