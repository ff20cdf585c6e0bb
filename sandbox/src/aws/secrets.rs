//! Secrets Manager GetSecretValue (AWS Secrets Manager API reference). Every caller may read every
//! secret.
//!
//! A secret has its current version only, under the stage AWSCURRENT.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::call::Call;
use super::constraint::Constraints;
use super::options::SecretValue;
use super::refusal::Refusal;
use super::reply::uuid;
use super::service::Protocol;
use super::timestamp::epoch_seconds;
use super::world::{StoredSecret, World};

/// The stage of the version that is told where none is asked for.
const CURRENT: &str = "AWSCURRENT";

/// Answers GetSecretValue for a name or an ARN, with or without the six random characters.
///
/// # Errors
/// ValidationException, ResourceNotFoundException, SerializationException.
pub(super) fn get_secret_value(world: &World, region: &str, call: &Call) -> Result<Value, Refusal> {
    let mut constraints = Constraints::default();
    let asked = constraints.present("secretId", call.text("SecretId")?);
    if let Some(asked) = asked {
        constraints.length("secretId", asked, 1..=2048);
    }
    let (wanted, stage) = (call.text("VersionId")?, call.text("VersionStage")?);
    if let Some(wanted) = wanted {
        constraints.length("versionId", wanted, 32..=64);
    }
    if let Some(stage) = stage {
        constraints.length("versionStage", stage, 1..=256);
    }
    constraints.met(Protocol::Json)?;

    let asked = asked.unwrap_or_default();
    let is_meant = |name: &str| {
        let full = arn(world, region, name);
        asked == name || asked == full || Some(asked) == full.rsplit_once('-').map(|(partial, _)| partial)
    };
    let (name, secret) = world
        .secret(is_meant)
        .ok_or_else(|| not_found("the specified secret."))?;
    let StoredSecret { value, version, created } = secret;
    let id = uuid(digest(&SHA256, format!("{name}:{version}").as_bytes()).as_ref());
    if let Some(stage) = stage.filter(|stage| *stage != CURRENT) {
        return Err(not_found(&format!("the specified secret value for staging label: {stage}")));
    }
    if let Some(wanted) = wanted.filter(|wanted| *wanted != id) {
        return Err(not_found(&format!("the specified secret value for VersionId: {wanted}")));
    }
    let (member, value) = match value {
        SecretValue::Text(text) => ("SecretString", text),
        SecretValue::Binary(bytes) => ("SecretBinary", STANDARD.encode(bytes)),
    };
    Ok(json!({
        "ARN": arn(world, region, &name),
        "CreatedDate": epoch_seconds(created),
        "Name": name,
        member: value,
        "VersionId": id,
        "VersionStages": [CURRENT],
    }))
}

/// A secret's ARN, which ends in six characters that the name does not have. An ARN is left as it
/// is.
pub(super) fn arn(world: &World, region: &str, name: &str) -> String {
    if name.starts_with("arn:") {
        return name.to_owned();
    }
    let suffix: String = uuid(digest(&SHA256, name.as_bytes()).as_ref())
        .chars()
        .take(6)
        .collect();
    format!("arn:aws:secretsmanager:{region}:{}:secret:{name}-{suffix}", world.account)
}

fn not_found(what: &str) -> Refusal {
    Refusal::bad_request("ResourceNotFoundException", format!("Secrets Manager can't find {what}"))
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;
    use hyper::header::HeaderValue;

    use super::*;

    fn get(world: &World, body: &Value) -> Result<Value, (&'static str, String)> {
        let target = HeaderValue::from_static("secretsmanager.GetSecretValue");
        let headers = HeaderMap::from_iter([("x-amz-target".parse().unwrap(), target)]);
        let call = Call::read(&headers, "", body.to_string().as_bytes());
        let answer = get_secret_value(world, "eu-west-1", &call);
        answer.map_err(|refusal| (refusal.told().0, refusal.told().1.to_owned()))
    }

    fn world() -> World {
        let world = World::demo();
        world.put_secret("prod/sales", SecretValue::Text("{\"username\":\"u\"}".to_owned()));
        world
    }

    #[test]
    fn a_secret_is_told_by_name_and_by_arn() {
        let world = world();
        let answer = get(&world, &json!({ "SecretId": "prod/sales" })).unwrap();
        let arn = answer["ARN"].as_str().unwrap();
        let partial = arn
            .strip_prefix("arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/sales-")
            .unwrap();
        assert_eq!((partial.len(), &answer["SecretString"]), (6, &json!("{\"username\":\"u\"}")));
        assert_eq!(answer["VersionStages"], json!(["AWSCURRENT"]));
        assert_eq!(get(&world, &json!({ "SecretId": arn })).unwrap(), answer);
        let partial = &arn[..arn.len() - 7];
        let more = json!({ "SecretId": partial, "VersionId": answer["VersionId"], "VersionStage": "AWSCURRENT" });
        assert_eq!(get(&world, &more).unwrap(), answer);
    }

    #[test]
    fn bytes_are_told_in_base64_and_a_put_makes_a_new_version() {
        let world = world();
        let first = get(&world, &json!({ "SecretId": "prod/sales" })).unwrap();
        world.put_secret("prod/sales", SecretValue::Binary(vec![0, 255]));
        let second = get(&world, &json!({ "SecretId": "prod/sales" })).unwrap();
        assert_eq!((&second["SecretBinary"], second.get("SecretString")), (&json!("AP8="), None));
        assert_ne!(second["VersionId"], first["VersionId"]);
    }

    #[test]
    fn missing_secrets_are_refused_by_cause() {
        let world = world();
        let code = |body: Value| get(&world, &body).unwrap_err().0;
        let missing = "ResourceNotFoundException";
        assert_eq!(code(json!({ "SecretId": "none" })), missing);
        assert_eq!(code(json!({ "SecretId": "prod/sales", "VersionStage": "AWSPREVIOUS" })), missing);
        assert_eq!(code(json!({ "SecretId": "prod/sales", "VersionId": "0".repeat(32) })), missing);
        assert_eq!(code(json!({ "SecretId": "prod/sales", "VersionId": "1" })), "ValidationException");
        assert_eq!(code(json!({ "SecretId": "" })), "ValidationException");
        assert_eq!(code(json!({})), "ValidationException");
        assert_eq!(code(json!({ "SecretId": 1 })), "SerializationException");
        world.remove_secret("prod/sales");
        assert_eq!(code(json!({ "SecretId": "prod/sales" })), missing);
    }
}
