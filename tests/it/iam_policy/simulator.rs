//! The simulator itself, on cases that IAM's documentation decides.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::iam::{Call, Decision, Policies, allows};

const ROLE: &str = "arn:aws:iam::123456789012:role/path/r";
const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/r/s";

fn call(action: &str, resource: &str, context: &[(&str, &[&str])]) -> Call {
    let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    let context: BTreeMap<_, _> = context
        .iter()
        .map(|(key, found)| ((*key).to_owned(), values(found)))
        .collect();
    Call { principal: SESSION.to_owned(), action: action.to_owned(), resource: resource.to_owned(), context }
}

fn allowed(statements: &Value, call: &Call) -> bool {
    let mut policies = Policies::default();
    policies.attach(ROLE, &json!({ "Version": "2012-10-17", "Statement": statements }));
    allows(&policies, call) == Decision::Allowed
}

#[test]
fn actions_ignore_case_and_resources_do_not() {
    let policy = json!([{ "Effect": "Allow", "Action": "SSM:getparameter", "Resource": "arn:x:parameter/a" }]);
    for (action, resource, want) in [
        ("ssm:GetParameter", "arn:x:parameter/a", true),
        ("ssm:GetParameter", "arn:x:parameter/A", false),
        ("ssm:GetParameters", "arn:x:parameter/a", false),
    ] {
        assert_eq!(allowed(&policy, &call(action, resource, &[])), want, "{action} {resource}");
    }
}

#[test]
fn wildcards_are_one_and_any() {
    let policy = json!([{ "Effect": "Allow", "Action": ["s:Get*"], "Resource": ["secret:a-??????", "p/*/x"] }]);
    for (resource, want) in [
        ("secret:a-AbCdEf", true),
        ("secret:a-AbCdE", false),
        ("secret:a-AbCdEfg", false),
        ("p//x", true),
        ("p/a/b/x", true),
        ("p/a/b/xy", false),
    ] {
        assert_eq!(allowed(&policy, &call("s:GetIt", resource, &[])), want, "{resource}");
    }
    assert!(!allowed(&policy, &call("s:Put", "p/a/x", &[])));
    let policy = json!([{ "Effect": "Allow", "Action": "a:b", "Resource": "u/${*}${?}${$}" }]);
    assert!(allowed(&policy, &call("a:b", "u/*?$", &[])) && !allowed(&policy, &call("a:b", "u/ab$", &[])));
}

#[test]
fn a_deny_wins_and_nothing_is_a_no() {
    let policy = json!([
        { "Effect": "Allow", "Action": "*", "Resource": "*" },
        { "Effect": "Deny", "Action": "a:Delete", "Resource": "r1" },
    ]);
    assert!(allowed(&policy, &call("a:Delete", "r2", &[])) && !allowed(&policy, &call("a:Delete", "r1", &[])));
    assert!(!allowed(&json!([]), &call("a:Get", "r", &[])));
    let mut other = call("a:Get", "r", &[]);
    other.principal = "arn:aws:sts::123456789012:assumed-role/other/s".to_owned();
    assert!(!allowed(&policy, &other), "another role's policy");
}

#[test]
fn conditions_compare_as_iam_does() {
    for (condition, context, want) in [
        (json!({ "StringEquals": { "K": ["a", "b"] } }), vec![("k", &["b"][..])], true),
        (json!({ "StringEquals": { "k": "a" } }), vec![("k", &["A"])], false),
        (json!({ "StringEquals": { "k": "a*" } }), vec![("k", &["ab"])], false),
        (json!({ "StringEquals": { "k": "a" } }), vec![], false),
        (json!({ "StringEquals": { "k": "a", "l": "b" } }), vec![("k", &["a"])], false),
        (json!({ "StringEqualsIfExists": { "k": "a" } }), vec![], true),
        (json!({ "StringNotEquals": { "k": "a" } }), vec![], true),
        (json!({ "StringLike": { "k": "a?c*" } }), vec![("k", &["abcd"])], true),
        (json!({ "StringLike": { "k": "a?c" } }), vec![("k", &["ac"])], false),
        (json!({ "ForAllValues:StringEquals": { "k": ["a", "b"] } }), vec![("k", &["a", "b"])], true),
        (json!({ "ForAllValues:StringEquals": { "k": ["a", "b"] } }), vec![("k", &["a", "c"])], false),
        // A key that is missing, or has no values, has none that is wrong.
        (json!({ "ForAllValues:StringEquals": { "k": "a" } }), vec![], true),
        (json!({ "ForAllValues:StringEquals": { "k": "a" } }), vec![("k", &[])], true),
        (json!({ "ForAnyValue:StringEquals": { "k": "a" } }), vec![], false),
        (json!({ "ForAnyValue:StringEquals": { "k": "a" } }), vec![("k", &["b", "a"])], true),
        (json!({ "ForAllValues:StringLike": { "k": "bi-*" } }), vec![("k", &["bi-1", "fin"])], false),
        (json!({ "ForAllValues:StringNotEqualsIgnoreCase": { "k": "A" } }), vec![("k", &["b", "c"])], true),
        (json!({ "ForAllValues:StringNotEqualsIgnoreCase": { "k": "A" } }), vec![("k", &["b", "a"])], false),
        (json!({ "Null": { "k": "false" } }), vec![], false),
        (json!({ "Null": { "k": "false" } }), vec![("k", &["a"])], true),
        (json!({ "Null": { "k": "true" } }), vec![], true),
        (json!({ "Bool": { "k": "true" } }), vec![("k", &["true"])], true),
    ] {
        let policy = json!([{ "Effect": "Allow", "Action": "a:b", "Resource": "*", "Condition": condition }]);
        assert_eq!(allowed(&policy, &call("a:b", "r", &context)), want, "{condition} {context:?}");
    }
}

#[test]
fn a_role_is_assumed_if_both_sides_agree() {
    let target = "arn:aws:iam::210987654321:role/t";
    let permission = json!({ "Statement": [{ "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": target }] });
    let trust = |principal: &str| {
        let principal = json!({ "AWS": principal });
        json!({ "Statement": [{ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal }] })
    };
    let ask = call("sts:AssumeRole", target, &[]);
    for (permitted, principal, want) in [
        (true, ROLE, true),
        (true, "arn:aws:iam::123456789012:root", true),
        (true, "arn:aws:iam::123456789012:role/other", false),
        (true, "arn:aws:iam::210987654321:role/path/r", false),
        (true, "arn:aws:iam::123456789012:user/r", false),
        (false, ROLE, false),
    ] {
        let mut policies = Policies::default();
        if permitted {
            policies.attach(ROLE, &permission);
        }
        policies.trust(target, &trust(principal));
        assert_eq!(allows(&policies, &ask) == Decision::Allowed, want, "{permitted} {principal}");
    }
}
