//! Reads the files that `include` names, and merges them into one tree before any key is read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::reader::{Doc, Table, Value};
use super::sources::GLOB;
use super::tree::{self, Data, Location, Node};

/// Most files that are included: a pattern that matches more is taken for a mistake.
const MAX_FILES: usize = 100;

/// Parses the first file from its text, and reads all files that it includes. `None`: a file cannot
/// be read or parsed. The others are then not judged, since their problems may come from what is
/// missing.
pub(super) fn gather(doc: &Doc<'_>, text: &str) -> Option<Node> {
    let mut root = parsed(doc, text, 0)?;
    // Each is read, so that the problems of all are reported.
    let included: Vec<_> = paths(doc, &root)?
        .into_iter()
        .map(|path| included(doc, path))
        .collect();
    merge(doc, &mut root, included.into_iter().collect::<Option<Vec<_>>>()?, "");
    Some(root)
}

fn parsed(doc: &Doc<'_>, text: &str, file: usize) -> Option<Node> {
    doc.hash(text);
    tree::from_toml(text, file)
        .map_err(|(location, message)| doc.report(location, "", message))
        .ok()
}

/// Reads one more file, in which `include` is a problem.
fn included(doc: &Doc<'_>, path: PathBuf) -> Option<Node> {
    let text = doc.read(&path);
    let file = doc.add(path);
    let whole = Location { file, line: None };
    let text = text
        .map_err(|why| doc.report(whole, "", format_args!("cannot be read: {why}")))
        .ok()?;
    let mut node = parsed(doc, &text, file)?;
    if let Data::Table(entries) = &mut node.data {
        for (_, include) in entries.extract_if(.., |(name, _)| name == "include") {
            doc.report(include.location, "include", "an included file includes no others");
        }
    }
    Some(node)
}

/// Puts the keys of `more` into `into`: tables key by key, anything else once. An index over all of
/// them keeps it fast, since thousands of users may come in a hundred files.
fn merge(doc: &Doc<'_>, into: &mut Node, more: Vec<Node>, key: &str) {
    let Data::Table(entries) = &mut into.data else { return };
    let mut indexes: HashMap<String, usize> = entries
        .iter()
        .enumerate()
        .map(|(at, (name, _))| (name.clone(), at))
        .collect();
    let mut within = BTreeMap::<usize, Vec<Node>>::new();
    let more = more
        .into_iter()
        .filter_map(|node| if let Data::Table(more) = node.data { Some(more) } else { None });
    for (name, node) in more.flatten() {
        let there = indexes.get(&name).copied();
        let there = there.and_then(|at| entries.get(at).map(|(_, there)| (at, there)));
        match there {
            None => {
                indexes.insert(name.clone(), entries.len());
                entries.push((name, node));
            }
            Some((at, there)) if matches!((&there.data, &node.data), (Data::Table(_), Data::Table(_))) => {
                within.entry(at).or_default().push(node);
            }
            Some((_, there)) => {
                let (file, line) = (doc.file(there.location), there.location.line.unwrap_or(1));
                let key = super::reader::dotted(key, &name);
                doc.report(node.location, &key, format_args!("is already in {}:{line}", file.display()));
            }
        }
    }
    for (at, nodes) in within {
        if let Some((name, there)) = entries.get_mut(at) {
            let key = super::reader::dotted(key, name);
            merge(doc, there, nodes, &key);
        }
    }
}

/// The files that the first file's `include` names, sorted. `None`: a problem was reported.
fn paths(doc: &Doc<'_>, root: &Node) -> Option<BTreeSet<PathBuf>> {
    let Some(include) = Table::root(doc, root).take("include") else { return Some(BTreeSet::new()) };
    let mut paths = BTreeSet::new();
    for pattern in include.list()? {
        paths.extend(matched(doc, &pattern)?);
        if paths.len() > MAX_FILES {
            pattern.report(format_args!("more than {MAX_FILES} files are included"));
            return None;
        }
    }
    // A pattern may well cover the file that it stands in.
    let first = std::fs::canonicalize(doc.file(Location::WHOLE)).ok();
    paths.retain(|path| first.is_none() || std::fs::canonicalize(path).ok() != first);
    Some(paths)
}

/// The files of one pattern, at most one more than are allowed.
fn matched(doc: &Doc<'_>, pattern: &Value<'_>) -> Option<Vec<PathBuf>> {
    let text = pattern.text()?;
    if text.is_empty() {
        pattern.report("must not be empty");
        return None;
    }
    let beside = pattern.beside(Path::new(""));
    let Some(beside) = beside.to_str() else {
        pattern.report("the name of this file's directory is not UTF-8");
        return None;
    };
    // The directory stands for itself, whatever characters are in it.
    let full = Path::new(&glob::Pattern::escape(beside)).join(&text);
    let full = full.to_string_lossy();
    let found = glob::glob_with(&full, GLOB);
    let found = found
        .map_err(|why| pattern.report(format_args!("is no pattern: {}", why.msg)))
        .ok()?;
    let found = found.take(MAX_FILES + 2).collect::<Result<Vec<_>, _>>();
    let found = found
        .map_err(|why| pattern.report(format_args!("cannot be searched: {why}")))
        .ok()?;
    doc.note_pattern(full.into_owned(), found.clone());
    if found.is_empty() && !text.contains(['*', '?', '[']) {
        pattern.report("there is no such file");
        return None;
    }
    Some(found)
}
