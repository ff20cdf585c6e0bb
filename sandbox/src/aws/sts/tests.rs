use hyper::HeaderMap;

use super::*;
use crate::aws::identity::SessionTags;

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
        (format!("{GOOD}&Tags.member.2.Key=a&Tags.member.2.Value=b"), "InvalidParameterValue", "Tags.member.1"),
        (format!("{GOOD}&TransitiveTagKeys.member.1=a"), "InvalidParameterValue", "must be included"),
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
        (1..=count)
            .map(|at| format!("&Tags.member.{at}.Key=k{at}&Tags.member.{at}.Value=v"))
            .collect()
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
    let chained = Caller::session("arn:aws:iam::123456789012:role/task", "s1");
    let world = World::demo();
    assume(&world, &chained, &format!("{GOOD}&DurationSeconds=3600")).unwrap();
    assume(&world, &user(), &format!("{GOOD}&DurationSeconds=43200")).unwrap();
    let (code, message) = assume(&world, &chained, &format!("{GOOD}&DurationSeconds=3601")).unwrap_err();
    assert_eq!(code, "ValidationError");
    assert!(message.contains("1 hour session limit"), "{message}");
}

#[test]
fn only_those_that_a_role_lists_may_assume_it() {
    let world = World::demo();
    let task = "arn:aws:iam::123456789012:role/task";
    let form = format!("RoleArn={ROLE}&RoleSessionName=s1");
    world.put_role(ROLE, RoleRule { callers: Some(vec![task.to_owned()]), ..RoleRule::default() });
    assume(&world, &Caller::session(task, "s1"), &form).expect("it is listed");
    let (code, message) = assume(&world, &user(), &form).unwrap_err();
    assert_eq!(code, "AccessDenied");
    assert!(message.contains("user/proxy is not authorized to perform: sts:AssumeRole"), "{message}");
}

#[test]
fn a_role_assumes_itself_only_where_it_is_listed() {
    let world = World::demo();
    let form = format!("RoleArn={ROLE}&RoleSessionName=s1");
    world.put_role(ROLE, RoleRule::default());
    assert_eq!(
        assume(&world, &Caller::session(ROLE, "s1"), &form)
            .unwrap_err()
            .0,
        "AccessDenied"
    );
    world.put_role(ROLE, RoleRule { callers: Some(vec![ROLE.to_owned()]), ..RoleRule::default() });
    assume(&world, &Caller::session(ROLE, "s1"), &form).expect("it is listed");
}

#[test]
fn tags_need_a_role_that_allows_them() {
    let world = World::demo();
    let form = format!("RoleArn={ROLE}&RoleSessionName=s1");
    world.put_role(ROLE, RoleRule::default());
    assume(&world, &user(), &form).expect("no tags");
    let (code, message) =
        assume(&world, &user(), &format!("{form}&Tags.member.1.Key=a&Tags.member.1.Value=b")).unwrap_err();
    assert_eq!(code, "AccessDenied");
    let wanted = format!("is not authorized to perform: sts:TagSession on resource: {ROLE}");
    assert!(message.ends_with(&wanted), "{message}");
}

#[test]
fn transitive_tags_go_down_the_chain_and_need_the_same() {
    let world = World::demo();
    let Caller::RoleSession { role, session, .. } = Caller::session("arn:aws:iam::123456789012:role/pod", "s1") else {
        panic!("a role session");
    };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let all = [pair("namespace", "bi"), pair("own", "x")].into();
    let pod =
        Caller::RoleSession { role, session, tags: SessionTags { all, transitive: ["namespace".to_owned()].into() } };
    let answer = assume(&world, &pod, &format!("{GOOD}&Tags.member.1.Key=team&Tags.member.1.Value=t")).unwrap();
    let (_, id) = answer.split_once("<AccessKeyId>").unwrap();
    let owner = world.key(&id[..20]).unwrap().owner;
    assert_eq!(owner.tags().all, [pair("namespace", "bi"), pair("team", "t")].into());

    let (code, _) =
        assume(&world, &pod, &format!("{GOOD}&Tags.member.1.Key=Namespace&Tags.member.1.Value=t")).unwrap_err();
    assert_eq!(code, "InvalidParameterValue");
    world.put_role(ROLE, RoleRule::default());
    let (code, message) = assume(&world, &pod, GOOD).unwrap_err();
    assert_eq!(code, "AccessDenied");
    assert!(message.contains("sts:TagSession"), "{message}");
}
