//! What a request asks for: an operation, and its parameters.

use std::collections::BTreeMap;

use hyper::HeaderMap;
use serde_json::Value;

use super::encoding::form_pairs;
use super::operation::{Operation, Protocol, TARGET};
use super::refusal::Refusal;

/// A request as far as it can be read without knowing who sent it.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) protocol: Protocol,
    /// As the request names it; perhaps none of [`Operation`].
    pub(super) name: String,
    pub(super) operation: Option<Operation>,
    /// Members of the JSON body (nested ones as `a.b`, elements as `a.1`) or form fields, all as text.
    pub(super) parameters: BTreeMap<String, String>,
    /// The JSON body; `Null` in the Query protocol. `None`: it is not a JSON object.
    pub(super) body: Option<Value>,
}

impl Call {
    /// Reads what can be read; an odd request becomes a call of an unknown operation.
    pub(super) fn read(headers: &HeaderMap, query: &str, body: &[u8]) -> Self {
        match headers.get(TARGET).map(|target| String::from_utf8_lossy(target.as_bytes())) {
            Some(target) => Self::json(&target, body),
            None => Self::query(query, body),
        }
    }

    fn json(target: &str, body: &[u8]) -> Self {
        let body = serde_json::from_slice(body).ok().filter(Value::is_object);
        let mut parameters = BTreeMap::new();
        if let Some(body) = &body {
            flatten("", body, &mut parameters);
        }
        let name = target.rsplit('.').next().unwrap_or(target).to_owned();
        Self { protocol: Protocol::Json, name, operation: Operation::by_target(target), parameters, body }
    }

    fn query(query: &str, body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        let parameters: BTreeMap<_, _> = form_pairs(query).chain(form_pairs(&body)).collect();
        let field = |name: &str| parameters.get(name).map_or("", String::as_str);
        let operation = Operation::by_action(field("Action"), field("Version"));
        let name = field("Action").to_owned();
        Self { protocol: Protocol::Query, name, operation, parameters, body: Some(Value::Null) }
    }

    /// The operation, if there is such a one.
    ///
    /// # Errors
    /// UnknownOperationException, InvalidAction or MissingAction.
    pub(super) fn known(&self) -> Result<Operation, Refusal> {
        let version = self.parameters.get("Version").map_or("", String::as_str);
        match self.operation {
            Some(operation) => Ok(operation),
            None if self.protocol == Protocol::Query && self.name.is_empty() => {
                Err(Refusal::bad_request("MissingAction", "The request must contain the parameter Action"))
            }
            None => Err(Refusal::unknown_operation(self.protocol, &self.name, version)),
        }
    }

    /// A form field, in the Query protocol.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// A JSON member that is text.
    ///
    /// # Errors
    /// SerializationException: it has another type.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        self.member(name, "a String", Value::as_str)
    }

    /// A JSON member that is a whole number.
    ///
    /// # Errors
    /// As [`Call::text`].
    pub(super) fn whole(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.member(name, "an Integer", Value::as_i64)
    }

    /// A JSON member that is true or false.
    ///
    /// # Errors
    /// As [`Call::text`].
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        self.member(name, "a Boolean", Value::as_bool)
    }

    fn member<'a, T>(
        &'a self,
        name: &str,
        wanted: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        match self.body.as_ref().and_then(|body| body.get(name)) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(value) {
                Some(value) => Ok(Some(value)),
                None => Err(Refusal::unreadable(format!("{name} cannot be converted to {wanted}"))),
            },
        }
    }
}

/// `serde_json` has bounded the depth.
fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    let under = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
    match value {
        Value::Null => {}
        Value::Object(members) => members.iter().for_each(|(name, value)| flatten(&under(name), value, into)),
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(at, value)| flatten(&under(&(at + 1).to_string()), value, into));
        }
        Value::String(text) => {
            into.insert(prefix.to_owned(), text.clone());
        }
        Value::Bool(_) | Value::Number(_) => {
            into.insert(prefix.to_owned(), value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn json(target: &'static str, body: &str) -> Call {
        let headers = HeaderMap::from_iter([("x-amz-target".parse().unwrap(), HeaderValue::from_static(target))]);
        Call::read(&headers, "", body.as_bytes())
    }

    #[test]
    fn a_json_body_is_flattened() {
        let call = json("AmazonSSM.GetParameter", r#"{"a":"x","b":{"c":true,"d":[1,"two"]},"e":null}"#);
        assert_eq!(call.operation, Some(Operation::GetParameter));
        let flat: Vec<_> = call.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(flat, ["a=x", "b.c=true", "b.d.1=1", "b.d.2=two"]);
        assert_eq!(call.text("b").unwrap_err().told().0, "SerializationException");
        assert_eq!(call.text("e").unwrap(), None);
    }

    #[test]
    fn what_is_not_here_is_refused_by_name() {
        assert_eq!(json("AmazonSSM.PutParameter", "{}").known().unwrap_err().told().0, "UnknownOperationException");
        let old = Call::read(&HeaderMap::new(), "", b"Action=GetClusterCredentials&Version=2012-12-01");
        let told = old.known().unwrap_err();
        assert_eq!(
            told.told(),
            ("InvalidAction", "Could not find operation GetClusterCredentials for version 2012-12-01")
        );
        assert_eq!(Call::read(&HeaderMap::new(), "", b"").known().unwrap_err().told().0, "MissingAction");
    }
}
