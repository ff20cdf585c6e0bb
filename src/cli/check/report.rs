//! The output of `check`: lines for people, or a JSON document. Steps hold no secrets.

use std::fmt::Write;

use serde_json::{Value, json};

use super::step::CheckStep;
use crate::config::SpecsTable;

/// The steps of one connection, or of the listener's TLS.
pub(super) struct CheckedConnection {
    /// The connection's name, or `listen.tls`.
    pub(super) conn_id: String,
    /// The steps in their order; only the last can have failed.
    pub(super) steps: Vec<CheckStep>,
}

impl CheckedConnection {
    /// The step that failed, if one did.
    pub(super) fn failed_step(&self) -> Option<&CheckStep> {
        self.steps.iter().find(|step| step.failure.is_some())
    }
}

/// A step for people: one line, and two more if it failed.
pub(super) fn line(step: &CheckStep) -> String {
    let mark = if step.failure.is_none() { "ok    " } else { "failed" };
    let mut line = format!("  {mark}  {}", step.name);
    for (ahead, text) in [(" ", &step.subject), (": ", &step.detail)] {
        if !text.is_empty() {
            line += ahead;
            line += &visible(text);
        }
    }
    // Writing to a String cannot fail.
    let _ = write!(line, "  {} ms", step.took.as_millis());
    if let Some(why) = &step.failure {
        let _ = write!(line, "\n          why:  {}\n          fix:  {}", visible(&why.what), visible(&why.fix));
    }
    line
}

/// The last line of the output for people: which connections failed, and at which step.
pub(super) fn summary<'a>(all: impl Iterator<Item = &'a CheckedConnection>) -> String {
    let failed = all.filter_map(|proved| Some(format!("{} ({})", proved.conn_id, proved.failed_step()?.name)));
    let failed: Vec<_> = failed.collect();
    if failed.is_empty() { "ok".to_owned() } else { format!("failed: {}", failed.join(", ")) }
}

/// The line for people that says which connections are proved only when they are named.
pub(super) fn left_out(specs: &SpecsTable) -> String {
    format!("{} out of table {}: proved when named", specs.bounds.conn_ids.join(", "), specs.dynamodb_table)
}

/// The output for programs: one JSON document. `listener` is there if the listener's TLS was
/// checked, `table` if its connections were left out since none was named.
pub(super) fn document(
    all: &[CheckedConnection],
    listener: Option<&CheckedConnection>,
    table: Option<&SpecsTable>,
) -> Value {
    let table = table.map(|specs| {
        json!({
            "name": specs.dynamodb_table,
            "conn_ids": specs.bounds.conn_ids,
            "note": "its connections are proved when they are named",
        })
    });
    let connections: Vec<_> = all
        .iter()
        .map(|proved| {
            json!({
                "conn_id": proved.conn_id,
                "ok": proved.failed_step().is_none(),
                "failed_step": proved.failed_step().map(|step| step.name),
                "steps": proved.steps.iter().map(member).collect::<Vec<_>>(),
            })
        })
        .collect();
    let is_ok = all
        .iter()
        .chain(listener)
        .all(|proved| proved.failed_step().is_none());
    let listener = listener.map(|listener| {
        json!({
            "ok": listener.failed_step().is_none(),
            "failed_step": listener.failed_step().map(|step| step.name),
            "steps": listener.steps.iter().map(member).collect::<Vec<_>>(),
        })
    });
    json!({ "ok": is_ok, "listener": listener, "connections": connections, "table": table })
}

/// A step in the JSON document.
fn member(step: &CheckStep) -> Value {
    json!({
        "step": step.name,
        "subject": step.subject,
        "ok": step.failure.is_none(),
        "ms": u64::try_from(step.took.as_millis()).unwrap_or(u64::MAX),
        "detail": step.detail,
        "why": step.failure.as_ref().map(|why| &why.what),
        "fix": step.failure.as_ref().map(|why| &why.fix),
    })
}

/// The text without control characters: AWS's or a server's words must not steer a terminal.
fn visible(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::check::context::Explanation;

    fn proved() -> Vec<CheckedConnection> {
        let took = Duration::from_millis(34);
        let ok = CheckStep { took, ..CheckStep::new("AssumeRole", "arn:x") };
        let failure = Some(Explanation { what: "re\u{1b}fused".to_owned(), fix: "correct port".to_owned() });
        let failed = CheckStep { took, failure, ..CheckStep::new("TCP", "h:1") };
        let config = CheckStep::new("config", "").found("redshift");
        vec![
            CheckedConnection { conn_id: "fine".to_owned(), steps: vec![config] },
            CheckedConnection { conn_id: "sales".to_owned(), steps: vec![ok, failed] },
        ]
    }

    #[test]
    fn a_step_is_a_line_and_a_failure_two_more() {
        let all = proved();
        let lines: Vec<_> = all
            .iter()
            .flat_map(|proved| &proved.steps)
            .map(line)
            .collect();
        assert_eq!(
            lines,
            [
                "  ok      config: redshift  0 ms",
                "  ok      AssumeRole arn:x  34 ms",
                "  failed  TCP h:1  34 ms\n          why:  re fused\n          fix:  correct port",
            ]
        );
        assert_eq!(summary(all.iter()), "failed: sales (TCP)");
        assert_eq!(summary(all[..1].iter()), "ok");
    }

    #[test]
    fn the_document_names_the_failed_step() {
        let [fine, failed] = <[CheckedConnection; 2]>::try_from(proved()).unwrap_or_else(|_| panic!());
        let listener = document(&[fine], Some(&failed), None);
        assert_eq!((&listener["ok"], &listener["listener"]["failed_step"]), (&json!(false), &json!("TCP")));
        let document = document(&proved(), None, None);
        assert_eq!(document["listener"], Value::Null);
        assert_eq!(document["table"], Value::Null);
        assert_eq!(document["ok"], false);
        let [fine, sales] = document["connections"].as_array().unwrap().as_slice() else { panic!() };
        assert_eq!((&fine["conn_id"], &fine["ok"], &fine["failed_step"]), (&json!("fine"), &json!(true), &Value::Null));
        assert_eq!((&sales["ok"], &sales["failed_step"]), (&json!(false), &json!("TCP")));
        let want = json!({ "step": "AssumeRole", "subject": "arn:x", "ok": true, "ms": 34, "detail": "", "why": null,
            "fix": null });
        assert_eq!(sales["steps"][0], want);
        assert_eq!((&sales["steps"][1]["fix"], &sales["steps"][1]["ok"]), (&json!("correct port"), &json!(false)));
    }
}
