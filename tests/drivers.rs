//! docs/drivers.md names every driver, and has a result of each check for it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that fails has done its work"
)]

const DOCS: &str = include_str!("../docs/drivers.md");
const RUN: &str = include_str!("../drivers/run.py");

/// Those of the issue, in its order.
const DRIVERS: [&str; 15] = [
    "psql",
    "libpq",
    "psycopg 3",
    "psycopg 3, async",
    "psycopg2",
    "asyncpg",
    "pg8000",
    "redshift_connector",
    "SQLAlchemy, psycopg2",
    "SQLAlchemy, redshift_connector",
    "node-postgres",
    "tokio-postgres",
    "pgjdbc",
    "psqlODBC",
    "dbt",
];

/// Of this one its own tests are run, not ours.
const OWN_TESTS: &str = "lib/pq, by its own tests";

const CHECKS: [&str; 9] = [
    "login",
    "typed parameters",
    "100,000 rows",
    "error",
    "cancel",
    "transaction",
    "copy",
    "TLS modes",
    "wrong password",
];

/// The cells of a row, trimmed.
fn cells(row: &str) -> Vec<&str> {
    let row = row.strip_prefix('|').and_then(|row| row.strip_suffix('|')).unwrap();
    row.split('|').map(str::trim).collect()
}

/// Between the markers: the head's cells, each driver's, and the footnotes.
fn table() -> (Vec<&'static str>, Vec<Vec<&'static str>>, Vec<&'static str>) {
    let (_, block) = DOCS.split_once("<!-- table: begin -->\n").unwrap();
    let (block, _) = block.split_once("<!-- table: end -->").unwrap();
    let mut rows = block.lines().filter(|line| line.starts_with('|'));
    let head = cells(rows.next().unwrap());
    let drivers = rows.skip(1).map(cells).collect();
    (head, drivers, block.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_digit())).collect())
}

#[test]
fn every_driver_has_a_row_and_every_check_a_column() {
    let (head, drivers, _) = table();
    assert_eq!(head[2..2 + CHECKS.len()], CHECKS);
    for name in DRIVERS {
        assert!(drivers.iter().any(|row| row[0] == name), "{name} has no row");
    }
}

#[test]
fn the_rows_are_those_of_the_matrix() {
    let (_, drivers, _) = table();
    let matrix: Vec<_> = RUN.split("Row(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(drivers.iter().map(|row| row[0]).collect::<Vec<_>>(), matrix);
}

#[test]
fn every_result_is_ok_or_has_a_reason() {
    let (head, drivers, notes) = table();
    for row in &drivers {
        assert_eq!(row.len(), head.len());
        for (check, result) in head.iter().zip(row).skip(2) {
            let note = result.strip_prefix("– (").and_then(|rest| rest.strip_suffix(')'));
            let told = note.is_some_and(|note| notes.iter().any(|line| line.starts_with(&format!("{note}. "))));
            let asked = !result.is_empty() || !CHECKS.contains(check) || row[0] == OWN_TESTS;
            assert!(asked && (*result == "ok" || result.is_empty() || told), "{}, {check}: {result}", row[0]);
        }
    }
}
