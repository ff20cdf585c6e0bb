use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::aws::{Aws, AwsOptions, Skew};
use crate::logins::Logins;

use super::*;

const ROLE: &str = "arn:aws:iam::123456789012:role/team/pod";

async fn start() -> Aws {
    Aws::start(AwsOptions::default(), Logins::new(None))
        .await
        .unwrap()
}

/// Asks for a URL, with these header lines: the status and the body.
async fn ask(method: &str, url: &str, headers: &str) -> (String, String) {
    let (authority, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let request = format!("{method} /{path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].to_owned(), body.to_owned())
}

fn json(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn a_container_with_the_token_gets_a_session_that_the_endpoint_knows() {
    let aws = start().await;
    let pod = aws.pod_identity(ROLE, "token-1").await.unwrap();
    let (status, body) = ask("GET", &pod.url(), "authorization: token-1\r\n").await;
    let credentials = json(&body);
    assert_eq!((status.as_str(), &credentials["AccountId"]), ("200", &json!("123456789012")));
    let key = aws
        .server
        .world
        .key(credentials["AccessKeyId"].as_str().unwrap())
        .unwrap();
    assert_eq!(credentials["SecretAccessKey"], key.secret.as_str());
    let session = key.session.unwrap();
    assert_eq!(credentials["Token"], session.token.as_str());
    assert_eq!(credentials["Expiration"], extended(session.expires_at));
    assert_eq!(key.owner.arn(), "arn:aws:sts::123456789012:assumed-role/pod/eks-sandbox-redshift-iam-proxy-0-5f0c6d1e");
    assert_eq!(pod.caller(), key.owner.arn());
    let tags = key.owner.tags();
    assert_eq!((tags.all["kubernetes-namespace"].as_str(), tags.transitive.len()), ("default", 6));

    let ecs = aws.container_credentials(ROLE, "token-1").await.unwrap();
    let (_, body) = ask("GET", &ecs.url(), "authorization: token-1\r\n").await;
    let id = json(&body)["AccessKeyId"].as_str().unwrap().to_owned();
    assert_eq!(aws.server.world.key(&id).unwrap().owner.tags(), SessionTags::default());
    assert_eq!((pod.granted(), pod.refused(), ecs.granted(), ecs.refused()), (1, 0, 1, 0));
}

#[tokio::test]
async fn a_container_without_the_token_of_now_gets_nothing() {
    let aws = start().await;
    let pod = aws.pod_identity(ROLE, "token-1").await.unwrap();
    assert_eq!(ask("GET", &pod.url(), "").await.0, "400");
    assert_eq!(ask("GET", &pod.url(), "authorization: token\r\n").await.0, "401");
    assert_eq!(
        ask("GET", &format!("{}/x", pod.url()), "authorization: token-1\r\n")
            .await
            .0,
        "404"
    );
    pod.set_token("token-2");
    assert_eq!(ask("GET", &pod.url(), "authorization: token-1\r\n").await.0, "401");
    pod.set_life(Duration::ZERO);
    let (status, body) = ask("GET", &pod.url(), "authorization: token-2\r\n").await;
    assert_eq!(status, "200");
    let key = aws
        .server
        .world
        .key(json(&body)["AccessKeyId"].as_str().unwrap())
        .unwrap();
    assert!(key.session.unwrap().expires_at <= aws.server.world.now());
    assert_eq!((pod.granted(), pod.refused()), (1, 4));
}

#[tokio::test]
async fn an_instance_gets_its_session_with_a_token_of_version_2() {
    let aws = start().await;
    let imds = aws.instance_metadata(ROLE).await.unwrap();
    let folder = format!("{}/latest/meta-data/iam/security-credentials/", imds.url());
    let token_url = format!("{}/latest/api/token", imds.url());
    let (status, token) = ask("PUT", &token_url, "x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n").await;
    assert_eq!(status, "200");
    let header = format!("x-aws-ec2-metadata-token: {token}\r\n");
    assert_eq!(ask("GET", &folder, &header).await, ("200".to_owned(), "pod".to_owned()));
    let region = format!("{}/latest/meta-data/placement/region", imds.url());
    assert_eq!(ask("GET", &region, &header).await.1, "ap-southeast-2");
    let (_, body) = ask("GET", &format!("{folder}pod"), &header).await;
    let credentials = json(&body);
    let key = aws
        .server
        .world
        .key(credentials["AccessKeyId"].as_str().unwrap())
        .unwrap();
    assert_eq!((key.owner.arn(), &credentials["Code"]), (imds.caller(), &json!("Success")));
    assert_eq!(key.owner.arn(), "arn:aws:sts::123456789012:assumed-role/pod/i-0123456789abcdef0");
    assert_eq!((imds.granted(), imds.refused()), (1, 0));
}

#[tokio::test]
async fn an_instance_gets_nothing_as_in_version_1() {
    let aws = start().await;
    let imds = aws.instance_metadata(ROLE).await.unwrap();
    let folder = format!("{}/latest/meta-data/iam/security-credentials/", imds.url());
    let token_url = format!("{}/latest/api/token", imds.url());
    assert_eq!(ask("GET", &folder, "").await.0, "401");
    assert_eq!(
        ask("GET", &folder, "x-aws-ec2-metadata-token: made-up\r\n")
            .await
            .0,
        "401"
    );
    for ttl in ["", "x-aws-ec2-metadata-token-ttl-seconds: 0\r\n", "x-aws-ec2-metadata-token-ttl-seconds: 21601\r\n"] {
        assert_eq!(ask("PUT", &token_url, ttl).await.0, "400", "{ttl}");
    }
    let (_, token) = ask("PUT", &token_url, "x-aws-ec2-metadata-token-ttl-seconds: 60\r\n").await;
    let header = format!("x-aws-ec2-metadata-token: {token}\r\n");
    assert_eq!(ask("GET", &format!("{folder}other"), &header).await.0, "404");
    aws.skew(Skew::Ahead(Duration::from_secs(61)));
    assert_eq!(ask("GET", &folder, &header).await.0, "401", "it has ended");
    aws.skew(Skew::None);
    imds.forget_tokens();
    assert_eq!(ask("GET", &folder, &header).await.0, "401", "it is forgotten");
    assert_eq!((imds.granted(), imds.refused()), (0, 8));
}

#[tokio::test]
async fn only_roles_can_be_handed_out() {
    let aws = start().await;
    let error = aws
        .instance_metadata("arn:aws:iam::123456789012:user/u")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}
