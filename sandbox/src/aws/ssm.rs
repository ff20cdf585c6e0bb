//! SSM GetParameter and GetParametersByPath (AWS Systems Manager API reference). Every caller may
//! read and decrypt every parameter.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::call::Call;
use super::constraint::Constraints;
use super::options::{Parameter, ParameterKind};
use super::refusal::Refusal;
use super::service::Protocol;
use super::timestamp::epoch_seconds;
use super::world::{Stored, World};

/// The most parameters that one GetParametersByPath answers with.
const MAX_RESULTS: i64 = 10;

/// Answers GetParameter for a name, `name:version` or an ARN. Labels are not modelled: none exists.
///
/// # Errors
/// ValidationException, ParameterNotFound, ParameterVersionNotFound, SerializationException.
pub(super) fn get_parameter(world: &World, region: &str, call: &Call) -> Result<Value, Refusal> {
    let decrypt = call.flag("WithDecryption")?.unwrap_or(false);
    let mut constraints = Constraints::default();
    let asked = constraints.present("name", call.text("Name")?);
    if let Some(asked) = asked {
        constraints.length("name", asked, 1..=2048);
    }
    constraints.met(Protocol::Json)?;

    let asked = asked.unwrap_or_default();
    let (name, selector) = split(asked);
    // An ARN has one slash before the name whether the name begins with one or not.
    let candidates = [name, name.strip_prefix('/').unwrap_or(name)];
    let (name, stored) = candidates
        .into_iter()
        .take(if asked.starts_with("arn:") { 2 } else { 1 })
        .find_map(|name| Some((name, world.parameter(name)?)))
        .ok_or_else(|| Refusal::bad_request("ParameterNotFound", ""))?;
    if selector.is_some_and(|selector| selector != stored.version.to_string()) {
        return Err(Refusal::bad_request("ParameterVersionNotFound", ""));
    }

    let mut parameter = told(world, region, name, &stored, decrypt);
    if let (Some(selector), Some(members)) = (selector, parameter.as_object_mut()) {
        members.insert("Selector".to_owned(), format!(":{selector}").into());
    }
    Ok(json!({ "Parameter": parameter }))
}

/// Answers GetParametersByPath: the parameters below a path, in the order of their names, a page at
/// a time. Filters are not modelled, and refused.
///
/// # Errors
/// ValidationException, InvalidNextToken, SerializationException.
pub(super) fn get_parameters_by_path(world: &World, region: &str, call: &Call) -> Result<Value, Refusal> {
    let decrypt = call.flag("WithDecryption")?.unwrap_or(false);
    let recursive = call.flag("Recursive")?.unwrap_or(false);
    let mut constraints = Constraints::default();
    let path = constraints
        .present("path", call.text("Path")?)
        .unwrap_or_default();
    constraints.length("path", path, 1..=2048);
    let most = call.whole("MaxResults")?.unwrap_or(MAX_RESULTS);
    constraints.number("maxResults", most, 1..=MAX_RESULTS);
    constraints.met(Protocol::Json)?;
    if !path.starts_with('/') {
        let message = "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a \
                       forward slash \"/\".";
        return Err(Refusal::invalid(Protocol::Json, message));
    }
    let folder = format!("{}/", path.trim_end_matches('/'));
    let token = call.text("NextToken")?;
    let name_of = |token: &str| String::from_utf8(STANDARD.decode(token).ok()?).ok();
    let after = match token.map(name_of) {
        None => String::new(),
        Some(Some(name)) if name.starts_with(&folder) => name,
        Some(_) => return Err(Refusal::bad_request("InvalidNextToken", "The specified token isn't valid.")),
    };

    let below = |name: &str| {
        name.strip_prefix(&folder)
            .is_some_and(|rest| recursive || !rest.contains('/'))
    };
    let all = world.parameters(|name| below(name) && name > after.as_str());
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let page: Vec<_> = all
        .iter()
        .take(most)
        .map(|(name, stored)| told(world, region, name, stored, decrypt))
        .collect();
    let next = all
        .get(most)
        .and_then(|_| all.get(most - 1))
        .map(|(last, _)| STANDARD.encode(last));
    Ok(match next {
        Some(next) => json!({ "Parameters": page, "NextToken": next }),
        None => json!({ "Parameters": page }),
    })
}

/// A parameter as both operations tell it.
fn told(world: &World, region: &str, name: &str, stored: &Stored, decrypt: bool) -> Value {
    let Parameter { value, kind } = &stored.parameter;
    let (kind, value) = match kind {
        ParameterKind::String => ("String", value.clone()),
        ParameterKind::StringList => ("StringList", value.clone()),
        ParameterKind::SecureString if decrypt => ("SecureString", value.clone()),
        ParameterKind::SecureString => ("SecureString", ciphertext(value)),
    };
    json!({
        "ARN": arn(world, region, name),
        "DataType": "text",
        "LastModifiedDate": epoch_seconds(stored.modified),
        "Name": name,
        "Type": kind,
        "Value": value,
        "Version": stored.version,
    })
}

/// A parameter's ARN; a name that begins with a slash gets no second one.
pub(super) fn arn(world: &World, region: &str, name: &str) -> String {
    let (account, slash) = (&world.account, if name.starts_with('/') { "" } else { "/" });
    format!("arn:aws:ssm:{region}:{account}:parameter{slash}{name}")
}

/// The name without an ARN's beginning, and the selector behind it.
fn split(asked: &str) -> (&str, Option<&str>) {
    let name = match asked.strip_prefix("arn:") {
        Some(arn) => arn
            .splitn(5, ':')
            .nth(4)
            .and_then(|resource| resource.strip_prefix("parameter"))
            .unwrap_or(""),
        None => asked,
    };
    name.split_once(':')
        .map_or((name, None), |(name, selector)| (name, Some(selector)))
}

/// Something opaque that changes with the value.
fn ciphertext(value: &str) -> String {
    format!("kms:alias/aws/ssm:{}", STANDARD.encode(digest(&SHA256, value.as_bytes())))
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;
    use hyper::header::HeaderValue;

    use super::*;

    const NAME: &str = "/lava/demo/rs01-external-id";

    fn get(world: &World, body: &Value) -> Result<Value, (&'static str, String)> {
        let target = HeaderValue::from_static("AmazonSSM.GetParameter");
        let headers = HeaderMap::from_iter([("x-amz-target".parse().unwrap(), target)]);
        let call = Call::read(&headers, "", body.to_string().as_bytes());
        let answer = get_parameter(world, "eu-west-1", &call);
        let answer = answer.map_err(|refusal| (refusal.told().0, refusal.told().1.to_owned()))?;
        Ok(answer["Parameter"].clone())
    }

    #[test]
    fn a_secure_string_is_told_only_with_decryption() {
        let world = World::demo();
        let hidden = get(&world, &json!({ "Name": NAME })).unwrap();
        let clear = get(&world, &json!({ "Name": NAME, "WithDecryption": true })).unwrap();
        assert!(
            hidden["Value"]
                .as_str()
                .unwrap()
                .starts_with("kms:alias/aws/ssm:")
        );
        assert!(
            !hidden
                .to_string()
                .contains(clear["Value"].as_str().unwrap())
        );
        assert_eq!(clear["Value"], "sandbox-external-id-5f0c");
        assert_eq!(clear["Type"], "SecureString");
    }

    #[test]
    fn names_arns_and_versions_lead_to_it() {
        let world = World::demo();
        let arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/lava/demo/rs01-external-id";
        assert_eq!(get(&world, &json!({ "Name": arn })).unwrap()["Name"], NAME);
        assert_eq!(get(&world, &json!({ "Name": NAME })).unwrap()["ARN"], arn);
        let plain = Parameter { value: "v".to_owned(), kind: ParameterKind::String };
        world.put_parameter("plain", plain.clone());
        world.put_parameter("plain", plain);
        let arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/plain";
        let parameter = get(&world, &json!({ "Name": arn })).unwrap();
        assert_eq!((&parameter["Name"], &parameter["ARN"]), (&json!("plain"), &json!(arn)));
        assert_eq!(get(&world, &json!({ "Name": "plain:2" })).unwrap()["Selector"], ":2");
    }

    #[test]
    fn a_path_is_listed_page_by_page() {
        let world = World::demo();
        let put = |name: &str| {
            world.put_parameter(name, Parameter { value: "v".to_owned(), kind: ParameterKind::SecureString });
        };
        (0..12).for_each(|at| put(&format!("/users/u{at:02}")));
        ["/users/team/x", "/usersx", "/users"]
            .into_iter()
            .for_each(put);
        let ask = |body: Value| {
            let target = HeaderValue::from_static("AmazonSSM.GetParametersByPath");
            let headers = HeaderMap::from_iter([("x-amz-target".parse().unwrap(), target)]);
            let call = Call::read(&headers, "", body.to_string().as_bytes());
            get_parameters_by_path(&world, "eu-west-1", &call).map_err(|refusal| refusal.told().0)
        };
        let first = ask(json!({ "Path": "/users/", "WithDecryption": true })).unwrap();
        let names: Vec<_> = first["Parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|told| &told["Name"])
            .collect();
        assert_eq!((names.len(), names[9]), (10, &json!("/users/u09")));
        assert_eq!(first["Parameters"][0]["Value"], "v");
        let rest = ask(json!({ "Path": "/users", "NextToken": first["NextToken"] })).unwrap();
        assert_eq!((rest["Parameters"].as_array().unwrap().len(), rest.get("NextToken")), (2, None));
        assert!(
            rest["Parameters"][0]["Value"]
                .as_str()
                .unwrap()
                .starts_with("kms:"),
            "{rest}"
        );
        let exact = ask(json!({ "Path": "/users", "Recursive": true, "MaxResults": 1 })).unwrap();
        assert_eq!(exact["Parameters"][0]["Name"], "/users/team/x");
        assert_eq!(ask(json!({ "Path": "/none" })), Ok(json!({ "Parameters": [] })));
        for (body, code) in [
            (json!({}), "ValidationException"),
            (json!({ "Path": "users" }), "ValidationException"),
            (json!({ "Path": "/users", "MaxResults": 11 }), "ValidationException"),
            (json!({ "Path": "/users", "NextToken": "made-up" }), "InvalidNextToken"),
            (json!({ "Path": "/users", "NextToken": STANDARD.encode("/other/a") }), "InvalidNextToken"),
        ] {
            assert_eq!(ask(body.clone()), Err(code), "{body}");
        }
    }

    #[test]
    fn missing_parameters_are_refused_by_cause() {
        let world = World::demo();
        let code = |body: Value| get(&world, &body).unwrap_err().0;
        assert_eq!(code(json!({ "Name": "/none" })), "ParameterNotFound");
        assert_eq!(code(json!({ "Name": format!("{NAME}:7") })), "ParameterVersionNotFound");
        assert_eq!(code(json!({ "Name": "arn:aws:s3:::x" })), "ParameterNotFound");
        assert_eq!(code(json!({})), "ValidationException");
        assert_eq!(code(json!({ "Name": "" })), "ValidationException");
        assert_eq!(code(json!({ "Name": NAME, "WithDecryption": "yes" })), "SerializationException");
    }
}
