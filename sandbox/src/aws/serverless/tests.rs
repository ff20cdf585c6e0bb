use hyper::HeaderMap;
use hyper::header::HeaderValue;

use super::*;
use crate::aws::options::AwsOptions;
use crate::logins::Logins;

fn rs01() -> Caller {
    Caller::session("arn:aws:iam::123456789012:role/rs01", "s1")
}

fn user() -> Caller {
    Caller::User { account: "123456789012".to_owned(), name: "proxy".to_owned() }
}

fn call(body: &Value) -> Call {
    let target = HeaderValue::from_static("RedshiftServerless.GetCredentials");
    let headers = HeaderMap::from_iter([("x-amz-target".parse().unwrap(), target)]);
    Call::read(&headers, "", body.to_string().as_bytes())
}

async fn get(world: &World, caller: &Caller, body: Value) -> Result<Value, (&'static str, String)> {
    let answer = get_credentials(world, caller, "eu-west-1", &call(&body)).await;
    answer.map_err(|refusal| (refusal.told().0, refusal.told().1.to_owned()))
}

#[tokio::test]
async fn a_permitted_role_gets_a_login_that_the_book_knows() {
    let world = World::demo();
    let body = json!({ "workgroupName": "analytics", "dbName": "dev", "durationSeconds": 3600 });
    let answer = get(&world, &rs01(), body).await.unwrap();
    let valid = world.logins.valid("IAMR:rs01");
    assert_eq!(answer["dbUser"], "IAMR:rs01");
    assert_eq!(answer["dbPassword"], valid[0].password.as_str());
    assert_eq!(answer["expiration"].as_f64(), Some(epoch_seconds(valid[0].expires_at)));
    assert!(answer["nextRefreshTime"].as_f64() < answer["expiration"].as_f64());
}

#[tokio::test]
async fn a_fixed_login_is_handed_out_with_the_usual_life() {
    let world = World::new(AwsOptions::default(), Logins::fixed("up", "secret"));
    let answer = get(&world, &rs01(), json!({ "workgroupName": "analytics" }))
        .await
        .unwrap();
    assert_eq!((answer["dbUser"].as_str(), answer["dbPassword"].as_str()), (Some("up"), Some("secret")));
    let left = answer["expiration"].as_f64().unwrap() - epoch_seconds(world.logins.now());
    assert!((890.0..=900.0).contains(&left), "{left}");
}

#[tokio::test]
async fn the_base_user_logs_in_under_its_own_name() {
    let world = World::demo();
    let callers = vec!["arn:aws:iam::123456789012:user/proxy".to_owned()];
    world.put_workgroup("own", Workgroup { callers, host: "h".to_owned(), port: 5439 });
    assert_eq!(
        get(&world, &user(), json!({ "workgroupName": "own" }))
            .await
            .unwrap()["dbUser"],
        "IAM:proxy"
    );
}

#[tokio::test]
async fn a_caller_or_workgroup_that_is_not_listed_is_refused() {
    let world = World::demo();
    let (code, message) = get(&world, &user(), json!({ "workgroupName": "analytics" }))
        .await
        .unwrap_err();
    assert_eq!(code, "AccessDeniedException");
    assert!(message.starts_with(
        "User: arn:aws:iam::123456789012:user/proxy is not authorized to perform: redshift-serverless:GetCredentials \
         on resource: arn:aws:redshift-serverless:eu-west-1:123456789012:workgroup/"
    ));
    assert_eq!(
        get(&world, &rs01(), json!({ "workgroupName": "none" }))
            .await
            .unwrap_err()
            .0,
        "ResourceNotFoundException"
    );
    let (code, _) = get(&world, &rs01(), json!({ "customDomainName": "db.example.com" }))
        .await
        .unwrap_err();
    assert_eq!(code, "ResourceNotFoundException");
}

#[tokio::test]
async fn parameters_out_of_bounds_are_refused() {
    let world = World::demo();
    let name = "analytics";
    for (body, code) in [
        (json!({}), "ValidationException"),
        (json!({ "workgroupName": "ab" }), "ValidationException"),
        (json!({ "workgroupName": "Analytics" }), "ValidationException"),
        (json!({ "workgroupName": name, "durationSeconds": 899 }), "ValidationException"),
        (json!({ "workgroupName": name, "durationSeconds": 3601 }), "ValidationException"),
        (json!({ "workgroupName": name, "durationSeconds": "900" }), "SerializationException"),
        (json!({ "workgroupName": name, "dbName": "" }), "ValidationException"),
        (json!({ "workgroupName": name, "dbName": "1st" }), "ValidationException"),
        (json!({ "workgroupName": name, "dbName": "a:b" }), "ValidationException"),
        (json!({ "workgroupName": name, "dbName": "a".repeat(65) }), "ValidationException"),
    ] {
        assert_eq!(get(&world, &rs01(), body.clone()).await.unwrap_err().0, code, "{body}");
    }
}

#[test]
fn a_workgroup_tells_its_endpoint() {
    let world = World::demo();
    let answer = get_workgroup(&world, &rs01(), "eu-west-1", &call(&json!({ "workgroupName": "analytics" }))).unwrap();
    assert_eq!(answer["workgroup"]["endpoint"]["port"], 5439);
    assert_eq!(answer["workgroup"]["status"], "AVAILABLE");
    let refusal = get_workgroup(&world, &user(), "eu-west-1", &call(&json!({ "workgroupName": "analytics" })));
    assert_eq!(refusal.unwrap_err().told().0, "AccessDeniedException");
}
