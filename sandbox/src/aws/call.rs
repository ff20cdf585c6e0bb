//! The call in a request: an operation and its parameters.

use std::collections::BTreeMap;

use hyper::HeaderMap;
use serde_json::Value;

use super::encoding::form_pairs;
use super::operation::Operation;
use super::refusal::Refusal;
use super::service::{Protocol, Service, TARGET};

/// A request as far as it can be read without knowing who sent it.
#[derive(Debug)]
pub(super) struct Call {
    /// The service in the manner of which the call is answered.
    pub(super) service: Service,
    /// The operation as the request names it; it may be none of [`Operation`].
    pub(super) name: String,
    pub(super) operation: Option<Operation>,
    /// Members of the JSON body (nested ones as `a.b`, elements as `a.1`) or form fields, all as
    /// text.
    pub(super) parameters: BTreeMap<String, String>,
    /// The JSON body; `Null` in the Query protocol. `None`: it is not a JSON object.
    pub(super) body: Option<Value>,
}

impl Call {
    /// Reads what can be read; an odd request becomes a call of an unknown operation.
    pub(super) fn read(headers: &HeaderMap, query: &str, body: &[u8]) -> Self {
        match headers
            .get(TARGET)
            .map(|target| String::from_utf8_lossy(target.as_bytes()))
        {
            Some(target) => Self::json(headers, &target, body),
            None => Self::query(headers, query, body),
        }
    }

    fn json(headers: &HeaderMap, target: &str, body: &[u8]) -> Self {
        let body = serde_json::from_slice(body).ok().filter(Value::is_object);
        let mut parameters = BTreeMap::new();
        if let Some(body) = &body {
            flatten("", body, &mut parameters);
        }
        let (prefix, name) = target.rsplit_once('.').unwrap_or(("", target));
        let operation = Service::by_target(prefix).and_then(|service| Operation::find(service, name));
        Self { service: Service::of(headers, ""), name: name.to_owned(), operation, parameters, body }
    }

    fn query(headers: &HeaderMap, query: &str, body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        let parameters: BTreeMap<_, _> = form_pairs(query).chain(form_pairs(&body)).collect();
        let field = |name: &str| parameters.get(name).map_or("", String::as_str);
        let (name, version) = (field("Action").to_owned(), field("Version"));
        let service = Service::of(headers, version);
        let operation = Operation::find(service, &name).filter(|_| service.version() == version);
        Self { service, name, operation, parameters, body: Some(Value::Null) }
    }

    /// The operation, if there is such a one.
    ///
    /// # Errors
    /// UnknownOperationException, InvalidAction or MissingAction.
    pub(super) fn known(&self) -> Result<Operation, Refusal> {
        let version = self.parameters.get("Version").map_or("", String::as_str);
        match self.operation {
            Some(operation) => Ok(operation),
            None if self.service.protocol() == Protocol::Query && self.name.is_empty() => {
                Err(Refusal::bad_request("MissingAction", "The request must contain the parameter Action"))
            }
            None => Err(Refusal::unknown_operation(self.service.protocol(), &self.name, version)),
        }
    }

    /// Checks that the operation knows all the parameters, and that the body could be read.
    ///
    /// # Errors
    /// SerializationException; ValidationException or UnknownParameter.
    pub(super) fn check(&self, operation: Operation) -> Result<(), Refusal> {
        let Some(body) = &self.body else {
            return Err(Refusal::unreadable("The body is not a JSON object"));
        };
        let json = body
            .as_object()
            .into_iter()
            .flat_map(|members| members.keys().map(String::as_str));
        let form = self
            .parameters
            .keys()
            .filter(|_| body.is_null())
            .map(|name| name.split('.').next().unwrap_or(name));
        let mut strange = json
            .chain(form.filter(|name| !["Action", "Version"].contains(name)))
            .filter(|name| !operation.takes(name));
        strange
            .next()
            .map_or(Ok(()), |name| Err(Refusal::unknown_parameter(self.service, name)))
    }

    /// The JSON body's member, whatever it is; `None` if it is missing or null.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.body
            .as_ref()
            .and_then(|body| body.get(name))
            .filter(|value| !value.is_null())
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
    /// The same errors as [`Call::text`].
    pub(super) fn whole(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.member(name, "an Integer", Value::as_i64)
    }

    /// A JSON member that is true or false.
    ///
    /// # Errors
    /// The same errors as [`Call::text`].
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        self.member(name, "a Boolean", Value::as_bool)
    }

    fn member<'a, T>(
        &'a self,
        name: &str,
        wanted: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match read(value) {
            Some(value) => Ok(Some(value)),
            None => Err(Refusal::unreadable(format!("{name} cannot be converted to {wanted}"))),
        }
    }
}

/// `serde_json` has bounded the depth.
fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    let under = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
    match value {
        Value::Null => {}
        Value::Object(members) => members
            .iter()
            .for_each(|(name, value)| flatten(&under(name), value, into)),
        Value::Array(elements) => {
            elements
                .iter()
                .enumerate()
                .for_each(|(at, value)| flatten(&under(&(at + 1).to_string()), value, into));
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
        let flat: Vec<_> = call
            .parameters
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(flat, ["a=x", "b.c=true", "b.d.1=1", "b.d.2=two"]);
        assert_eq!(call.text("b").unwrap_err().told().0, "SerializationException");
        assert_eq!(call.text("e").unwrap(), None);
    }

    #[test]
    fn unknown_operations_are_refused_by_name() {
        assert_eq!(
            json("AmazonSSM.PutParameter", "{}")
                .known()
                .unwrap_err()
                .told()
                .0,
            "UnknownOperationException"
        );
        let old = Call::read(&HeaderMap::new(), "", b"Action=GetClusterCredentials&Version=2011-12-01");
        let told = old.known().unwrap_err();
        assert_eq!(
            told.told(),
            ("InvalidAction", "Could not find operation GetClusterCredentials for version 2011-12-01")
        );
        assert_eq!(
            Call::read(&HeaderMap::new(), "", b"")
                .known()
                .unwrap_err()
                .told()
                .0,
            "MissingAction"
        );
    }

    #[test]
    fn a_parameter_that_the_operation_has_not_is_refused() {
        let code = |call: Call| {
            call.check(call.known().unwrap())
                .map_err(|refusal| refusal.told().0)
        };
        assert_eq!(code(json("AmazonSSM.GetParameter", r#"{"Name":"/a"}"#)), Ok(()));
        assert_eq!(code(json("AmazonSSM.GetParameter", r#"{"name":"/a"}"#)), Err("ValidationException"));
        assert_eq!(code(json("AmazonSSM.GetParameter", "[]")), Err("SerializationException"));
        let query = |form: &str| Call::read(&HeaderMap::new(), "", format!("{form}&Version=2011-06-15").as_bytes());
        assert_eq!(code(query("Action=AssumeRole&Tags.member.1.Key=a&RoleArn=r")), Ok(()));
        assert_eq!(code(query("Action=AssumeRoleWithWebIdentity&ExternalId=e")), Err("UnknownParameter"));
    }
}
