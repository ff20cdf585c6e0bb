//! Finds specs in JSON, in every shape that people keep them in or that DynamoDB gives them out in.

use std::collections::BTreeMap;

use serde_json::{Deserializer, Map, Value};

use crate::config::ItemValue;

/// A spec, and where it was found.
pub(super) struct Record {
    /// The file or table, for messages.
    pub(super) found_in: String,
    /// The spec's key, if it was found in a map.
    pub(super) name: Option<String>,
    /// The fields of the spec, by name.
    pub(super) fields: BTreeMap<String, ItemValue>,
}

/// Finds the specs in a text of one or more JSON documents.
pub(super) fn read(source: &str, text: &str, records: &mut Vec<Record>, problems: &mut Vec<String>) {
    let mut found = Collector { source, records, problems };
    let (before, mut documents) = (found.count(), Deserializer::from_str(text).into_iter::<Value>());
    loop {
        match documents.next() {
            Some(Ok(document)) => found.document(&document),
            // The error says where, and quotes nothing.
            Some(Err(why)) => return found.problem(&format!("is not JSON: {why}")),
            None => break,
        }
    }
    if found.count() == before {
        found.problem("holds no spec");
    }
}

/// Collects the specs of one text.
struct Collector<'a> {
    source: &'a str,
    records: &'a mut Vec<Record>,
    problems: &'a mut Vec<String>,
}

impl Collector<'_> {
    fn count(&self) -> usize {
        self.records.len() + self.problems.len()
    }

    fn problem(&mut self, what: &str) {
        self.problems.push(format!("{}: {what}", self.source));
    }

    /// Finds the specs in one document. It recurses: serde_json nests no deeper than 128 levels.
    fn document(&mut self, document: &Value) {
        let Value::Object(object) = document else {
            match document {
                Value::Array(all) => all.iter().for_each(|document| self.document(document)),
                _ => self.problem("holds something that is no spec"),
            }
            return;
        };
        if ["LastEvaluatedKey", "NextToken"]
            .iter()
            .any(|key| object.get(*key).is_some_and(|more| !more.is_null()))
        {
            self.problem("is one page of a scan: more are behind it");
        }
        match (object.get("Items"), object.get("Item")) {
            (Some(Value::Array(items)), _) => items.iter().for_each(|item| self.document(item)),
            (_, Some(Value::Object(item))) if is_item(item) => self.record(None, item),
            _ if is_spec(object) => self.record(None, object),
            _ => {
                for (name, spec) in object {
                    match spec {
                        Value::Object(spec) if is_spec(spec) => self.record(Some(name), spec),
                        _ => self.problem(&format!("{}: is no spec", name.escape_debug())),
                    }
                }
            }
        }
    }

    fn record(&mut self, name: Option<&String>, object: &Map<String, Value>) {
        let as_item = item(object).filter(|_| !object.is_empty());
        let fields = as_item.unwrap_or_else(|| {
            object
                .iter()
                .map(|(name, value)| (name.clone(), plain(value)))
                .collect()
        });
        self.records
            .push(Record { found_in: self.source.to_owned(), name: name.cloned(), fields });
    }
}

/// Whether an object is a spec: an item, or an object with a field that is no object, which a map
/// from names to specs has not.
fn is_spec(object: &Map<String, Value>) -> bool {
    is_item(object) || object.values().any(|value| !value.is_object())
}

/// Whether every field is in DynamoDB's typed form.
fn is_item(object: &Map<String, Value>) -> bool {
    !object.is_empty() && item(object).is_some()
}

/// The fields of an item in DynamoDB's typed form. `None`: a field is in another form. Each value
/// is read once, however deep it is: the contents of a file are not bounded.
fn item(object: &Map<String, Value>) -> Option<BTreeMap<String, ItemValue>> {
    object
        .iter()
        .map(|(name, value)| Some((name.clone(), typed(value)?)))
        .collect()
}

/// A value in DynamoDB's typed form, as `{"S": "…"}`. `None`: the value is in no such form.
fn typed(value: &Value) -> Option<ItemValue> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let (kind, value) = object.iter().next()?;
    Some(match (kind.as_str(), value) {
        ("S", Value::String(text)) => ItemValue::Text(text.clone()),
        ("N", Value::String(number)) => ItemValue::Number(number.clone()),
        ("BOOL", Value::Bool(is)) => ItemValue::Bool(*is),
        ("M", Value::Object(map)) => ItemValue::Map(item(map)?),
        ("L", Value::Array(list)) => ItemValue::List(list.iter().map(typed).collect::<Option<_>>()?),
        ("NULL", Value::Bool(_)) => ItemValue::Other("NULL"),
        ("B", Value::String(_)) => ItemValue::Other("B"),
        ("SS", Value::Array(_)) => ItemValue::Other("SS"),
        ("NS", Value::Array(_)) => ItemValue::Other("NS"),
        ("BS", Value::Array(_)) => ItemValue::Other("BS"),
        _ => return None,
    })
}

/// A value in plain JSON.
fn plain(value: &Value) -> ItemValue {
    match value {
        Value::Null => ItemValue::Other("NULL"),
        Value::Bool(is) => ItemValue::Bool(*is),
        Value::Number(number) => ItemValue::Number(number.to_string()),
        Value::String(text) => ItemValue::Text(text.clone()),
        Value::Array(list) => ItemValue::List(list.iter().map(plain).collect()),
        Value::Object(map) => ItemValue::Map(
            map.iter()
                .map(|(name, value)| (name.clone(), plain(value)))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> (Vec<String>, Vec<String>) {
        let (mut records, mut problems) = (Vec::new(), Vec::new());
        read("in", text, &mut records, &mut problems);
        let name = |record: &Record| match (&record.name, record.fields.get("conn_id")) {
            (Some(name), _) => format!("{name}:{}", record.fields.len()),
            (None, Some(ItemValue::Text(name))) => format!("{name}/{}", record.fields.len()),
            (None, other) => format!("{other:?}"),
        };
        (records.iter().map(name).collect(), problems)
    }

    #[test]
    fn every_shape_is_known() {
        let plain = r#"{"conn_id": "a", "port": 1, "tags": {"k": "v"}}"#;
        let item = r#"{"conn_id": {"S": "b"}, "port": {"N": "1"}, "tags": {"M": {}}, "l": {"L": [{"S": "x"}]}}"#;
        for (text, want) in [
            (plain.to_owned(), vec!["a/3"]),
            (item.to_owned(), vec!["b/4"]),
            (format!("[{plain}, {item}]"), vec!["a/3", "b/4"]),
            (format!("{{\"Item\": {item}, \"ConsumedCapacity\": null}}"), vec!["b/4"]),
            (format!("{{\"Items\": [{item}, {item}], \"Count\": 2, \"ScannedCount\": 2}}"), vec!["b/4", "b/4"]),
            (format!("{item}\n{plain}\n\n{{\"Item\":{item}}}\n"), vec!["b/4", "a/3", "b/4"]),
            (format!("{{\"one\": {plain}, \"two\": {item}}}"), vec!["one:3", "two:4"]),
        ] {
            assert_eq!(found(&text), (want.into_iter().map(str::to_owned).collect(), vec![]), "{text}");
        }
    }

    #[test]
    fn a_deep_item_is_read_in_one_pass() {
        let deep = (0..40).fold(r#"{"S": "x"}"#.to_owned(), |inner, _| format!(r#"{{"M": {{"k": {inner}}}}}"#));
        let item = format!(r#"{{"conn_id": {{"S": "a"}}, "tags": {deep}}}"#);
        let (records, problems) = found(&format!(r#"[{item}, {{"Item": {item}}}, {{"one": {item}}}]"#));
        assert_eq!(records, ["a/2", "a/2", "one:2"]);
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn items_that_are_no_specs_are_reported_and_the_rest_is_found() {
        for (text, want) in [
            ("", "in: holds no spec"),
            ("[]", "in: holds no spec"),
            ("{}", "in: holds no spec"),
            ("5", "in: holds something that is no spec"),
            (
                r#"{"Items": [], "LastEvaluatedKey": {"conn_id": {"S": "x"}}}"#,
                "in: is one page of a scan: more are behind it",
            ),
            (r#"{"a\u001b": {"b": {"c": 1}}}"#, "in: a\\u{1b}: is no spec"),
        ] {
            assert_eq!(found(text), (vec![], vec![want.to_owned()]), "{text}");
        }
        let (records, problems) = found("{\"conn_id\": \"a\"}\n{\"conn_id\": \"hunter2\" oops}");
        assert_eq!(records, ["a/1"]);
        assert!(problems[0].starts_with("in: is not JSON: ") && !problems[0].contains("hunter2"), "{problems:?}");
    }
}
