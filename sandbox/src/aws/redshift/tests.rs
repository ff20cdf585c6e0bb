use hyper::HeaderMap;

use super::*;

const ROLE: &str = "arn:aws:iam::123456789012:role/rs01";

fn rs01() -> Caller {
    Caller::session(ROLE, "s1")
}

fn unknown_caller() -> Caller {
    Caller::session("arn:aws:iam::123456789012:role/other", "s1")
}

/// With the cluster `legacy`, where `adam` is.
fn world() -> World {
    let world = World::demo();
    let users = ["adam".to_owned()].into();
    world.put_cluster("legacy", Cluster { callers: vec![ROLE.to_owned()], users, ..Cluster::default() });
    world
}

fn call(form: &str) -> Call {
    Call::read(&HeaderMap::new(), "", format!("Action=A&Version=2012-12-01&{form}").as_bytes())
}

async fn get(world: &World, caller: &Caller, form: &str) -> Result<String, (&'static str, String)> {
    let answer = get_credentials(world, caller, "eu-west-1", &call(form)).await;
    answer.map_err(|refusal| (refusal.told().0, refusal.told().1.to_owned()))
}

fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let (_, rest) = xml
        .split_once(&format!("<{name}>"))
        .unwrap_or_else(|| panic!("no {name} in {xml}"));
    rest.split_once("</").unwrap().0
}

#[tokio::test]
async fn a_database_user_gets_a_login_that_the_book_knows() {
    let world = world();
    let answer = get(&world, &rs01(), "ClusterIdentifier=legacy&DbUser=adam&DbName=dev&DurationSeconds=3600").await;
    let answer = answer.unwrap();
    let login = world.logins.valid("IAM:adam").remove(0);
    assert_eq!(element(&answer, "DbUser"), "IAM:adam");
    assert_eq!(element(&answer, "DbPassword"), login.password);
    assert_eq!(element(&answer, "Expiration"), extended(login.expires_at));
    assert_eq!(login.role, "adam", "the user of the database");
    assert!(!answer.contains("NextRefreshTime"), "{answer}");
    let left = login
        .expires_at
        .duration_since(world.logins.now())
        .unwrap()
        .as_secs();
    assert!((3590..=3600).contains(&left), "{left}");
}

#[tokio::test]
async fn a_missing_user_gets_a_login_that_does_not_work() {
    let world = world();
    let answer = get(&world, &rs01(), "ClusterIdentifier=legacy&DbUser=eve")
        .await
        .unwrap();
    assert_eq!((element(&answer, "DbUser"), element(&answer, "DbPassword").len() > 100), ("IAM:eve", true));
    assert_eq!(world.logins.valid("IAM:eve"), []);
}

#[tokio::test]
async fn auto_create_makes_the_user_and_groups_are_appended() {
    let world = world();
    let form = "ClusterIdentifier=legacy&DbUser=eve&AutoCreate=true&DbGroups.DbGroup.1=a&DbGroups.DbGroup.2=b";
    let answer = get(&world, &rs01(), form).await.unwrap();
    assert_eq!(element(&answer, "DbUser"), "IAMA:eve:a:b");
    assert_eq!(world.logins.valid("IAMA:eve:a:b")[0].role, "eve");
    let answer = get(&world, &rs01(), "ClusterIdentifier=legacy&DbUser=eve&DbGroups.DbGroup.1=a")
        .await
        .unwrap();
    assert_eq!(element(&answer, "DbUser"), "IAM:eve:a");
    assert_eq!(world.logins.valid("IAM:eve:a").len(), 1, "it is there now");
}

#[tokio::test]
async fn with_iam_the_caller_is_the_user() {
    let world = world();
    let ask = |caller: Caller, form: &'static str| {
        let world = &world;
        async move { get_credentials_with_iam(world, &caller, "eu-west-1", &call(form)).await }
    };
    let answer = ask(rs01(), "ClusterIdentifier=legacy&DbName=dev")
        .await
        .unwrap();
    assert_eq!(element(&answer, "DbUser"), "IAMR:rs01");
    assert_eq!(element(&answer, "DbPassword"), world.logins.valid("IAMR:rs01")[0].password);
    assert!(element(&answer, "NextRefreshTime") < element(&answer, "Expiration"));
    let refusal = ask(unknown_caller(), "ClusterIdentifier=legacy")
        .await
        .unwrap_err();
    let (code, message) = refusal.told();
    assert_eq!(code, "AccessDenied");
    let wanted = "redshift:GetClusterCredentialsWithIAM on resource: \
                  arn:aws:redshift:eu-west-1:123456789012:dbname:legacy/*";
    assert!(message.ends_with(wanted), "{message}");
    let refusal = ask(rs01(), "ClusterIdentifier=legacy&DurationSeconds=3601")
        .await
        .unwrap_err();
    assert_eq!(refusal.told().0, "InvalidParameterValue");
}

#[tokio::test]
async fn unknown_callers_and_clusters_are_refused_by_cause() {
    let world = world();
    let (code, message) = get(&world, &unknown_caller(), "ClusterIdentifier=legacy&DbUser=adam")
        .await
        .unwrap_err();
    let wanted = "User: arn:aws:sts::123456789012:assumed-role/other/s1 is not authorized to perform: \
                  redshift:GetClusterCredentials on resource: \
                  arn:aws:redshift:eu-west-1:123456789012:dbuser:legacy/adam";
    assert_eq!((code, message.as_str()), ("AccessDenied", wanted));
    let code = |form: &'static str| {
        let world = &world;
        async move { get(world, &rs01(), form).await.unwrap_err().0 }
    };
    assert_eq!(code("ClusterIdentifier=none&DbUser=adam").await, "ClusterNotFound");
    assert_eq!(code("ClusterIdentifier=Legacy&DbUser=adam").await, "ClusterNotFound");
    assert_eq!(code("CustomDomainName=db.example.com&DbUser=adam").await, "ClusterNotFound");
    assert_eq!(code("DbUser=adam").await, "MissingParameter");
    assert_eq!(code("ClusterIdentifier=legacy").await, "MissingParameter");
}

#[tokio::test]
async fn parameters_out_of_bounds_are_refused() {
    let world = world();
    let long = "a".repeat(65);
    for more in [
        "DbUser=1st",
        "DbUser=",
        "DbUser=a:b",
        "DbUser=a/b",
        "DbUser=Public",
        &format!("DbUser={long}"),
        "DbUser=adam&DbName=a:b",
        &format!("DbUser=adam&DbName={long}"),
        "DbUser=adam&DurationSeconds=899",
        "DbUser=adam&DurationSeconds=3601",
        "DbUser=adam&DurationSeconds=1h",
        "DbUser=adam&AutoCreate=yes",
        "DbUser=adam&DbGroups.DbGroup.1=Readers",
        "DbUser=adam&DbGroups.DbGroup.1=a:b",
        "DbUser=adam&DbGroups.member.1=readers",
        "DbUser=adam&DbGroups.DbGroup.2=readers",
    ] {
        let refused = get(&world, &rs01(), &format!("ClusterIdentifier=legacy&{more}"))
            .await
            .unwrap_err();
        assert_eq!(refused.0, "InvalidParameterValue", "{more}");
    }
    assert_eq!(world.logins.valid("IAM:adam"), []);
}

#[test]
fn a_cluster_tells_its_endpoint_and_its_status() {
    let world = world();
    let ask = |caller: &Caller, form: &str| {
        let answer = describe_clusters(&world, caller, "eu-west-1", &call(form));
        answer.map_err(|refusal| (refusal.told().0, refusal.told().1.to_owned()))
    };
    let answer = ask(&rs01(), "ClusterIdentifier=legacy").unwrap();
    assert_eq!((element(&answer, "Address"), element(&answer, "Port")), ("localhost", "5439"));
    assert_eq!(element(&answer, "ClusterStatus"), "available");
    world.put_cluster("legacy", Cluster { status: "creating".to_owned(), ..world.cluster("legacy").unwrap() });
    let answer = ask(&rs01(), "ClusterIdentifier=legacy").unwrap();
    assert!(!answer.contains("<Endpoint>") && answer.contains("<ClusterStatus>creating<"), "{answer}");
    assert_eq!(ask(&rs01(), "ClusterIdentifier=none").unwrap_err().0, "ClusterNotFound");
    let (code, message) = ask(&unknown_caller(), "ClusterIdentifier=legacy").unwrap_err();
    assert_eq!(code, "AccessDenied");
    assert!(message.ends_with("on resource: arn:aws:redshift:eu-west-1:123456789012:cluster:legacy"), "{message}");
    assert_eq!(ask(&rs01(), "MaxRecords=19").unwrap_err().0, "InvalidParameterValue");
}

#[test]
fn all_clusters_of_the_caller_come_page_by_page() {
    let world = world();
    for at in 0..25 {
        world.put_cluster(&format!("c{at:02}"), world.cluster("legacy").unwrap());
    }
    let ask = |caller: &Caller, form: &str| describe_clusters(&world, caller, "eu-west-1", &call(form)).unwrap();
    let first = ask(&rs01(), "MaxRecords=20");
    assert_eq!((first.matches("<Cluster>").count(), element(&first, "Marker")), (20, "c19"));
    let rest = ask(&rs01(), "MaxRecords=20&Marker=c19");
    assert_eq!(rest.matches("<Cluster>").count(), 6);
    assert!(!rest.contains("<Marker>"), "{rest}");
    assert_eq!(ask(&unknown_caller(), ""), "<Clusters></Clusters>");
}
