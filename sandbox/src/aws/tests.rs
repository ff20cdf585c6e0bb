//! The endpoint over TCP, with requests signed here.

use std::time::{Duration, SystemTime};

use hyper::HeaderMap;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::keys::Key;
use super::sigv4::{Authorization, Signed};
use super::*;

const GET_PARAMETER: &str = r#"{"Name":"/lava/demo/rs01-external-id","WithDecryption":true}"#;

async fn start() -> Aws {
    Aws::start(AwsOptions::default(), Logins::new(None))
        .await
        .unwrap()
}

/// A whole request, signed with the base keys for `service`. `more`: header lines.
fn signed(service: &str, more: &[(&'static str, &str)], body: &str) -> String {
    let AwsOptions { access_key_id: id, secret_access_key: secret, .. } = AwsOptions::default();
    signed_by(&id, &secret, service, more, body)
}

/// Signs a request with other keys.
fn signed_by(id: &str, secret: &str, service: &str, more: &[(&'static str, &str)], body: &str) -> String {
    let timestamp = timestamp::basic(SystemTime::now());
    let mut headers: Vec<(&str, &str)> = vec![("host", "sandbox"), ("x-amz-date", &timestamp)];
    headers.extend(more);
    let names = headers
        .iter()
        .map(|(name, _)| *name)
        .collect::<Vec<_>>()
        .join(";");
    let date = &timestamp[..8];
    let unsigned = format!(
        "AWS4-HMAC-SHA256 Credential={id}/{date}/ap-southeast-2/{service}/aws4_request, \
         SignedHeaders={names}, Signature="
    );
    let map: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
    let draft = format!("{unsigned}0");
    let request =
        Signed { method: "POST", path: "/", query: "", headers: &map, body: body.as_bytes(), timestamp: &timestamp };
    let signature = Authorization::parse(&draft)
        .unwrap()
        .signature_by(secret, &request);
    let lines: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\n{lines}authorization: {unsigned}{signature}\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
}

fn get_parameter() -> String {
    signed("ssm", &[("x-amz-target", "AmazonSSM.GetParameter")], GET_PARAMETER)
}

fn get_caller_identity() -> String {
    signed("sts", &[], "Action=GetCallerIdentity&Version=2011-06-15")
}

/// All that comes back until the connection is closed.
async fn send(aws: &Aws, request: &str) -> String {
    let mut stream = TcpStream::connect(aws.address).await.unwrap();
    let _ = stream.write_all(request.as_bytes()).await; // a refusal may come before all is sent
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn json_body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn an_answer_has_the_protocol_s_shape_and_leaves_a_trace() {
    let aws = start().await;
    let answer = send(&aws, &get_parameter()).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\nx-amzn-requestid: "),
        "{answer}"
    );
    assert_eq!(json_body(&answer)["Parameter"]["Value"], "sandbox-external-id-5f0c");
    let answer = send(&aws, &get_caller_identity()).await;
    assert!(answer.contains("<Arn>arn:aws:iam::123456789012:user/proxy</Arn>"), "{answer}");
    assert!(
        answer.contains("content-type: text/xml\r\n") && answer.contains("<ResponseMetadata><RequestId>"),
        "{answer}"
    );

    let request = aws.requests("GetParameter").remove(0);
    assert_eq!(request.caller, "arn:aws:iam::123456789012:user/proxy");
    assert_eq!(request.region, "ap-southeast-2");
    assert_eq!(request.parameters["WithDecryption"], "true");
}

#[tokio::test]
async fn refused_requests_are_counted_too() {
    let aws = start().await;
    let request = get_parameter().replace("Signature=", "Signature=f");
    let answer = send(&aws, &request).await;
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("x-amzn-errortype: InvalidSignatureException\r\n"),
        "{answer}"
    );
    assert_eq!((aws.calls("GetParameter"), aws.requests("GetParameter")[0].caller.as_str()), (1, ""));
    let answer = send(&aws, &signed("ssm", &[("x-amz-target", "AmazonSSM.PutParameter")], "{}")).await;
    assert_eq!(json_body(&answer), json!({ "__type": "UnknownOperationException" }));
    assert_eq!(aws.calls("PutParameter"), 1);
    let answer = send(&aws, &signed("ssm", &[("x-amz-target", "AmazonSSM.GetParameter")], "[")).await;
    assert_eq!(json_body(&answer)["__type"], "SerializationException");
}

#[tokio::test]
async fn faults_strike_as_ordered_and_only_signed_requests() {
    let aws = start().await;
    aws.fault("GetParameter", Fault::Throttle, Times::Next(1));
    aws.fault("GetParameter", Fault::Deny, Times::Next(1));
    aws.fault("GetParameter", Fault::InternalError, Times::Next(1));
    aws.fault("GetParameter", Fault::Garbage, Times::Next(1));
    aws.fault("GetParameter", Fault::Close, Times::Next(1));
    aws.fault("GetParameter", Fault::Delay(Duration::from_millis(1)), Times::Next(1));
    assert!(
        send(&aws, &get_parameter().replace("Signature=", "Signature=f"))
            .await
            .contains("InvalidSignature")
    );
    let answer = send(&aws, &get_parameter()).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(json_body(&answer), json!({ "__type": "ThrottlingException", "message": "Rate exceeded" }));
    let answer = json_body(&send(&aws, &get_parameter()).await);
    assert_eq!(answer["__type"], "AccessDeniedException");
    assert_eq!(
        answer["message"],
        "User: arn:aws:iam::123456789012:user/proxy is not authorized to perform: ssm:GetParameter on resource: \
         arn:aws:ssm:ap-southeast-2:123456789012:parameter/lava/demo/rs01-external-id"
    );
    assert!(
        send(&aws, &get_parameter())
            .await
            .starts_with("HTTP/1.1 500")
    );
    let garbage = send(&aws, &get_parameter()).await;
    let body = garbage.split_once("\r\n\r\n").unwrap().1;
    assert!(garbage.starts_with("HTTP/1.1 200") && serde_json::from_str::<Value>(body).is_err(), "{garbage}");
    assert_eq!(send(&aws, &get_parameter()).await, "", "closed");
    assert!(
        send(&aws, &get_parameter())
            .await
            .starts_with("HTTP/1.1 200"),
        "late, but there"
    );
    assert_eq!(aws.calls("GetParameter"), 7);
}

#[tokio::test]
async fn a_query_fault_has_the_query_shape() {
    let aws = start().await;
    aws.fault_where("GetCallerIdentity", ("Version", "1999-01-01"), Fault::Deny, Times::Always);
    aws.fault_where("GetCallerIdentity", ("Version", "2011-06-15"), Fault::Throttle, Times::Always);
    let answer = send(&aws, &get_caller_identity()).await;
    assert!(answer.starts_with("HTTP/1.1 400") && !answer.contains("x-amzn-errortype"), "{answer}");
    assert!(answer.contains("<Code>Throttling</Code><Message>Rate exceeded</Message>"), "{answer}");
}

#[tokio::test]
async fn a_request_that_hangs_goes_on_when_the_faults_are_cleared() {
    let aws = start().await;
    aws.fault("GetParameter", Fault::Hang, Times::Always);
    let request = get_parameter();
    let (answer, ()) = tokio::join!(send(&aws, &request), async {
        aws.wait_for_calls("GetParameter", 1).await;
        aws.clear_faults();
    });
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn dropping_it_ends_the_connections() {
    let aws = start().await;
    aws.fault("GetParameter", Fault::Hang, Times::Always);
    let mut stream = TcpStream::connect(aws.address).await.unwrap();
    stream.write_all(get_parameter().as_bytes()).await.unwrap();
    aws.wait_for_calls("GetParameter", 1).await;
    let address = aws.address;
    drop(aws);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");
    TcpStream::connect(address)
        .await
        .expect_err("nobody listens");
}

#[tokio::test]
async fn too_large_a_request_is_refused() {
    let aws = start().await;
    let large = signed("ssm", &[("x-amz-target", "AmazonSSM.GetParameter")], &" ".repeat((1 << 20) + 1));
    assert!(send(&aws, &large).await.starts_with("HTTP/1.1 413"));
    let many = "x: y\r\n".repeat(101);
    assert!(
        send(&aws, &format!("GET / HTTP/1.1\r\nhost: s\r\n{many}\r\n"))
            .await
            .starts_with("HTTP/1.1 431")
    );
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let options = AwsOptions { listen: "0.0.0.0:0".parse().unwrap(), ..AwsOptions::default() };
    let error = Aws::start(options, Logins::new(None)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn hundreds_of_connections_at_once_are_served() {
    let aws = Arc::new(start().await);
    aws.fault("GetCallerIdentity", Fault::Hang, Times::Always);
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let aws = Arc::clone(&aws);
        clients.spawn(async move { send(&aws, &get_caller_identity()).await });
    }
    aws.wait_for_calls("GetCallerIdentity", 300).await;
    aws.clear_faults();
    let answers = clients.join_all().await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.starts_with("HTTP/1.1 200"))
    );
}

#[tokio::test]
async fn a_web_identity_is_taken_without_a_signature() {
    let aws = start().await;
    let role = "arn:aws:iam::123456789012:role/web";
    aws.put_role(role, RoleRule { web_subjects: vec!["pod".to_owned()], ..RoleRule::default() });
    let expires_at = SystemTime::now() + Duration::from_secs(60);
    aws.put_web_identity("token", WebIdentity { subject: "pod".to_owned(), expires_at });
    let ask = |more: &str| {
        let body = format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={role}&RoleSessionName=s1\
             &WebIdentityToken=token{more}"
        );
        let length = body.len();
        format!("POST / HTTP/1.1\r\nhost: s\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
    };
    let answer = send(&aws, &ask("")).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("assumed-role/web/s1</Arn>"), "{answer}");
    let answer = send(&aws, &ask("&ExternalId=abc")).await;
    assert!(answer.contains("<Code>UnknownParameter</Code>"), "{answer}");
    aws.fault("AssumeRoleWithWebIdentity", Fault::Deny, Times::Next(1));
    let answer = send(&aws, &ask("")).await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains(">Not authorized to perform sts:"), "{answer}");
    assert_eq!(aws.requests("AssumeRoleWithWebIdentity")[0].caller, "");
}

#[tokio::test]
async fn the_journal_shows_a_session_with_its_tags() {
    let aws = start().await;
    let form = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/rs01\
                &RoleSessionName=alice&ExternalId=sandbox-external-id-5f0c\
                &Tags.member.1.Key=RedshiftDbRoles&Tags.member.1.Value=a:b";
    let answer = send(&aws, &signed("sts", &[], form)).await;
    let (_, rest) = answer.split_once("<AccessKeyId>").unwrap();
    let id = &rest[..20];
    let Key { secret, session, .. } = aws.server.world.key(id).unwrap();
    let token = session.unwrap().token;
    let headers = [("x-amz-security-token", token.as_str()), ("x-amz-target", "RedshiftServerless.GetCredentials")];
    let request = signed_by(id, &secret, "redshift-serverless", &headers, r#"{"workgroupName":"analytics"}"#);
    assert!(send(&aws, &request).await.starts_with("HTTP/1.1 200"));

    let journal = aws.journal();
    assert_eq!(
        journal
            .iter()
            .map(|request| request.operation.as_str())
            .collect::<Vec<_>>(),
        ["AssumeRole", "GetCredentials"]
    );
    assert_eq!(journal[0].caller_tags.len(), 0, "the user has none");
    assert_eq!(journal[1].caller, "arn:aws:sts::123456789012:assumed-role/rs01/alice");
    assert_eq!(journal[1].caller_tags["RedshiftDbRoles"], "a:b");
}

#[tokio::test]
async fn a_clock_that_is_off_refuses_signatures() {
    let aws = start().await;
    aws.skew(Skew::Ahead(Duration::from_secs(400 * 86_400)));
    let answer = send(&aws, &get_caller_identity()).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("<Code>SignatureDoesNotMatch</Code><Message>Signature expired: "), "{answer}");
    let year = timestamp::http_date(aws.server.world.now())[12..16].to_owned();
    let (_, date) = answer
        .split_once(
            "
date: ",
        )
        .unwrap();
    assert_eq!(date[12..16], year, "clients correct their clocks by it");
    let answer = json_body(&send(&aws, &get_parameter()).await);
    assert_eq!(answer["__type"], "InvalidSignatureException");
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .starts_with("Signature expired: "),
        "{answer}"
    );
    aws.skew(Skew::Behind(Duration::from_secs(3600)));
    assert!(
        send(&aws, &get_caller_identity())
            .await
            .contains("Signature not yet current: ")
    );
    aws.skew(Skew::None);
    assert!(
        send(&aws, &get_caller_identity())
            .await
            .starts_with("HTTP/1.1 200")
    );
}

#[tokio::test]
async fn each_service_answers_in_its_own_manner() {
    let aws = start().await;
    aws.put_table("t");
    let get_item = |key: &str| {
        let body = format!(r#"{{"TableName":"t","Key":{{"{key}":{{"S":"a"}}}}}}"#);
        signed("dynamodb", &[("x-amz-target", "DynamoDB_20120810.GetItem")], &body)
    };
    let answer = send(&aws, &get_item("conn_id")).await;
    assert!(answer.contains("content-type: application/x-amz-json-1.0\r\n"), "{answer}");
    assert_eq!(json_body(&answer), json!({}));
    let answer = json_body(&send(&aws, &get_item("id")).await);
    assert_eq!(answer["__type"], "com.amazon.coral.validate#ValidationException");

    aws.put_secret("s", SecretValue::Text("v".to_owned()));
    let get_secret =
        signed("secretsmanager", &[("x-amz-target", "secretsmanager.GetSecretValue")], r#"{"SecretId":"s"}"#);
    let answer = send(&aws, &get_secret).await;
    assert!(answer.contains("content-type: application/x-amz-json-1.1\r\n"), "{answer}");
    assert_eq!(json_body(&answer)["SecretString"], "v");
    aws.fault("GetSecretValue", Fault::Deny, Times::Next(1));
    let answer = json_body(&send(&aws, &get_secret).await);
    assert!(
        answer["Message"]
            .as_str()
            .unwrap()
            .contains("secretsmanager:GetSecretValue on resource: arn:"),
        "{answer}"
    );

    let user = "arn:aws:iam::123456789012:user/proxy".to_owned();
    aws.put_cluster("c", Cluster { callers: vec![user], ..Cluster::default() });
    let describe =
        |service: &str| signed(service, &[], "Action=DescribeClusters&Version=2012-12-01&ClusterIdentifier=c");
    let answer = send(&aws, &describe("redshift")).await;
    assert!(
        answer.contains("<DescribeClustersResponse xmlns=\"http://redshift.amazonaws.com/doc/2012-12-01/\">"),
        "{answer}"
    );
    let answer = send(&aws, &describe("sts")).await;
    assert!(answer.contains("correct service: 'redshift'"), "{answer}");
    let none = signed("redshift", &[], "Action=DescribeClusters&Version=2012-12-01&ClusterIdentifier=none");
    assert!(send(&aws, &none).await.starts_with("HTTP/1.1 404"));
}
