use hyper::HeaderMap;
use hyper::header::HeaderValue;

use super::*;

const TABLE: &str = "lava.test.connections";

fn call(body: &Value) -> Call {
    let headers =
        HeaderMap::from_iter([("x-amz-target".parse().unwrap(), HeaderValue::from_static("DynamoDB_20120810.Scan"))]);
    Call::read(&headers, "", body.to_string().as_bytes())
}

fn told(answer: Result<Value, Refusal>) -> Result<Value, &'static str> {
    answer.map_err(|refusal| refusal.told().0)
}

fn get(world: &World, body: &Value) -> Result<Value, &'static str> {
    told(get_item(world, &call(body)))
}

fn item(conn_id: &str) -> Value {
    json!({ "conn_id": { "S": conn_id }, "port": { "N": "5439" } })
}

fn world(conn_ids: &[&str]) -> World {
    let world = World::demo();
    world.put_table(TABLE);
    for conn_id in conn_ids {
        assert_eq!(world.with_table(TABLE, |table| table.put(item(conn_id))), Some(true));
    }
    world
}

#[test]
fn an_item_is_returned_and_a_missing_one_is_no_error() {
    let world = world(&["a"]);
    let key = |text: &str| json!({ "TableName": TABLE, "Key": { "conn_id": { "S": text } }, "ConsistentRead": true });
    assert_eq!(get(&world, &key("a")), Ok(json!({ "Item": item("a") })));
    assert_eq!(get(&world, &key("b")), Ok(json!({})));
    world.with_table(TABLE, |table| table.remove("a"));
    assert_eq!(get(&world, &key("a")), Ok(json!({})));
    let arn = format!("arn:aws:dynamodb:eu-west-1:123456789012:table/{TABLE}");
    let by_arn = json!({ "TableName": arn, "Key": { "conn_id": { "S": "a" } }, "ReturnConsumedCapacity": "TOTAL" });
    assert_eq!(get(&world, &by_arn).unwrap()["ConsumedCapacity"]["TableName"], TABLE);
}

#[test]
fn a_malformed_key_and_an_unknown_table_are_refused_by_cause() {
    let world = world(&["a"]);
    let invalid = Err("ValidationException");
    for key in [
        json!({}),
        json!({ "conn_id": "a" }),
        json!({ "conn_id": { "N": "1" } }),
        json!({ "conn_id": { "S": "" } }),
        json!({ "conn_id": { "S": "a" }, "more": { "S": "b" } }),
        json!({ "other": { "S": "a" } }),
    ] {
        assert_eq!(get(&world, &json!({ "TableName": TABLE, "Key": key })), invalid, "{key}");
    }
    assert_eq!(get(&world, &json!({ "TableName": TABLE })), invalid);
    assert_eq!(get(&world, &json!({ "Key": { "conn_id": { "S": "a" } } })), invalid);
    assert_eq!(get(&world, &json!({ "TableName": "a b", "Key": { "conn_id": { "S": "a" } } })), invalid);
    let none = json!({ "TableName": "none", "Key": { "conn_id": { "S": "a" } } });
    assert_eq!(get(&world, &none), Err("ResourceNotFoundException"));
    assert_eq!(told(scan(&world, &call(&json!({ "TableName": "none" })))), Err("ResourceNotFoundException"));
    assert_eq!(world.with_table(TABLE, |table| table.put(json!({ "port": { "N": "1" } }))), Some(false));
}

#[test]
fn a_scan_goes_page_by_page() {
    let world = world(&["a", "b", "c"]);
    let ask = |body: Value| told(scan(&world, &call(&body)));
    let all = ask(json!({ "TableName": TABLE })).unwrap();
    assert_eq!(all, json!({ "Items": [item("a"), item("b"), item("c")], "Count": 3, "ScannedCount": 3 }));
    world.with_table(TABLE, |table| table.page(Some(2)));
    let first = ask(json!({ "TableName": TABLE })).unwrap();
    assert_eq!((&first["Count"], &first["LastEvaluatedKey"]), (&json!(2), &json!({ "conn_id": { "S": "b" } })));
    let rest = ask(json!({ "TableName": TABLE, "ExclusiveStartKey": first["LastEvaluatedKey"] })).unwrap();
    assert_eq!((&rest["Items"], rest.get("LastEvaluatedKey")), (&json!([item("c")]), None));
    let one = ask(json!({ "TableName": TABLE, "Limit": 1 })).unwrap();
    assert_eq!(one["LastEvaluatedKey"]["conn_id"]["S"], "a");
    let full = ask(json!({ "TableName": TABLE, "Limit": 1, "ExclusiveStartKey": { "conn_id": { "S": "b" } } }));
    assert_eq!(full.unwrap()["LastEvaluatedKey"]["conn_id"]["S"], "c", "the next page is empty");
    assert_eq!(ask(json!({ "TableName": TABLE, "Limit": 0 })), Err("ValidationException"));
    assert_eq!(ask(json!({ "TableName": TABLE, "ExclusiveStartKey": {} })), Err("ValidationException"));
    assert_eq!(ask(json!({ "TableName": TABLE, "Select": "COUNT" })), Err("ValidationException"));
}

#[test]
fn a_page_is_bounded_in_bytes() {
    let world = world(&[]);
    for at in 0..5 {
        let item = json!({ "conn_id": { "S": at.to_string() }, "text": { "S": "x".repeat(300_000) } });
        world.with_table(TABLE, |table| table.put(item));
    }
    let first = told(scan(&world, &call(&json!({ "TableName": TABLE })))).unwrap();
    assert_eq!((&first["Count"], &first["LastEvaluatedKey"]["conn_id"]["S"]), (&json!(4), &json!("3")));
}
