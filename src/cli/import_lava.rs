//! `import-lava`: prints lava's connection specs as `[connections.*]`, from JSON or its DynamoDB
//! table.
//!
//! The output loads: each connection is read back before it is printed. One that would not load is
//! printed as a comment with its problems. [`json`] and [`table`] find specs, [`connection`] turns
//! one into TOML; this module decides what is printed where.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};

use self::connection::{Converted, NotImported, convert};
use self::json::Record;
use self::table::scan;
use super::args::{Cli, DEFAULT_CONFIG};
use super::bootstrap;
use crate::config::{self, Aws, ConnId, Problems};
use crate::fault::chain;

mod connection;
mod json;
mod table;
mod toml;

/// The result of an import.
#[derive(Debug)]
pub(crate) struct Imported {
    /// The text for the configuration; the same for the same specs, whatever their order.
    pub(crate) toml: String,
    /// Notes for the person who imports, a line each.
    pub(crate) notes: Vec<String>,
    /// Whether every spec of a type that the proxy serves was imported.
    pub(crate) is_whole: bool,
}

/// Imports the specs in files; `-` is `stdin`.
#[must_use]
pub(crate) fn from_files(files: &[PathBuf], stdin: &mut dyn Read) -> Imported {
    let (mut records, mut problems) = (Vec::new(), Vec::new());
    for file in files {
        let name = file.display().to_string().escape_debug().to_string();
        let text = if file == Path::new("-") {
            bounded(stdin)
        } else {
            std::fs::File::open(file).and_then(|mut open| bounded(&mut open))
        };
        match text {
            Ok(text) => json::read(&name, &text, &mut records, &mut problems),
            Err(why) => problems.push(format!("{name}: cannot be read: {why}")),
        }
    }
    import(records, problems)
}

/// Imports all specs in a table of lava's.
#[must_use]
pub(crate) fn from_table(name: &str, aws: &Aws, env: &dyn Fn(&str) -> Option<String>) -> Imported {
    match scan(name, aws, env) {
        Ok(items) => {
            let record = |fields| Record { found_in: name.to_owned(), name: None, fields };
            import(items.into_iter().map(record).collect(), Vec::new())
        }
        Err(error) => import(Vec::new(), vec![chain(&error)]),
    }
}

/// Loads `[aws]` of the configuration, which may not have any connections yet; the defaults where
/// the default file does not exist.
///
/// # Errors
/// Every problem of `[aws]`.
pub(crate) fn aws_settings(cli: &Cli, env: &dyn Fn(&str) -> Option<String>) -> Result<Aws, Problems> {
    if cli.config == DEFAULT_CONFIG && !Path::new(DEFAULT_CONFIG).exists() {
        return Ok(Aws { region: None, endpoint_url: None });
    }
    config::load_aws(&cli.config, env, &|remote| bootstrap::fetch(remote, env), cli.unknown_keys)
}

/// The longest text that is read, in bytes: a page of a scan is 1 MiB.
const MAX_TEXT_BYTES: u64 = 64 << 20;

/// Reads a text up to that length.
fn bounded(input: &mut dyn Read) -> std::io::Result<String> {
    let mut text = String::new();
    let read = input.take(MAX_TEXT_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > MAX_TEXT_BYTES {
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "larger than 64 MiB"));
    }
    Ok(text)
}

/// Converts the specs that were found; `problems` are those of reading them.
fn import(records: Vec<Record>, mut problems: Vec<String>) -> Imported {
    let mut found: BTreeMap<ConnId, (String, Converted)> = BTreeMap::new();
    let mut skipped = Vec::new();
    for record in records {
        let found_in = record.found_in.clone();
        match convert(record) {
            Ok((conn_id, converted)) => match found.entry(conn_id) {
                Entry::Vacant(entry) => {
                    entry.insert((found_in, converted));
                }
                Entry::Occupied(entry) => {
                    let (id, first) = (entry.key(), &entry.get().0);
                    problems.push(format!("{found_in}: {id}: is there already, from {first}, which is kept"));
                }
            },
            Err(NotImported::OtherType(note)) => skipped.push(format!("{found_in}: {note}")),
            Err(NotImported::Unusable(why)) => problems.push(format!("{found_in}: {why}")),
        }
    }
    let mut toml = "# Connections of lava, by redshift-iam-proxy import-lava\n".to_owned();
    let mut imported = 0;
    for (conn_id, (found_in, converted)) in &found {
        // Writing to a string does not fail.
        let _infallible = write!(toml, "\n{}", converted.toml);
        if converted.faults.is_empty() {
            imported += 1;
        }
        problems.extend(
            converted
                .faults
                .iter()
                .map(|fault| format!("{found_in}: {conn_id}: {fault}")),
        );
    }
    let is_whole = problems.is_empty();
    let told = format!("{imported} imported, {} of other types skipped", skipped.len());
    let notes = problems.into_iter().chain(skipped).chain([told]).collect();
    Imported { toml, notes, is_whole }
}
