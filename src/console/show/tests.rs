use super::*;
use crate::console::answer::{Kind, Value};
use crate::console::parse::SHOWS;
use crate::operations::fake::Fake;

fn is_of(kind: Kind, value: &Value) -> bool {
    matches!(
        (kind, value),
        (_, Value::Null)
            | (Kind::Text, Value::Text(_))
            | (Kind::Int8, Value::Int(_))
            | (Kind::Float8, Value::Float(_))
            | (Kind::Bool, Value::Bool(_))
            | (Kind::Timestamptz, Value::Time(_))
    )
}

#[test]
fn every_value_is_of_its_columns_type_and_columns_have_names_of_their_own() {
    let fake = Fake::of("x");
    for (name, table) in SHOWS {
        let rows = show(&table, &fake);
        assert!(!rows.rows.is_empty(), "{name}");
        assert_eq!(rows.columns, columns(&table), "{name}");
        for row in &rows.rows {
            assert_eq!(row.len(), rows.columns.len(), "{name}");
            for (column, value) in rows.columns.iter().zip(row) {
                assert!(is_of(column.kind, value), "{name}.{}: {value:?}", column.name);
            }
        }
        let mut names: Vec<_> = rows.columns.iter().map(|column| column.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rows.columns.len(), "{name}");
    }
}

#[test]
fn the_two_sides_of_a_session_are_joined_by_ptr_and_link() {
    let fake = Fake::of("abc");
    let value = |rows: &Rows, row: usize, name: &str| {
        let at = rows
            .columns
            .iter()
            .position(|column| column.name == name)
            .unwrap();
        rows.rows[row][at].clone()
    };
    let (clients, servers) = (show(&Show::Clients, &fake), show(&Show::Servers, &fake));
    assert_eq!((clients.rows.len(), servers.rows.len()), (2, 1), "one has no warehouse yet");
    assert_eq!(value(&clients, 0, "link"), value(&servers, 0, "ptr"));
    assert_eq!(value(&clients, 1, "link"), Value::text(""));
    assert_eq!(value(&clients, 0, "state"), Value::text("active"));
    assert_eq!(value(&clients, 1, "state"), Value::text("waiting"));
    let waits = |row| (value(&clients, row, "wait"), value(&clients, row, "wait_us"));
    assert_eq!((waits(0), waits(1)), ((Value::Int(0), Value::Int(0)), (Value::Int(3), Value::Int(400))));
    assert_eq!(value(&servers, 0, "local_port"), Value::Int(5439));
    assert_eq!(value(&servers, 0, "remote_pid"), Value::Int(4_294_967_295));
    assert_eq!(value(&clients, 0, "bytes_up"), Value::Int(i64::MAX));
}

/// The rows of the table behind a heading of docs/console.md, without its own heading.
fn documented(heading: &str) -> Vec<Vec<String>> {
    let page = include_str!("../../../docs/console.md");
    let (_, section) = page
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("docs/console.md has no {heading}"));
    let section = section.split("\n#").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| {
        let cells = row.trim_matches('|').split(" | ");
        cells
            .map(|cell| cell.trim().trim_matches('`').to_owned())
            .collect()
    };
    rows.map(cells).collect()
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Int8 => "int8",
        Kind::Float8 => "float8",
        Kind::Bool => "bool",
        Kind::Timestamptz => "timestamptz",
    }
}

#[test]
fn the_page_has_every_command_and_every_column_with_its_type() {
    let fake = Fake::of("x");
    let shown = SHOWS
        .into_iter()
        .map(|(name, table)| (format!("### SHOW {name}"), show(&table, &fake).columns));
    let check = crate::console::execute::CHECK.of([]).columns;
    for (heading, columns) in shown.chain([("### CHECK".to_owned(), check)]) {
        let documented: Vec<_> = documented(&heading)
            .into_iter()
            .map(|row| (row[0].clone(), row[1].clone()))
            .collect();
        let columns: Vec<_> = columns
            .iter()
            .map(|column| (column.name.to_owned(), name_of(column.kind).to_owned()))
            .collect();
        assert_eq!(documented, columns, "{heading}");
    }
    let commands: Vec<_> = help::commands()
        .map(|(command, _)| command.to_owned())
        .collect();
    let documented: Vec<_> = documented("## Commands")
        .into_iter()
        .map(|row| row[0].clone())
        .collect();
    assert_eq!(documented, commands);
}

#[test]
fn every_command_of_the_help_is_understood() {
    for (command, _) in help::commands() {
        let command = command
            .replace("[session]", "abc123def456")
            .replace("<session>", "abc123def456")
            .replace("<address>", "10.0.0.1")
            .replace("<level>", "debug")
            .replace(['<', '>'], "");
        let parsed = crate::console::parse::parse(&command);
        assert!(matches!(parsed.as_deref(), Ok([_])), "{command}: {parsed:?}");
    }
}
