//! docs/drivers.md names every driver and every tool, and has a result of each check for it.

const DOCS: &str = include_str!("../../docs/drivers.md");
const RUN: &str = include_str!("../../drivers/run.py");

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

/// Those that compare names, or read Redshift's catalog.
const TOOLS: [&str; 7] = [
    "pgAdmin's statements",
    "SQLAlchemy's inspector, psycopg2",
    "SQLAlchemy's inspector, redshift_connector",
    "redshift_connector's metadata",
    "knex",
    "Spark's statements, pgjdbc",
    "dlt",
];

/// The cells of a row, trimmed.
fn cells(row: &str) -> Vec<&str> {
    let row = row
        .strip_prefix('|')
        .and_then(|row| row.strip_suffix('|'))
        .unwrap();
    row.split('|').map(str::trim).collect()
}

/// A table between the markers: the head's cells, each row's, and the footnotes.
type Table = (Vec<&'static str>, Vec<Vec<&'static str>>, Vec<&'static str>);

/// The one of drivers or of tools, as the first cell of its head says.
fn table_of(kind: &str) -> Table {
    let (_, block) = DOCS.split_once("<!-- table: begin -->\n").unwrap();
    let (block, _) = block.split_once("<!-- table: end -->").unwrap();
    let lines = block
        .lines()
        .skip_while(|line| !line.starts_with(&format!("| {kind} |")));
    let mut rows = lines.clone().take_while(|line| line.starts_with('|'));
    let head = cells(rows.next().unwrap());
    let notes = lines
        .filter(|line| line.starts_with(|first: char| first.is_ascii_digit()))
        .collect();
    (head, rows.skip(1).map(cells).collect(), notes)
}

fn table() -> Table {
    table_of("driver")
}

#[test]
fn every_tool_works_and_has_a_row() {
    let (head, tools, _) = table_of("tool");
    assert_eq!(head, ["tool", "version", "names", "metadata"]);
    assert_eq!(tools.iter().map(|row| row[0]).collect::<Vec<_>>(), TOOLS);
    for row in tools {
        assert_eq!(row[2..], ["ok", "ok"], "{}", row[0]);
    }
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
    let matrix: Vec<_> = RUN
        .split("Row(\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    let (_, tools, _) = table_of("tool");
    assert_eq!(
        drivers
            .iter()
            .chain(&tools)
            .map(|row| row[0])
            .collect::<Vec<_>>(),
        matrix
    );
}

#[test]
fn every_result_is_ok_or_has_a_reason() {
    let (head, drivers, notes) = table();
    for row in &drivers {
        assert_eq!(row.len(), head.len());
        for (check, result) in head.iter().zip(row).skip(2) {
            let note = result
                .strip_prefix("– (")
                .and_then(|rest| rest.strip_suffix(')'));
            let told = note.is_some_and(|note| {
                notes
                    .iter()
                    .any(|line| line.starts_with(&format!("{note}. ")))
            });
            let asked = !result.is_empty() || !CHECKS.contains(check) || row[0] == OWN_TESTS;
            assert!(asked && (*result == "ok" || result.is_empty() || told), "{}, {check}: {result}", row[0]);
        }
    }
}
