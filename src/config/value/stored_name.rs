//! Parsers of the names by which AWS stores values: SSM parameters and secrets.

use super::Parsed;
use crate::aws::Arn;

/// Reads the name or ARN of the SSM parameter that holds an external id.
pub(crate) fn parameter_name(text: &str) -> Parsed<String> {
    let expected = "must be the name of an SSM parameter that holds the external id, not the id itself";
    if is_parameter(text) { Ok(text.to_owned()) } else { Err(expected.into()) }
}

/// Reads the name of the SSM parameter that holds a password: a path or an ARN, so that a password
/// is not taken for one.
pub(crate) fn parameter(text: &str) -> Parsed<String> {
    let is_arn = Arn::parse(text).is_some_and(|arn| arn.service == "ssm" && arn.resource.starts_with("parameter/"));
    let shape = is_parameter(text) && (text.starts_with('/') || is_arn);
    let expected =
        "must be the name (\"/...\") or ARN of an SSM parameter that holds the password, not a password itself";
    if shape { Ok(text.to_owned()) } else { Err(expected.into()) }
}

/// Whether a text may be a parameter: 1–2048 of the characters that names, versions, labels and
/// ARNs are made of (SSM API, `GetParameter`).
pub(crate) fn is_parameter(text: &str) -> bool {
    (1..=2048).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-/:".contains(&b))
}

/// Reads the name or ARN of a secret (Secrets Manager API, `SecretId`).
pub(crate) fn secret_id(text: &str) -> Parsed<String> {
    let shape = (1..=2048).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/_+=.@!-:".contains(&b))
        && (text.starts_with("arn:") || !text.contains(':'));
    if shape { Ok(text.to_owned()) } else { Err("must be the name or ARN of a Secrets Manager secret".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_password_is_no_password() {
        let arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/a/b";
        for (text, ok) in
            [("/a/b", true), ("/a/b:3", true), (arn, true), ("hunter2", false), ("/a+b", false), ("", false)]
        {
            assert_eq!(parameter(text).is_ok(), ok, "{text:?}");
        }
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/x-AbCdEf";
        for (text, ok) in [("prod/redshift/sales", true), (arn, true), ("a:b", false), ("a b", false), ("", false)] {
            assert_eq!(secret_id(text).is_ok(), ok, "{text:?}");
        }
    }

    #[test]
    fn the_name_of_an_external_id_is_no_external_id() {
        for (text, ok) in [("/lava/x", true), ("arn:aws:ssm:r:1:parameter/x", true), ("", false), ("s3cr+t=", false)] {
            assert_eq!(parameter_name(text).is_ok(), ok, "{text:?}");
        }
    }
}
