//! Who the proxy is: a pod's role (seed 003), a container's, an instance's, a web identity's; and
//! the roles beyond it.

use redshift_sandbox::aws::RoleRule;

use crate::support::seeds::{NOT_AVAILABLE, Run, Seed, foreign_role, role};

const CLUSTER: &str = "[connections.own]\ntype = \"redshift\"\ncluster_id = \"dw1\"\ndatabase = \"dev\"\n";
const PLACE: &str = "host = \"localhost\"\nport = {port}\n";

const POD: &str = "by assumed-role/pod/eks-sandbox-redshift-iam-proxy-0-5f0c6d1e \
                   [eks-cluster-arn=arn:aws:eks:ap-southeast-2:123456789012:cluster/sandbox,eks-cluster-name=sandbox,\
                   kubernetes-namespace=default,kubernetes-pod-name=redshift-iam-proxy-0,\
                   kubernetes-pod-uid=5f0c6d1e-0000-4000-8000-000000000000,\
                   kubernetes-service-account=redshift-iam-proxy]";

/// The tags of the pod's session go on to the roles that it assumes, beside these.
fn tagged(own: &str) -> String {
    let (_, tags) = POD.split_once(" [").unwrap();
    let mut tags: Vec<_> = tags
        .trim_end_matches(']')
        .split(',')
        .chain([own])
        .filter(|tag| !tag.is_empty())
        .collect();
    tags.sort_unstable();
    format!("[{}]", tags.join(","))
}

async fn in_pod(seed: Seed) -> Run {
    seed.run_in_pod(&role("pod")).await
}

fn trusting(caller: &str) -> RoleRule {
    RoleRule { callers: Some(vec![caller.to_owned()]), tag_session: true, ..RoleRule::default() }
}

const BY_IAM: &str = "GetClusterCredentialsWithIAM{ClusterIdentifier=dw1,DbName=dev,DurationSeconds=900}";

#[tokio::test]
async fn a_pod_that_is_the_role_assumes_nothing() {
    let config = format!("{CLUSTER}{PLACE}role_arn = \"{}\"\n", role("pod"));
    let run = in_pod(
        Seed::new(&config)
            .await
            .cluster("dw1", &[&role("pod")], &[]),
    )
    .await;
    assert_eq!(run.user("own").await, "IAMR:pod");
    run.assert_calls(&[&format!("GetCallerIdentity{{}} {POD}"), &format!("{BY_IAM} {POD}")]);
}

#[tokio::test]
async fn a_pod_finds_its_cluster_and_logs_in_as_its_role() {
    let run = in_pod(
        Seed::new(CLUSTER)
            .await
            .cluster("dw1", &[&role("pod")], &[]),
    )
    .await;
    assert_eq!(run.user("own").await, "IAMR:pod");
    let find = format!("DescribeClusters{{ClusterIdentifier=dw1}} {POD}");
    run.assert_calls(&[&find, &format!("{BY_IAM} {POD}")]);
}

#[tokio::test]
async fn a_pod_that_is_the_role_assumes_it_for_its_tags() {
    let config = format!("{CLUSTER}{PLACE}role_arn = \"{}\"\ntags = {{ team = \"bi\" }}\n", role("pod"));
    let seed = Seed::new(&config)
        .await
        .role(&role("pod"), trusting(&role("pod")));
    let run = in_pod(seed.cluster("dw1", &[&role("pod")], &[])).await;
    assert_eq!(run.user("own").await, "IAMR:pod");
    run.assert_calls(&[
        &format!(
            "AssumeRole{{DurationSeconds=900,RoleArn=role/pod,RoleSessionName=redshift-iam-proxy,\
             Tags.member.1.Key=team,Tags.member.1.Value=bi}} {POD}"
        ),
        &format!("{BY_IAM} by assumed-role/pod/redshift-iam-proxy {}", tagged("team=bi")),
    ]);
}

#[tokio::test]
async fn a_role_that_does_not_trust_itself_is_refused_for_its_tags() {
    let config = format!("{CLUSTER}{PLACE}role_arn = \"{}\"\ntags = {{ team = \"bi\" }}\n", role("pod"));
    let run = in_pod(
        Seed::new(&config)
            .await
            .role(&role("pod"), RoleRule::default()),
    )
    .await;
    let (code, cause) = run.refused("own").await;
    assert_eq!(code, NOT_AVAILABLE);
    assert!(
        cause.contains(&format!("AssumeRole {} in ap-southeast-2 was refused (AccessDenied)", role("pod"))),
        "{cause}"
    );
}

#[tokio::test]
async fn without_tag_session_the_tags_of_a_pod_are_refused() {
    let config = format!("{CLUSTER}{PLACE}role_arn = \"{}\"\n", role("dw"));
    let rule = RoleRule { tag_session: false, ..trusting(&role("pod")) };
    let run = in_pod(Seed::new(&config).await.role(&role("dw"), rule)).await;
    let (code, cause) = run.refused("own").await;
    assert_eq!(code, NOT_AVAILABLE);
    assert!(cause.contains("sts:TagSession"), "{cause}");
}

#[tokio::test]
async fn another_account_by_way_of_a_hub_with_an_external_id() {
    let (hub, reader) = (role("hub"), foreign_role("reader"));
    let config =
        format!("{CLUSTER}{PLACE}role_arn = [\"{hub}\", {{ role_arn = \"{reader}\", external_id = \"/partner\" }}]\n");
    let rule = RoleRule { external_id: Some("id-1".into()), ..trusting(&hub) };
    let seed = Seed::new(&config)
        .await
        .parameter("/partner", "id-1")
        .role(&hub, trusting(&role("pod")));
    let run = in_pod(seed.role(&reader, rule).cluster("dw1", &[&reader], &[])).await;
    assert_eq!(run.user("own").await, "IAMR:reader");
    let tags = tagged("");
    run.assert_calls(&[
        &format!("GetParameter{{Name=/partner,WithDecryption=true}} {POD}"),
        &format!("GetCallerIdentity{{}} {POD}"),
        &format!("AssumeRole{{DurationSeconds=900,RoleArn=role/hub,RoleSessionName=redshift-iam-proxy}} {POD}"),
        &format!(
            "AssumeRole{{DurationSeconds=900,ExternalId=id-1,RoleArn={reader},RoleSessionName=redshift-iam-proxy}} \
             by assumed-role/hub/redshift-iam-proxy {tags}"
        ),
        &format!("{BY_IAM} by arn:aws:sts::210987654321:assumed-role/reader/redshift-iam-proxy {tags}"),
    ]);
}

#[tokio::test]
async fn two_connections_over_one_role_share_its_session() {
    let keys = format!("{PLACE}role_arn = \"{}\"\n", role("dw"));
    let config =
        format!("{CLUSTER}{keys}{}{keys}user = \"etl\"\n", CLUSTER.replace("connections.own", "connections.named"));
    let seed = Seed::new(&config)
        .await
        .role(&role("dw"), trusting(&role("pod")));
    let run = in_pod(seed.cluster("dw1", &[&role("dw")], &["etl"])).await;
    assert_eq!((&*run.user("own").await, &*run.user("named").await), ("IAMR:dw", "etl"));
    let operations: Vec<_> = run
        .aws()
        .journal()
        .into_iter()
        .map(|request| request.operation)
        .collect();
    let want = ["GetCallerIdentity", "AssumeRole", "GetClusterCredentialsWithIAM", "GetClusterCredentials"];
    assert_eq!(operations, want);
}

#[tokio::test]
async fn a_container_of_ecs() {
    let seed = Seed::new(&format!("{CLUSTER}{PLACE}"))
        .await
        .cluster("dw1", &[&role("task")], &[]);
    let run = seed.run_in_container(&role("task")).await;
    assert_eq!(run.user("own").await, "IAMR:task");
    run.assert_calls(&[&format!("{BY_IAM} by assumed-role/task/5f0c6d1e000040008000000000000000")]);
    assert_eq!(run.sessions_granted(), 1);
}

#[tokio::test]
async fn an_instance_by_imds() {
    let seed = Seed::new(&format!("{CLUSTER}{PLACE}"))
        .await
        .cluster("dw1", &[&role("box")], &[]);
    let imds = seed.aws().instance_metadata(&role("box")).await.unwrap();
    let env = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*imds.url()), ("AWS_EC2_METADATA_DISABLED", "false")];
    let run = seed.run_as(&env).await;
    assert_eq!(run.user("own").await, "IAMR:box");
    let calls = run.calls();
    assert!(calls.len() == 1 && calls[0].starts_with(&format!("{BY_IAM} by assumed-role/box/i-")), "{calls:?}");
}

#[tokio::test]
async fn a_web_identity_in_the_environment_is_the_base_identity() {
    let seed = Seed::new(&format!("{CLUSTER}{PLACE}"))
        .await
        .cluster("dw1", &[&role("irsa")], &[]);
    let rule = RoleRule { web_subjects: vec!["pod".to_owned()], ..RoleRule::default() };
    let seed = seed
        .role(&role("irsa"), rule)
        .web_identity("token-1", "pod")
        .file("token", "token-1");
    let (url, arn, token) = (seed.aws().url(), role("irsa"), seed.path("token"));
    let env = [
        ("AWS_ENDPOINT_URL", &*url),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &*token),
        ("AWS_ROLE_ARN", &*arn),
        ("AWS_ROLE_SESSION_NAME", "irsa-1"),
    ];
    let run = seed.run_as(&env).await;
    assert_eq!(run.user("own").await, "IAMR:irsa");
    run.assert_calls(&[
        "AssumeRoleWithWebIdentity{RoleArn=role/irsa,RoleSessionName=irsa-1,WebIdentityToken=token-1} by nobody",
        &format!("{BY_IAM} by assumed-role/irsa/irsa-1"),
    ]);
}

#[tokio::test]
async fn without_any_identity_nothing_is_called() {
    let run = Seed::new(&format!("{CLUSTER}{PLACE}"))
        .await
        .run_as(&[])
        .await;
    let (code, cause) = run.refused("own").await;
    assert_eq!(code, NOT_AVAILABLE, "{cause}");
    run.assert_calls(&[]);
}
