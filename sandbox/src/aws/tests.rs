//! The endpoint over TCP, with requests signed here.

use std::time::{Duration, SystemTime};

use hyper::HeaderMap;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::sigv4::{Authorization, Signed};
use super::*;

const GET_PARAMETER: &str = r#"{"Name":"/lava/demo/rs01-external-id","WithDecryption":true}"#;

async fn start() -> Aws {
    Aws::start(AwsOptions::default(), Logins::new(None)).await.unwrap()
}

/// A whole request, signed with the base keys for `service`. `more`: header lines.
fn signed(service: &str, more: &[(&'static str, &str)], body: &str) -> String {
    let AwsOptions { access_key_id: id, secret_access_key: secret, .. } = AwsOptions::default();
    let timestamp = timestamp::basic(SystemTime::now());
    let mut headers: Vec<(&str, &str)> = vec![("host", "sandbox"), ("x-amz-date", &timestamp)];
    headers.extend(more);
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let date = &timestamp[..8];
    let unsigned = format!(
        "AWS4-HMAC-SHA256 Credential={id}/{date}/ap-southeast-2/{service}/aws4_request, \
         SignedHeaders={names}, Signature="
    );
    let map: HeaderMap = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    let draft = format!("{unsigned}0");
    let request =
        Signed { method: "POST", path: "/", query: "", headers: &map, body: body.as_bytes(), timestamp: &timestamp };
    let signature = Authorization::parse(&draft).unwrap().signature_by(&secret, &request);
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
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
    assert!(send(&aws, &get_parameter().replace("Signature=", "Signature=f")).await.contains("InvalidSignature"));
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
    assert!(send(&aws, &get_parameter()).await.starts_with("HTTP/1.1 500"));
    let garbage = send(&aws, &get_parameter()).await;
    let body = garbage.split_once("\r\n\r\n").unwrap().1;
    assert!(garbage.starts_with("HTTP/1.1 200") && serde_json::from_str::<Value>(body).is_err(), "{garbage}");
    assert_eq!(send(&aws, &get_parameter()).await, "", "closed");
    assert!(send(&aws, &get_parameter()).await.starts_with("HTTP/1.1 200"), "late, but there");
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
    TcpStream::connect(address).await.expect_err("nobody listens");
}

#[tokio::test]
async fn too_large_a_request_is_refused() {
    let aws = start().await;
    let large = signed("ssm", &[("x-amz-target", "AmazonSSM.GetParameter")], &" ".repeat((1 << 20) + 1));
    assert!(send(&aws, &large).await.starts_with("HTTP/1.1 413"));
    let many = "x: y\r\n".repeat(101);
    assert!(send(&aws, &format!("GET / HTTP/1.1\r\nhost: s\r\n{many}\r\n")).await.starts_with("HTTP/1.1 431"));
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
    assert!(answers.iter().all(|answer| answer.starts_with("HTTP/1.1 200")));
}
