//! Names as AWS has them: regions, databases, workgroups, roles, parameters.

use std::time::Duration;

use super::Parsed;
use super::text::visible;
use crate::aws::Arn;

/// `durationSeconds` of GetCredentials: 900–3600 s, cut to whole seconds as lava does.
pub(crate) fn password_duration(duration: Duration) -> Parsed<Duration> {
    match duration.as_secs() {
        secs @ 900..=3600 => Ok(Duration::from_secs(secs)),
        secs => Err(format!("{secs} s is out of range: AWS grants 900 to 3600 s (\"15m\" to \"1h\")").into()),
    }
}

/// An AWS Region's name, by its shape.
pub(crate) fn region(text: &str) -> Parsed<String> {
    let shape = (1..=63).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if shape { Ok(text.to_owned()) } else { Err("must be the name of a Region, such as \"ap-southeast-2\"".into()) }
}

/// A database's name, as Redshift has them: 1–127 bytes, of any letters and `$` too.
pub(crate) fn database(text: &str) -> Parsed<String> {
    match visible(text, 127) {
        Ok(()) => Ok(text.to_owned()),
        Err(_) => Err("must be 1 to 127 bytes of visible characters".into()),
    }
}

/// A database's name, as GetCredentials and GetClusterCredentials take it: narrower than Redshift
/// itself.
pub(crate) fn iam_database(text: &str) -> Parsed<String> {
    let shape = (1..=64).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.+@-".contains(&b));
    let expected = "must be 1 to 64 characters: a letter or _, then letters, digits and _ . + @ -";
    if shape { Ok(text.to_owned()) } else { Err(expected.into()) }
}

/// A workgroup's name: 3–64 of `[a-z0-9-]` (Redshift Serverless API, `WorkgroupName`).
pub(crate) fn workgroup(text: &str) -> Parsed<String> {
    let shape = (3..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if shape { Ok(text.to_owned()) } else { Err("must be 3 to 64 of a-z, 0-9 and -".into()) }
}

/// `arn:aws…:iam::ACCOUNT:role/[PATH/]NAME`
pub(crate) fn role_arn(text: &str) -> Parsed<String> {
    const EXPECTED: &str = "must be the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME";
    let arn = Arn::parse(text).ok_or(EXPECTED)?;
    let is_partition = arn.partition == "aws"
        || arn
            .partition
            .strip_prefix("aws-")
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
    let is_account = arn.account.len() == 12 && arn.account.bytes().all(|b| b.is_ascii_digit());
    let is_role = arn.resource.strip_prefix("role/").is_some_and(|path| {
        let name = path.rsplit('/').next().unwrap_or_default();
        (1..=64).contains(&name.len())
            && path.len() <= 576
            && path
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&b))
    });
    let shape = is_partition && arn.service == "iam" && arn.region.is_empty() && is_account && is_role;
    if shape { Ok(text.to_owned()) } else { Err(EXPECTED.into()) }
}

/// A DynamoDB table's name.
pub(crate) fn dynamodb_table(text: &str) -> Parsed<String> {
    let shape = (3..=255).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if shape { Ok(text.to_owned()) } else { Err("must be 3 to 255 of letters, digits and _ . -".into()) }
}

/// A cluster's identifier: 1–63 of `[a-z0-9-]`.
pub(crate) fn cluster_id(text: &str) -> Parsed<String> {
    let shape = (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if shape { Ok(text.to_owned()) } else { Err("must be 1 to 63 of a-z, 0-9 and -".into()) }
}

/// The name or ARN of the SSM parameter that holds an external id.
pub(crate) fn parameter_name(text: &str) -> Parsed<String> {
    let expected = "must be the name of an SSM parameter that holds the external id, not the id itself";
    if is_parameter(text) { Ok(text.to_owned()) } else { Err(expected.into()) }
}

/// The NAME of the SSM parameter that holds a password: a path or an ARN, so that a password is not
/// taken for one.
pub(crate) fn parameter(text: &str) -> Parsed<String> {
    let is_arn = Arn::parse(text).is_some_and(|arn| arn.service == "ssm" && arn.resource.starts_with("parameter/"));
    let shape = is_parameter(text) && (text.starts_with('/') || is_arn);
    let expected =
        "must be the name (\"/...\") or ARN of an SSM parameter that holds the password, not a password itself";
    if shape { Ok(text.to_owned()) } else { Err(expected.into()) }
}

/// 1–2048 of what names, versions, labels and ARNs are made of (SSM API, `GetParameter`).
pub(crate) fn is_parameter(text: &str) -> bool {
    (1..=2048).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-/:".contains(&b))
}

/// The name or ARN of a secret (Secrets Manager API, `SecretId`).
pub(crate) fn secret_id(text: &str) -> Parsed<String> {
    let shape = (1..=2048).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/_+=.@!-:".contains(&b))
        && (text.starts_with("arn:") || !text.contains(':'));
    if shape { Ok(text.to_owned()) } else { Err("must be the name or ARN of a Secrets Manager secret".into()) }
}

/// A database user as lava names one: 1–127 bytes, all visible.
pub(crate) fn warehouse_user(text: &str) -> Parsed<String> {
    visible(text, 127).map(|()| text.to_owned())
}

/// The `DbUser` of a `per-user` login: `[a-z_][a-z0-9_.@-]{0,62}`.
pub(crate) fn db_user(text: &str) -> Parsed<String> {
    let shape = (1..=63).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.@-".contains(&b));
    let expected = "must be 1 to 63 characters: a-z or _, then a-z, 0-9 and _ . @ -";
    if shape { Ok(text.to_owned()) } else { Err(expected.into()) }
}

/// One of GetClusterCredentials' `DbGroups`: 1–64 characters, in lower case.
pub(crate) fn db_group(text: &str) -> Parsed<String> {
    let shape = text.chars().count() <= 64 && text.to_lowercase() == text && visible(text, 256).is_ok();
    if shape { Ok(text.to_owned()) } else { Err("must be 1 to 64 visible characters in lower case".into()) }
}

/// The key of an STS session tag (STS API, `Tag`).
pub(crate) fn tag_key(text: &str) -> Parsed<()> {
    if !(1..=128).contains(&text.chars().count()) || !is_tag_text(text) {
        Err("a tag's key is 1 to 128 letters, digits, blanks and _ . : / = + - @".into())
    } else if text
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
    {
        Err("a tag's key does not begin with aws:".into())
    } else {
        Ok(())
    }
}

/// The value of an STS session tag.
pub(crate) fn tag_value(text: &str) -> Parsed<String> {
    let shape = text.chars().count() <= 256 && is_tag_text(text);
    if shape { Ok(text.to_owned()) } else { Err("must be 0 to 256 letters, digits, blanks and _ . : / = + - @".into()) }
}

fn is_tag_text(text: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || "_.:/=+-@".contains(c) || (c.is_whitespace() && !c.is_control());
    text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_durations_are_in_the_range_of_aws() {
        for (secs, ok) in [(899.9, false), (900.0, true), (900.9, true), (3600.9, true), (3601.0, false), (0.0, false)]
        {
            assert_eq!(password_duration(Duration::from_secs_f64(secs)).is_ok(), ok, "{secs}");
        }
        assert_eq!(password_duration(Duration::from_secs_f64(900.9)), Ok(Duration::from_secs(900)));
        assert!(
            password_duration(Duration::from_secs(7200))
                .unwrap_err()
                .contains("7200 s")
        );
    }

    #[test]
    fn names() {
        for (text, ok) in [
            ("dev", true),
            ("_d.e+f@g-1", true),
            ("", false),
            ("1dev", false),
            ("a:b", false),
            ("a/b", false),
            ("é", false),
            (&"d".repeat(64), true),
            (&"d".repeat(65), false),
        ] {
            assert_eq!(iam_database(text).is_ok(), ok, "{text:?}");
        }
        for (text, ok) in
            [("sales$2024", true), ("größe", true), ("1dev", true), ("", false), ("a\0", false), (" a", false)]
        {
            assert_eq!(database(text).is_ok(), ok, "{text:?}");
        }
        assert!(database(&"d".repeat(127)).is_ok() && database(&"d".repeat(128)).is_err());
        for (text, ok) in [("abc", true), ("a-1", true), ("ab", false), ("Abc", false), ("a_b", false)] {
            assert_eq!(workgroup(text).is_ok(), ok, "{text:?}");
        }
        assert!(workgroup(&"w".repeat(64)).is_ok() && workgroup(&"w".repeat(65)).is_err());
        for (text, ok) in [("eu-west-1", true), ("", false), ("EU", false), ("eu west", false), ("-eu", false)] {
            assert_eq!(region(text).is_ok(), ok, "{text:?}");
        }
    }

    #[test]
    fn roles_and_parameters() {
        for text in [
            "arn:aws:iam::123456789012:role/rs01",
            "arn:aws-cn:iam::123456789012:role/a/b/rs_01+=,.@-x",
            "arn:aws-us-gov:iam::123456789012:role/r",
        ] {
            assert_eq!(role_arn(text).as_deref(), Ok(text));
        }
        for text in [
            "",
            "rs01",
            "arn:aws:iam::123456789012:user/rs01",
            "arn:aws:iam::12345678901:role/rs01",
            "arn:aws:iam:us-east-1:123456789012:role/rs01",
            "arn:aws:sts::123456789012:role/rs01",
            "arn:gcp:iam::123456789012:role/rs01",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/a/",
            "arn:aws:iam::123456789012:role/a:b",
            "arn:aws:iam::123456789012:role/a b",
            " arn:aws:iam::123456789012:role/a",
        ] {
            assert!(role_arn(text).is_err(), "{text:?}");
        }
        for (text, ok) in [("/lava/x", true), ("arn:aws:ssm:r:1:parameter/x", true), ("", false), ("s3cr+t=", false)] {
            assert_eq!(parameter_name(text).is_ok(), ok, "{text:?}");
        }
    }

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
    fn names_in_the_warehouse() {
        for (text, ok) in [("c", true), ("cluster-1", true), ("", false), ("ClusterA", false), ("a_b", false)] {
            assert_eq!(cluster_id(text).is_ok(), ok, "{text:?}");
        }
        assert!(cluster_id(&"c".repeat(63)).is_ok() && cluster_id(&"c".repeat(64)).is_err());
        for (text, ok) in [("adam", true), ("Adam Smith", true), ("IAM:x", true), ("", false), ("a\n", false)] {
            assert_eq!(warehouse_user(text).is_ok(), ok, "{text:?}");
        }
        assert!(warehouse_user(&"u".repeat(127)).is_ok() && warehouse_user(&"u".repeat(128)).is_err());
        for (text, ok) in [
            ("adam", true),
            ("_a.b@c-1", true),
            ("Adam", false),
            ("1a", false),
            ("a:b", false),
            ("a b", false),
            ("", false),
        ] {
            assert_eq!(db_user(text).is_ok(), ok, "{text:?}");
        }
        assert!(db_user(&"u".repeat(63)).is_ok() && db_user(&"u".repeat(64)).is_err());
        for (text, ok) in [("readers", true), ("a b", true), ("Readers", false), ("", false), ("a\t", false)] {
            assert_eq!(db_group(text).is_ok(), ok, "{text:?}");
        }
        assert!(db_group(&"ü".repeat(64)).is_ok() && db_group(&"g".repeat(65)).is_err());
    }

    #[test]
    fn session_tags() {
        for (text, ok) in
            [("team", true), ("a b:c", true), ("", false), ("AWS:x", false), ("aws:", false), ("a*", false)]
        {
            assert_eq!(tag_key(text).is_ok(), ok, "{text:?}");
        }
        assert!(tag_key(&"k".repeat(128)).is_ok() && tag_key(&"k".repeat(129)).is_err());
        for (text, ok) in [("", true), ("a:b", true), ("größe", true), ("a\n", false), ("a,b", false)] {
            assert_eq!(tag_value(text).is_ok(), ok, "{text:?}");
        }
        assert!(tag_value(&"v".repeat(256)).is_ok() && tag_value(&"v".repeat(257)).is_err());
    }
}
