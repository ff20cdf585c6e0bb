use hyper::HeaderMap;

use super::*;
use crate::aws::options::RoleRule;

const ROLE: &str = "arn:aws:iam::123456789012:role/rs01";
const GOOD: &str =
    "RoleArn=arn:aws:iam::123456789012:role/rs01&RoleSessionName=s-1&ExternalId=sandbox-external-id-5f0c";

fn user() -> Caller {
    Caller::User { account: "123456789012".to_owned(), name: "proxy".to_owned() }
}

fn assume(world: &World, caller: &Caller, form: &str) -> Result<String, (&'static str, String)> {
    let call = Call::read(&HeaderMap::new(), "", format!("Action=AssumeRole&Version=2011-06-15&{form}").as_bytes());
    assume_role(world, caller, &call).map_err(|refusal| (refusal.told().0, refusal.told().1.to_owned()))
}

#[test]
fn the_right_external_id_gives_keys_of_the_role() {
    let answer = assume(&World::demo(), &user(), &format!("{GOOD}&DurationSeconds=900")).unwrap();
    assert!(answer.contains("<Arn>arn:aws:sts::123456789012:assumed-role/rs01/s-1</Arn>"), "{answer}");
    assert!(answer.contains("<AccessKeyId>ASIA"), "{answer}");
    assert!(!answer.contains("PackedPolicySize"), "{answer}");
}

#[test]
fn an_external_id_that_is_wrong_or_missing_looks_like_an_unknown_role() {
    let world = World::demo();
    for (form, resource) in [
        (format!("RoleArn={ROLE}&RoleSessionName=s1"), ROLE),
        (format!("RoleArn={ROLE}&RoleSessionName=s1&ExternalId=wrong"), ROLE),
        (format!("RoleArn={ROLE}2&RoleSessionName=s1"), "arn:aws:iam::123456789012:role/rs012"),
    ] {
        let (code, message) = assume(&world, &user(), &form).unwrap_err();
        assert_eq!(code, "AccessDenied", "{form}");
        let wanted =
            "User: arn:aws:iam::123456789012:user/proxy is not authorized to perform: sts:AssumeRole on resource: ";
        assert_eq!(message, format!("{wanted}{resource}"));
    }
    world.put_role(ROLE, RoleRule::default());
    assume(&world, &user(), &format!("RoleArn={ROLE}&RoleSessionName=s1")).expect("no external id demanded");
}

#[test]
fn parameters_out_of_bounds_are_refused() {
    let world = World::demo();
    let invalid = "ValidationError";
    for (form, code, part) in [
        ("RoleSessionName=s1".to_owned(), invalid, "Value null at 'roleArn'"),
        (format!("RoleArn={ROLE}"), invalid, "Value null at 'roleSessionName'"),
        ("RoleArn=role/rs01&RoleSessionName=s1".to_owned(), invalid, "greater than or equal to 20"),
        ("RoleArn=arn:aws:iam::123456789012:user/u&RoleSessionName=s1".to_owned(), invalid, "is invalid"),
        (format!("RoleArn={ROLE}&RoleSessionName=s"), invalid, "greater than or equal to 2"),
        (format!("RoleArn={ROLE}&RoleSessionName={}", "s".repeat(65)), invalid, "less than or equal to 64"),
        (format!("RoleArn={ROLE}&RoleSessionName=a+b"), invalid, "regular expression pattern: [\\w+=,.@-]*"),
        (format!("RoleArn={ROLE}&RoleSessionName=s1&ExternalId=x"), invalid, "'externalId'"),
        (format!("{GOOD}&DurationSeconds=899"), invalid, "greater than or equal to 900"),
        (format!("{GOOD}&DurationSeconds=43201"), invalid, "less than or equal to 43200"),
        (format!("{GOOD}&DurationSeconds=1h"), "MalformedInput", ""),
        (format!("{GOOD}&Tags.member.1.Key=a"), invalid, "'tags.1.member.value'"),
        (
            format!("{GOOD}&Tags.member.1.Key=a&Tags.member.1.Value=&Tags.member.2.Key=A&Tags.member.2.Value="),
            "InvalidParameterValue",
            "Duplicate",
        ),
    ] {
        let (told, message) = assume(&world, &user(), &form).unwrap_err();
        assert_eq!(told, code, "{form}: {message}");
        assert!(message.contains(part), "{form}: {message}");
    }
}

#[test]
fn at_most_fifty_tags_are_taken() {
    let tags = |count: usize| -> String {
        (1..=count).map(|at| format!("&Tags.member.{at}.Key=k{at}&Tags.member.{at}.Value=v")).collect()
    };
    let world = World::demo();
    let answer = assume(&world, &user(), &format!("{GOOD}{}", tags(50))).unwrap();
    assert!(answer.contains("<PackedPolicySize>50</PackedPolicySize>"), "{answer}");
    let (code, message) = assume(&world, &user(), &format!("{GOOD}{}", tags(51))).unwrap_err();
    assert_eq!(code, "ValidationError");
    assert!(message.contains("'tags'") && message.contains("less than or equal to 50"), "{message}");
}

#[test]
fn a_role_assumed_from_a_role_lives_an_hour_at_most() {
    let role = RoleArn::parse("arn:aws:iam::123456789012:role/task").unwrap();
    let chained = Caller::RoleSession { role, session: "s1".to_owned() };
    let world = World::demo();
    assume(&world, &chained, &format!("{GOOD}&DurationSeconds=3600")).unwrap();
    assume(&world, &user(), &format!("{GOOD}&DurationSeconds=43200")).unwrap();
    let (code, message) = assume(&world, &chained, &format!("{GOOD}&DurationSeconds=3601")).unwrap_err();
    assert_eq!(code, "ValidationError");
    assert!(message.contains("1 hour session limit"), "{message}");
}
