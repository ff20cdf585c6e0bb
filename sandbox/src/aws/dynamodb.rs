//! DynamoDB GetItem and Scan (Amazon DynamoDB API reference). Every caller may read every table.
//!
//! Tables have a partition key `conn_id` of type S, as lava's have, and no sort key. Expressions,
//! filters, parallel scans and indexes are not modelled, and refused. Every read is consistent.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::call::Call;
use super::constraint::{Constraints, Pattern};
use super::refusal::Refusal;
use super::service::Protocol;
use super::world::World;

/// The partition key's name.
const KEY: &str = "conn_id";

/// The most that one Scan answers with, in bytes; DynamoDB's own bound.
const MAX_PAGE_BYTES: usize = 1 << 20;

const TABLE_NAME: Pattern = Pattern {
    text: "[a-zA-Z0-9_.-]+",
    matches: |text| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    },
};

/// A table's items, by key, in DynamoDB's typed form.
#[derive(Default)]
pub(super) struct Table {
    items: BTreeMap<String, Value>,
    /// How many items a Scan answers with at most. `None`: as many as fit.
    page: Option<usize>,
}

impl Table {
    /// Adds or replaces an item. `false`: it has no `conn_id` of type S.
    pub(super) fn put(&mut self, item: Value) -> bool {
        let key = item
            .get(KEY)
            .and_then(|key| key.get("S"))
            .and_then(Value::as_str)
            .map(str::to_owned);
        key.map(|key| self.items.insert(key, item)).is_some()
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.items.remove(key);
    }

    pub(super) fn page(&mut self, items: Option<usize>) {
        self.page = items;
    }
}

/// Answers GetItem. A missing item is no error: the answer has no `Item`.
///
/// # Errors
/// ValidationException, ResourceNotFoundException, SerializationException.
pub(super) fn get_item(world: &World, call: &Call) -> Result<Value, Refusal> {
    call.flag("ConsistentRead")?;
    let mut constraints = Constraints::default();
    let table = table_name(&mut constraints, call)?;
    let key = call.value("Key");
    constraints.present("key", key.map(|_| ""));
    constraints.met(Protocol::Json)?;
    let key = key_of(key.unwrap_or(&Value::Null), "The provided key element does not match the schema")?;
    let item = world
        .with_table(table, |table| table.items.get(key).cloned())
        .ok_or_else(no_table)?;
    Ok(answer(call, table, item.map(|item| ("Item", item))))
}

/// Answers Scan: a page of the items, in the order of their keys.
///
/// # Errors
/// As [`get_item`].
pub(super) fn scan(world: &World, call: &Call) -> Result<Value, Refusal> {
    call.flag("ConsistentRead")?;
    let mut constraints = Constraints::default();
    let table = table_name(&mut constraints, call)?;
    let limit = call.whole("Limit")?;
    if let Some(limit) = limit {
        constraints.number("limit", limit, 1..=i64::MAX);
    }
    constraints.met(Protocol::Json)?;
    if call
        .text("Select")?
        .is_some_and(|select| select != "ALL_ATTRIBUTES")
    {
        return Err(invalid("Only ALL_ATTRIBUTES is here to select"));
    }
    let wrong = "The provided starting key is invalid: The provided key element does not match the schema";
    let after = call
        .value("ExclusiveStartKey")
        .map(|key| key_of(key, wrong))
        .transpose()?;
    let limit = limit
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX);

    let (items, last) = world
        .with_table(table, |table| page(table, after, limit))
        .ok_or_else(no_table)?;
    let count = items.len();
    let members = [("Items", items.into()), ("Count", count.into()), ("ScannedCount", count.into())];
    let last = last.map(|key| ("LastEvaluatedKey", json!({ KEY: { "S": key } })));
    Ok(answer(call, table, members.into_iter().chain(last)))
}

/// A table's ARN. One is left as it is.
pub(super) fn arn(world: &World, region: &str, table: &str) -> String {
    if table.starts_with("arn:") {
        return table.to_owned();
    }
    format!("arn:aws:dynamodb:{region}:{}:table/{table}", world.account)
}

/// The items behind a key, as many as go into a page, and the key where the next begins. As in
/// DynamoDB a page that is full has such a key also where nothing is left behind it.
fn page(table: &Table, after: Option<&str>, limit: usize) -> (Vec<Value>, Option<String>) {
    let most = table.page.unwrap_or(usize::MAX).min(limit);
    let (mut items, mut bytes) = (Vec::new(), 0);
    for (key, item) in table
        .items
        .iter()
        .filter(|(key, _)| after.is_none_or(|after| key.as_str() > after))
    {
        items.push(item.clone());
        bytes += item.to_string().len();
        if items.len() >= most || bytes >= MAX_PAGE_BYTES {
            return (items, Some(key.clone()));
        }
    }
    (items, None)
}

/// The table's name, out of a name or an ARN.
fn table_name<'a>(constraints: &mut Constraints, call: &'a Call) -> Result<&'a str, Refusal> {
    let asked = constraints
        .present("tableName", call.text("TableName")?)
        .unwrap_or_default();
    let name = match asked.strip_prefix("arn:") {
        Some(arn) => arn.split_once(":table/").map_or("", |(_, name)| name),
        None => asked,
    };
    constraints.length("tableName", name, 1..=1024);
    constraints.pattern("tableName", name, &TABLE_NAME);
    Ok(name)
}

/// The text of a key: `{"conn_id": {"S": …}}`, nothing more and nothing less.
fn key_of<'a>(key: &'a Value, otherwise: &str) -> Result<&'a str, Refusal> {
    let only = |value: &'a Value, name: &str| {
        value
            .as_object()
            .filter(|members| members.len() == 1)?
            .get(name)
    };
    match only(key, KEY)
        .and_then(|typed| only(typed, "S"))
        .and_then(Value::as_str)
    {
        Some("") => Err(invalid(
            "One or more parameter values are not valid. The AttributeValue for a key attribute \
                                 cannot contain an empty string value. Key: conn_id",
        )),
        Some(text) => Ok(text),
        None => Err(invalid(otherwise)),
    }
}

/// These members, and what was asked for about capacity.
fn answer<'a>(call: &Call, table: &str, members: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let asked = call
        .field("ReturnConsumedCapacity")
        .is_some_and(|asked| asked != "NONE");
    let capacity = asked.then(|| ("ConsumedCapacity", json!({ "TableName": table, "CapacityUnits": 1.0 })));
    let members = members
        .into_iter()
        .chain(capacity)
        .map(|(name, value)| (name.to_owned(), value));
    Value::Object(members.collect::<Map<_, _>>())
}

fn invalid(message: &str) -> Refusal {
    Refusal::bad_request("ValidationException", message)
}

fn no_table() -> Refusal {
    Refusal::bad_request("ResourceNotFoundException", "Requested resource not found")
}

#[cfg(test)]
mod tests;
