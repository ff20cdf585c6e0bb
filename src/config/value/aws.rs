//! Names as AWS has them: regions, databases, workgroups, roles, parameters, endpoints.

use std::time::Duration;

use super::Parsed;
use crate::aws::partition;

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
    match super::visible(text, 127) {
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
    let mut parts = text.splitn(6, ':');
    let mut part = || parts.next().unwrap_or_default();
    let (arn, partition, service, region, account, resource) = (part(), part(), part(), part(), part(), part());
    let partition = partition == "aws"
        || partition
            .strip_prefix("aws-")
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
    let account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let role = resource.strip_prefix("role/").is_some_and(|path| {
        let name = path.rsplit('/').next().unwrap_or_default();
        (1..=64).contains(&name.len())
            && path.len() <= 576
            && path
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&b))
    });
    let shape = arn == "arn" && partition && service == "iam" && region.is_empty() && account && role;
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
    let arn = text.starts_with("arn:") && text.contains(":ssm:") && text.contains(":parameter/");
    let shape = is_parameter(text) && (text.starts_with('/') || arn);
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
    super::visible(text, 127).map(|()| text.to_owned())
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
    let shape = text.chars().count() <= 64 && text.to_lowercase() == text && super::visible(text, 256).is_ok();
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

/// What a Redshift endpoint's name tells. `None`: some other name, or an address.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Endpoint {
    /// `WORKGROUP.ACCOUNT.REGION.redshift-serverless[-dev].amazonaws.com`, or what else the
    /// partition's names end with
    Serverless {
        /// The first label, in lower case: DNS does not care, the API does.
        workgroup: String,
        /// The third.
        region: String,
    },
    /// `CLUSTER.ID.REGION.redshift.amazonaws.com`, or what else the partition's names end with
    Provisioned {
        /// The first label, in lower case.
        cluster: String,
        /// The third.
        region: String,
    },
}

impl Endpoint {
    /// Where it is.
    pub(crate) fn region(&self) -> &str {
        match self {
            Self::Serverless { region, .. } | Self::Provisioned { region, .. } => region,
        }
    }
}

/// Reads a host's name as a Redshift endpoint's. Its end has to be that of its Region's partition.
pub(crate) fn endpoint(host: &str) -> Option<Endpoint> {
    let (endpoint, suffix) = shape(host)?;
    (suffix == partition::dns_suffix(endpoint.region())).then_some(endpoint)
}

/// What is wrong with a name that would be a Redshift endpoint's, but for its end: no Region of
/// that name has such.
pub(crate) fn unknown_suffix(host: &str) -> Option<String> {
    let (endpoint, suffix) = shape(host)?;
    let (region, known) = (endpoint.region(), partition::dns_suffix(endpoint.region()));
    (suffix != known).then(|| format!("ends in {suffix}, which is unknown for {region}: its names end in {known}"))
}

/// `NAME.ID.REGION.SERVICE`, and what follows.
fn shape(host: &str) -> Option<(Endpoint, String)> {
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let mut labels = host.splitn(5, '.');
    let (first, _id, region) = (labels.next()?.to_owned(), labels.next()?, labels.next()?.to_owned());
    let endpoint = match labels.next()? {
        "redshift-serverless" | "redshift-serverless-dev" => Endpoint::Serverless { workgroup: first, region },
        "redshift" => Endpoint::Provisioned { cluster: first, region },
        _ => return None,
    };
    Some((endpoint, labels.next()?.to_owned()))
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

    #[test]
    fn redshift_endpoints_are_read() {
        let serverless = |workgroup: &str, region: &str| {
            Some(Endpoint::Serverless { workgroup: workgroup.into(), region: region.into() })
        };
        let provisioned = |cluster: &str, region: &str| {
            Some(Endpoint::Provisioned { cluster: cluster.into(), region: region.into() })
        };
        for (host, want) in [
            ("Wg.123456789012.us-east-1.redshift-serverless.amazonaws.com", serverless("wg", "us-east-1")),
            ("wg.1.eu-west-1.redshift-serverless-dev.amazonaws.com.", serverless("wg", "eu-west-1")),
            ("wg.1.cn-north-1.redshift-serverless.amazonaws.com.cn", serverless("wg", "cn-north-1")),
            ("C1.abc.us-east-1.redshift.amazonaws.com", provisioned("c1", "us-east-1")),
            ("c1.abc.cn-north-1.redshift.amazonaws.com.cn.", provisioned("c1", "cn-north-1")),
            ("wg.1.eusc-de-east-1.redshift-serverless.amazonaws.eu", serverless("wg", "eusc-de-east-1")),
            ("c1.abc.us-iso-east-1.redshift.c2s.ic.gov", provisioned("c1", "us-iso-east-1")),
            ("c1.abc.us-isob-east-1.redshift.sc2s.sgov.gov", provisioned("c1", "us-isob-east-1")),
            ("c1.abc.us-east-1.redshift.amazonaws.eu", None),
            ("c1.abc.cn-north-1.redshift.amazonaws.com", None),
            ("c1.abc.us-east-1.redshift", None),
            ("c1.us-east-1.redshift.amazonaws.com", None),
            ("wg.us-east-1.redshift-serverless.amazonaws.com", None),
            ("a.wg.1.us-east-1.redshift-serverless.amazonaws.com", None),
            ("wg.1.us-east-1.redshift-serverless.amazonaws.com.example.com", None),
            ("localhost", None),
            ("10.0.0.1", None),
        ] {
            assert_eq!(endpoint(host), want, "{host}");
        }
        let told = unknown_suffix("wg.1.us-east-1.redshift-serverless.amazonaws.example").unwrap();
        assert_eq!(told, "ends in amazonaws.example, which is unknown for us-east-1: its names end in amazonaws.com");
        for host in ["wg.1.us-east-1.redshift-serverless.amazonaws.com", "dw.example.com", "10.0.0.1"] {
            assert_eq!(unknown_suffix(host), None, "{host}");
        }
    }
}
