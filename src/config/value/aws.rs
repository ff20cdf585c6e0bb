//! Parsers of values with AWS's rules: durations of logins, Regions, roles, tables, session tags.

use std::time::Duration;

use super::Parsed;
use crate::aws::Arn;

/// Checks `durationSeconds` of GetCredentials: 900–3600 s, cut to whole seconds as lava does.
pub(crate) fn password_duration(duration: Duration) -> Parsed<Duration> {
    match duration.as_secs() {
        secs @ 900..=3600 => Ok(Duration::from_secs(secs)),
        secs => Err(format!("{secs} s is out of range: AWS grants 900 to 3600 s (\"15m\" to \"1h\")").into()),
    }
}

/// Reads an AWS Region's name, by its shape.
pub(crate) fn region(text: &str) -> Parsed<String> {
    let shape = (1..=63).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if shape { Ok(text.to_owned()) } else { Err("must be the name of a Region, such as \"ap-southeast-2\"".into()) }
}

/// Reads the ARN of a role, `arn:aws…:iam::ACCOUNT:role/[PATH/]NAME`.
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

/// Reads a DynamoDB table's name.
pub(crate) fn dynamodb_table(text: &str) -> Parsed<String> {
    let shape = (3..=255).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if shape { Ok(text.to_owned()) } else { Err("must be 3 to 255 of letters, digits and _ . -".into()) }
}

/// Checks the key of an STS session tag (STS API, `Tag`).
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

/// Reads the value of an STS session tag.
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
    fn regions() {
        for (text, ok) in [("eu-west-1", true), ("", false), ("EU", false), ("eu west", false), ("-eu", false)] {
            assert_eq!(region(text).is_ok(), ok, "{text:?}");
        }
    }

    #[test]
    fn roles() {
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
