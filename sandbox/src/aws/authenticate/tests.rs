use hyper::Request;

use super::*;
use crate::aws::options::AwsOptions;

const BODY: &[u8] = b"Action=GetCallerIdentity&Version=2011-06-15";

/// A request as a client would make it, each part of it open to change.
struct Client {
    id: String,
    secret: String,
    token: Option<String>,
    scope: String,
    timestamp: String,
    signed_headers: String,
}

impl Client {
    fn new(now: SystemTime) -> Self {
        let AwsOptions { access_key_id: id, secret_access_key: secret, .. } = AwsOptions::default();
        let timestamp = basic(now);
        let scope = format!("{}/ap-southeast-2/sts/aws4_request", &timestamp[..8]);
        Self { id, secret, token: None, scope, timestamp, signed_headers: "host;x-amz-date".to_owned() }
    }

    fn head(&self) -> Parts {
        let builder = Request::post("/")
            .header("host", "127.0.0.1")
            .header("x-amz-date", &self.timestamp);
        let builder = match &self.token {
            Some(token) => builder.header("x-amz-security-token", token),
            None => builder,
        };
        let (mut head, ()) = builder.body(()).unwrap().into_parts();
        let Self { id, scope, signed_headers, timestamp, secret, .. } = self;
        let unsigned = format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={signed_headers}, Signature=");
        let signature = {
            let draft = format!("{unsigned}0");
            let authorization = Authorization::parse(&draft).unwrap();
            let headers = &head.headers;
            authorization
                .signature_by(secret, &Signed { method: "POST", path: "/", query: "", headers, body: BODY, timestamp })
        };
        head.headers
            .insert(AUTHORIZATION, format!("{unsigned}{signature}").parse().unwrap());
        head
    }

    /// The code and message of the refusal, or the caller's ARN.
    fn ask(&self, world: &World, now: SystemTime) -> Result<String, (&'static str, String)> {
        told(authenticate(world, Service::Sts, &self.head(), BODY, now))
    }
}

fn told(answer: Result<Caller, Refusal>) -> Result<String, (&'static str, String)> {
    answer
        .map(|caller| caller.arn())
        .map_err(|refusal| (refusal.told().0, refusal.told().1.to_owned()))
}

#[test]
fn the_owner_of_the_key_is_the_caller() {
    let (world, now) = (World::demo(), SystemTime::now());
    assert_eq!(Client::new(now).ask(&world, now).unwrap(), "arn:aws:iam::123456789012:user/proxy");
}

#[test]
fn each_flaw_has_its_code() {
    let (world, now) = (World::demo(), SystemTime::now());
    let client = || Client::new(now);
    let wrong = "SignatureDoesNotMatch";
    let scoped = |scope: &str| Client { scope: client().scope.replace("ap-southeast-2/sts", scope), ..client() };
    let late = Client::new(now + Duration::from_secs(302));
    let early = Client::new(now - Duration::from_secs(302));
    for (client, code, part) in [
        (Client { secret: "other".to_owned(), ..client() }, wrong, "does not match the signature you provided"),
        (Client { id: "AKIANOBODY".to_owned(), ..client() }, "InvalidClientTokenId", "is invalid"),
        (Client { token: Some("t".to_owned()), ..client() }, "InvalidClientTokenId", "is invalid"),
        (scoped("ap-southeast-2/ssm"), wrong, "correct service: 'sts'"),
        (scoped("mars-1/sts"), wrong, "valid region, not 'mars-1'"),
        (Client { scope: "19990101/ap-southeast-2/sts/aws4_request".to_owned(), ..client() }, wrong, "'19990101' != "),
        (Client { signed_headers: "x-amz-date".to_owned(), ..client() }, wrong, "'host' must be"),
        (Client { signed_headers: "host".to_owned(), ..client() }, wrong, "'x-amz-date' must be"),
        (late, wrong, "Signature not yet current"),
        (early, wrong, "Signature expired"),
        (Client { timestamp: "yesterday".to_owned(), ..client() }, "IncompleteSignature", "basic format"),
    ] {
        let (told, message) = client.ask(&world, now).unwrap_err();
        assert_eq!(told, code, "{message}");
        assert!(message.contains(part), "{message}");
    }
    for seconds in [-299, 299_i64] {
        let span = Duration::from_secs(seconds.unsigned_abs());
        let at = if seconds < 0 { now - span } else { now + span };
        Client::new(at)
            .ask(&world, now)
            .expect("within five minutes");
    }
}

#[test]
fn a_request_without_a_readable_signature_is_refused() {
    let (world, now) = (World::demo(), SystemTime::now());
    let mut head = Client::new(now).head();
    head.headers
        .insert(AUTHORIZATION, "Basic dTpw".parse().unwrap());
    let ask = |head: &Parts, service| {
        told(authenticate(&world, service, head, BODY, now))
            .unwrap_err()
            .0
    };
    assert_eq!(ask(&head, Service::Ssm), "IncompleteSignatureException");
    head.headers.remove(AUTHORIZATION);
    assert_eq!(ask(&head, Service::Sts), "MissingAuthenticationToken");
    assert_eq!(ask(&head, Service::RedshiftServerless), "MissingAuthenticationTokenException");
}

#[test]
fn a_changed_body_or_header_breaks_the_signature() {
    let (world, now) = (World::demo(), SystemTime::now());
    let mut head = Client::new(now).head();
    let (code, _) = told(authenticate(&world, Service::Sts, &head, b"Action=Other", now)).unwrap_err();
    assert_eq!(code, "SignatureDoesNotMatch");
    head.headers.insert("host", "elsewhere".parse().unwrap());
    assert_eq!(
        told(authenticate(&world, Service::Sts, &head, BODY, now))
            .unwrap_err()
            .0,
        "SignatureDoesNotMatch"
    );
}

#[test]
fn a_session_needs_its_token_signed_and_ends_on_time() {
    let (world, now) = (World::demo(), SystemTime::now());
    let owner = Caller::session("arn:aws:iam::123456789012:role/rs01", "s1");
    let (id, key) = world.issue(owner, Duration::from_secs(900));
    let token = Some(key.session.unwrap().token);
    let signed_headers = "host;x-amz-date;x-amz-security-token".to_owned();
    let client = Client { id, secret: key.secret, token, signed_headers, ..Client::new(now) };
    assert_eq!(client.ask(&world, now).unwrap(), "arn:aws:sts::123456789012:assumed-role/rs01/s1");

    let unsigned = Client { signed_headers: "host;x-amz-date".to_owned(), ..client };
    let (code, message) = unsigned.ask(&world, now).unwrap_err();
    assert_eq!(code, "SignatureDoesNotMatch");
    assert!(message.contains("'x-amz-security-token' must be"), "{message}");
    let client = Client { signed_headers: "host;x-amz-date;x-amz-security-token".to_owned(), ..unsigned };
    let missing = Client { token: None, ..client };
    assert_eq!(missing.ask(&world, now).unwrap_err().0, "InvalidClientTokenId");

    world.expire_sessions();
    let token = world.key(&missing.id).unwrap().session.unwrap().token;
    let client = Client { token: Some(token), ..missing };
    assert_eq!(client.ask(&world, SystemTime::now()).unwrap_err().0, "ExpiredToken");
}
