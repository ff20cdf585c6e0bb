//! A hostile or broken warehouse cannot crash, hang or fool the proxy: its clients read a refusal
//! of the contract, a password goes out only in answer to what may ask for it, and nothing is left.

use redshift_sandbox::wire::authentication;
use std::sync::Arc;

use crate::support;
use crate::support::hostile::LENGTHS;
use crate::support::raw::{self, Message, SSL_REQUEST, field, message, startup, until_closed};
use crate::support::scripted::{Door, Scripted, Seen, Step, greeting};
use crate::support::session::{Session, log_in};
use crate::support::{PASSWORD, Rig, Setup, USER, World, without_session};
use futures_util::{StreamExt, stream};
use redshift_iam_proxy::app::Counts;

/// Cases at a time.
const AT_A_TIME: usize = 24;

const UNREACHABLE: (&str, &str) = ("08001", "could not reach the warehouse for \"sales\"");
const NOT_AVAILABLE: (&str, &str) = ("08004", "connection \"sales\" is not available to the proxy");
const NOT_NOW: (&str, &str) = ("57P03", "cannot open \"sales\" now");

const CLEARTEXT: u32 = 3;
const MD5: u32 = 5;
const SASL: u32 = 10;
const SASL_CONTINUE: u32 = 11;
const SASL_FINAL: u32 = 12;
const DIGEST: u32 = 13;

const MECHANISMS: &[u8] = b"SCRAM-SHA-256\0\0";

/// What one script does, and what may come of it.
struct Case {
    name: String,
    steps: Vec<Step>,
    /// Any of these.
    refusals: Vec<(&'static str, &'static str)>,
    /// How many answers with something made of the password it may get, over all dials.
    answers: usize,
}

fn case(name: impl Into<String>, steps: Vec<Step>) -> Case {
    Case { name: name.into(), steps, refusals: vec![UNREACHABLE], answers: 0 }
}

impl Case {
    fn refused(self, refusal: (&'static str, &'static str)) -> Self {
        Self { refusals: vec![refusal], ..self }
    }

    /// Its dials may each be answered once.
    fn answered(self) -> Self {
        Self { answers: 3, ..self }
    }
}

fn say(bytes: impl Into<Vec<u8>>) -> Step {
    Step::Say(bytes.into())
}

/// Asked for the password itself, which comes; what is said then.
fn logged_in(said: Vec<u8>) -> Vec<Step> {
    vec![say(authentication(CLEARTEXT, b"")), Step::Read, say([authentication(0, b""), said].concat())]
}

struct Front {
    rig: Rig,
    warehouse: Scripted,
}

impl Front {
    async fn start(upstream: &str) -> Self {
        let setup = Setup { upstream: upstream.to_owned(), ..Setup::default() };
        let mut world = World::start(&setup).await;
        let warehouse = Scripted::replace(&mut world).await;
        warehouse.script(
            "good",
            logged_in(greeting())
                .into_iter()
                .chain([Step::Hang])
                .collect(),
        );
        Self { rig: Box::pin(Rig::over(world)).await, warehouse }
    }

    /// A client of this application_name logs in: all that it reads.
    async fn log_in(&self, name: &str) -> (raw::Stream, Vec<Message>) {
        let mut stream = raw::open(self.rig.port(), Some(self.rig.sandbox().ca.pem())).await;
        let pairs = [("user", USER), ("database", "sales"), ("application_name", name)];
        let messages = log_in(&mut stream, &startup(0, &pairs), PASSWORD).await;
        (stream, messages)
    }

    /// SQLSTATE and text of the refusal, which is all that comes behind AuthenticationOk.
    async fn refusal(&self, name: &str) -> (String, String) {
        let (mut stream, messages) = self.log_in(name).await;
        let ok = messages
            .iter()
            .position(|message| *message == (b'R', vec![0; 4]))
            .expect("AuthenticationOk");
        let [(tag, body)] = &messages[ok + 1..] else { panic!("{name}: {:?}", &messages[ok + 1..]) };
        assert_eq!((*tag, &*field(body, b'S')), (b'E', "FATAL"), "{name}");
        assert_eq!(until_closed(&mut stream).await, b"", "{name}");
        (field(body, b'C'), field(body, b'M'))
    }

    /// All cases, and that nothing is left of them.
    async fn run(&self, cases: Vec<Case>) {
        for case in &cases {
            self.warehouse.script(&case.name, case.steps.clone());
        }
        let told = stream::iter(&cases).map(async |case| (case, self.refusal(&case.name).await));
        for (Case { name, refusals, .. }, (sqlstate, text)) in told.buffered(AT_A_TIME).collect::<Vec<_>>().await {
            let told = (&*sqlstate, without_session(&text));
            assert!(refusals.contains(&told), "{name}: {told:?}");
        }
        let seen = self.warehouse.seen();
        for Case { name, steps, answers, .. } in &cases {
            let messages = seen
                .messages
                .get(name)
                .map(Vec::as_slice)
                .unwrap_or_default();
            assert!(messages.len() <= *answers, "{name}: {} answers", messages.len());
            // The password itself goes to whoever asks for it first, and to nobody else.
            let asks_for_it =
                |first: &Step| matches!(first, Step::Say(said) if *said == authentication(CLEARTEXT, b""));
            if !steps.first().is_some_and(asks_for_it) {
                self.assert_password_unsaid(name, messages);
            }
        }
        assert!(seen.in_clear.is_empty());
        self.assert_unharmed().await;
    }

    fn assert_password_unsaid(&self, name: &str, messages: &[Message]) {
        let logins = self.rig.sandbox().logins.valid("IAMR:rs01");
        assert!(!logins.is_empty());
        for login in logins {
            let holds = |body: &[u8]| {
                body.windows(login.password.len())
                    .any(|part| part == login.password.as_bytes())
            };
            assert!(!messages.iter().any(|(_, body)| holds(body)), "{name}");
        }
    }

    /// A good client gets in, and leaves nothing.
    async fn assert_unharmed(&self) {
        let (stream, messages) = self.log_in("good").await;
        assert_eq!(messages.last(), Some(&(b'Z', b"I".to_vec())));
        drop(stream);
        self.rig.wait_until_idle().await;
        assert_eq!(self.rig.app.counts(), Counts::default());
        self.warehouse.seen();
    }

    /// What comes in while the door is so, and what the client is told.
    async fn knock(&self, door: Door) -> (Seen, (String, String)) {
        self.warehouse.door(door);
        let (sqlstate, text) = self.refusal("nobody").await;
        self.rig.wait_until_idle().await;
        let seen = self.warehouse.seen();
        self.warehouse.door(Door::Open);
        (seen, (sqlstate, without_session(&text).to_owned()))
    }
}

fn owned((sqlstate, text): (&str, &str)) -> (String, String) {
    (sqlstate.to_owned(), text.to_owned())
}

/// The server's first SCRAM message; `{}` is the client's nonce, which it has to repeat.
fn challenge(template: &str) -> Step {
    let template = template.to_owned();
    Step::Answer(Arc::new(move |first| {
        let first = String::from_utf8_lossy(first);
        let nonce = first.split_once(",r=").unwrap().1;
        authentication(SASL_CONTINUE, template.replace("{}", nonce).as_bytes())
    }))
}

fn scram(challenge_template: &str) -> Vec<Step> {
    vec![say(authentication(SASL, MECHANISMS)), Step::Read, challenge(challenge_template)]
}

const GOOD_CHALLENGE: &str = "r={}3rfcNHYJY1ZVvWVs7j,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

fn digest_request(salt: u32, nonce: u32) -> Vec<u8> {
    let part = |length: u32| [&length.to_be_bytes()[..], &vec![7; length as usize]].concat();
    authentication(DIGEST, &[&[0; 4][..], &part(salt), &part(nonce)].concat())
}

/// CVE-2021-23222 and CVE-2021-43767, and kin: nothing that is said in clear gets more than an
/// SSLRequest, and behind a lone `S` what TLS needs.
#[tokio::test]
async fn cve_2021_23222_answers_to_the_ssl_request_that_lead_nowhere() {
    let front = Front::start("").await;
    let forged = [&b"S"[..], &authentication(CLEARTEXT, b"")].concat();
    let error = message(b'E', b"SFATAL\0C28000\0Mno pg_hba.conf entry\0\0");
    for said in [
        b"N".to_vec(),
        [&b"N"[..], &authentication(CLEARTEXT, b"")].concat(),
        error,
        b"E".to_vec(),
        b"s".to_vec(),
        b"\0".to_vec(),
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        forged,
        [&b"S"[..], &authentication(0, b""), &greeting()].concat(),
    ] {
        let (seen, told) = front.knock(Door::Say(said.clone())).await;
        assert_eq!(told, owned(UNREACHABLE), "{}", said.escape_ascii());
        assert_eq!((seen.dials, &seen.in_clear[..]), (1, &[SSL_REQUEST.to_vec()][..]), "{}", said.escape_ascii());
    }
    for said in [&b""[..], b"S"] {
        let (seen, told) = front.knock(Door::SayAndClose(said.to_vec())).await;
        assert_eq!((told, seen.dials), (owned(UNREACHABLE), 3), "{}", said.escape_ascii());
    }
    // Not TLS in the place of a ServerHello: whoever can speak in clear between the two.
    for said in [
        authentication(CLEARTEXT, b""),
        [authentication(0, b""), greeting()].concat(),
        b"\x16\x03\x03\xff\xff".to_vec(),
    ] {
        let (seen, told) = front
            .knock(Door::AnswerHello([&said[..], &[0; 300]].concat()))
            .await;
        assert_eq!((told, seen.dials), (owned(UNREACHABLE), 1), "{}", said.escape_ascii());
        // A ClientHello, and at most an alert.
        let came = seen.in_clear[0].strip_prefix(SSL_REQUEST).unwrap();
        assert_eq!(came[..3], [22, 3, 1], "{}", came.escape_ascii());
        let behind_hello = &came[5 + usize::from(u16::from_be_bytes([came[3], came[4]]))..];
        assert!(behind_hello.is_empty() || (behind_hello[0] == 21 && behind_hello.len() == 7), "{behind_hello:?}");
    }
    front.assert_unharmed().await;
}

#[tokio::test]
async fn a_warehouse_that_stops_ahead_of_tls_is_given_up() {
    let front = Front::start("tls_timeout = \"1s\"").await;
    for said in [&b""[..], b"S"] {
        let (seen, told) = front.knock(Door::Say(said.to_vec())).await;
        assert_eq!((told, seen.dials), (owned(UNREACHABLE), 1), "{}", said.escape_ascii());
        assert!(seen.in_clear[0].starts_with(SSL_REQUEST));
    }
    front.assert_unharmed().await;
}

/// CVE-2025-49146's kin: only what is on the list is answered, and nothing twice.
#[tokio::test]
async fn cve_2025_49146_authentication_requests_out_of_order_get_no_password() {
    let front = Front::start("").await;
    let mut cases = Vec::new();
    let data = |code: u32| match code {
        MD5 => b"abcd".to_vec(),
        SASL => MECHANISMS.to_vec(),
        DIGEST => digest_request(16, 16)[9..].to_vec(),
        _ => Vec::new(),
    };
    // As a first request.
    for code in [1, 2, 4, 6, 7, 8, 9, SASL_CONTINUE, SASL_FINAL, 14, 15, 255, 1 << 31, u32::MAX] {
        let asked = case(format!("first {code}"), vec![say(authentication(code, &data(code))), Step::Read]);
        cases.push(asked.refused(NOT_AVAILABLE));
    }
    for mechanisms in
        [&b""[..], b"\0", b"SCRAM-SHA-256", b"SCRAM-SHA-256-PLUS\0\0", b"scram-sha-256\0\0", b"\xff\0\0", b"PLAIN\0\0"]
    {
        let asked =
            case(mechanisms.escape_ascii().to_string(), vec![say(authentication(SASL, mechanisms)), Step::Read]);
        // Without its NUL it is no name.
        cases.push(asked.refused(NOT_AVAILABLE));
    }
    // Behind an answer, or in the midst of SCRAM.
    for code in [CLEARTEXT, MD5, 7, SASL, SASL_CONTINUE, SASL_FINAL, DIGEST, 14, u32::MAX] {
        for (first, answers) in [(CLEARTEXT, 3), (MD5, 3), (DIGEST, 3), (SASL, 3)] {
            if (first, code) == (SASL, SASL_CONTINUE) {
                continue;
            }
            let steps = vec![
                say(authentication(first, &data(first))),
                Step::Read,
                say(authentication(code, &data(code))),
                Step::Read,
            ];
            cases.push(Case { answers, ..case(format!("{first} then {code}"), steps) });
        }
        let steps = logged_in([authentication(code, &data(code)), greeting()].concat());
        cases.push(case(format!("ok then {code}"), steps).answered());
    }
    // Bodies that do not fit.
    for (name, body) in [
        ("no code", &b""[..]),
        ("half a code", b"\0\0\0"),
        ("md5 of 3", b"\0\0\0\x05abc"),
        ("md5 of 5", b"\0\0\0\x05abcde"),
    ] {
        cases.push(case(name, vec![say(message(b'R', body)), Step::Read]));
    }
    cases.push(case("ok with more", vec![say(authentication(0, b"x")), Step::Read]).refused(NOT_AVAILABLE));
    cases.push(
        case("cleartext with more", vec![say(authentication(CLEARTEXT, b"x")), Step::Read]).refused(NOT_AVAILABLE),
    );
    cases.push(case("nothing but a greeting", vec![say(greeting()), Step::Read]));
    front.run(cases).await;
}

#[tokio::test]
async fn digest_requests_out_of_bounds_are_not_answered() {
    let front = Front::start("").await;
    let huge = |length: u32| authentication(DIGEST, &[&[0; 4][..], &length.to_be_bytes(), b"abc"].concat());
    let mut cases: Vec<_> = LENGTHS
        .iter()
        .filter(|length| **length > 4)
        .map(|&length| case(length.to_string(), vec![say(huge(length)), Step::Read]))
        .collect();
    for (salt, nonce) in [(1025, 16), (16, 1025), (20_000, 0)] {
        cases.push(case(format!("{salt}/{nonce}"), vec![say(digest_request(salt, nonce)), Step::Read]));
    }
    for algorithm in [1u32, 2, u32::MAX] {
        let body = [&algorithm.to_be_bytes()[..], &[0; 8]].concat();
        let steps = vec![say(authentication(DIGEST, &body)), Step::Read];
        cases.push(case(format!("algorithm {algorithm}"), steps).refused(NOT_AVAILABLE));
    }
    front.run(cases).await;
}

/// CVE-2026-6665 (a nonce that overflowed a buffer) and CVE-2026-6669 (rounds without bound).
#[tokio::test]
async fn cve_2026_6665_and_6669_scram_challenges_out_of_bounds_get_no_proof() {
    let front = Front::start("").await;
    let (nonce, salt) = ("n".repeat(5000), "A".repeat(8000));
    let mut challenges: Vec<String> = [
        "0",
        "-1",
        "100001",
        "2147483647",
        "2147483648",
        "4294967295",
        "4294967296",
        "99999999999999999999999",
        "x",
        "",
    ]
    .iter()
    .map(|rounds| format!("r={{}}abc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i={rounds}"))
    .collect();
    challenges
        .extend([format!("r={{}}{nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"), format!("r={{}}abc,s={salt},i=4096")]);
    challenges.extend(
        [
            "r=abc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r={},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r={}abc,s=!!,i=4096",
            "r={}abc",
            "",
            ",,,",
            "e=other-error",
            "v=abcd",
        ]
        .map(str::to_owned),
    );
    let cases = challenges.into_iter().enumerate().map(|(at, challenge)| {
        let mut steps = scram(&challenge);
        steps.push(Step::Read);
        // The nonce goes out, no proof.
        Case { answers: 1, ..case(format!("challenge {at}"), steps) }
    });
    front.run(cases.collect()).await;
}

/// A warehouse that does not know the password cannot let anybody in.
#[tokio::test]
async fn a_scram_warehouse_without_the_right_last_word_is_not_believed() {
    let front = Front::start("").await;
    let last = |said: Vec<u8>| {
        [scram(GOOD_CHALLENGE), vec![Step::Read, say([said, authentication(0, b""), greeting()].concat())]].concat()
    };
    let wrong = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
    let cases = [
        ("no last word", last(Vec::new())),
        ("a wrong signature", last(authentication(SASL_FINAL, wrong.as_bytes()))),
        ("an empty one", last(authentication(SASL_FINAL, b"v="))),
        ("none", last(authentication(SASL_FINAL, b""))),
        ("an error", last(authentication(SASL_FINAL, b"e=invalid-proof"))),
        ("not text", last(authentication(SASL_FINAL, b"v=\xff\xff"))),
        ("another challenge", last(authentication(SASL_CONTINUE, b"r=abc,s=abcd,i=1"))),
        ("cleartext then", last(authentication(CLEARTEXT, b""))),
    ];
    let cases = cases
        .into_iter()
        .map(|(name, steps)| Case { answers: 2, ..case(name, steps) });
    let early =
        vec![say(authentication(SASL, MECHANISMS)), Step::Read, say([authentication(0, b""), greeting()].concat())];
    front
        .run(
            cases
                .chain([Case { answers: 1, ..case("ok ahead of it all", early) }])
                .collect(),
        )
        .await;
}

/// CVE-2026-6664, -6668 and CVE-2026-107348, from the warehouse's side.
#[tokio::test]
async fn cve_2026_6664_lengths_that_cannot_be_are_refused_in_every_state() {
    let front = Front::start("").await;
    let mut cases = Vec::new();
    for length in LENGTHS.into_iter().chain([30_001]) {
        for tag in [b'R', b'S', b'K', b'E', b'N', b'Z', 0] {
            let header = [&[tag][..], &length.to_be_bytes()].concat();
            let name = |state: &str| format!("{state} {} {length}", tag.escape_ascii());
            cases.push(case(name("first"), vec![say(header.clone()), Step::Hang]));
            let behind = vec![say(authentication(CLEARTEXT, b"")), Step::Read, say(header.clone()), Step::Hang];
            cases.push(case(name("password"), behind).answered());
            let sasl = vec![say(authentication(SASL, MECHANISMS)), Step::Read, say(header.clone()), Step::Hang];
            cases.push(case(name("sasl"), sasl).answered());
            cases.push(case(name("ok"), logged_in(header).into_iter().chain([Step::Hang]).collect()).answered());
        }
    }
    front.run(cases).await;
}

#[tokio::test]
async fn greetings_that_are_none_are_refused() {
    let front = Front::start("").await;
    let status = message(b'S', b"a\0b\0");
    let greetings: Vec<(&str, Vec<u8>)> = vec![
        ("ready with an open transaction", message(b'Z', b"T")),
        ("ready with a failed one", message(b'Z', b"E")),
        ("ready with garbage", message(b'Z', b"x")),
        ("ready with nothing", message(b'Z', b"")),
        ("ready with more", message(b'Z', b"II")),
        ("no key", message(b'K', b"")),
        ("a key of 3", message(b'K', &[1; 7])),
        ("a key of 5", message(b'K', &[1; 9])),
        ("two keys", message(b'K', &[1; 8])),
        ("a key of 256", message(b'K', &[1; 260])),
        ("NegotiateProtocolVersion", message(b'v', &[0, 3, 0, 0, 0, 0, 0, 0])),
        ("compression acknowledged", message(b'z', b"lz4\0")),
        ("compression begun", message(b'k', b"\0")),
        ("compressed", message(b'm', b"abcdef")),
        ("a row", message(b'D', &[0, 0])),
        ("a notification", message(b'A', b"\0\0\0\x01a\0b\0")),
        ("a COPY", message(b'G', &[0, 0, 0])),
        ("a type that there is not", message(0xff, b"")),
        ("a status without a value", message(b'S', b"a\0")),
        ("a status without a NUL", message(b'S', b"a\0b")),
        ("a status without a name", message(b'S', b"\0b\0")),
        ("a status with more", message(b'S', b"a\0b\0c\0")),
        ("an empty status", message(b'S', b"")),
        ("a notice without an end", message(b'N', b"SNOTICE\0Mx")),
    ];
    let mut cases: Vec<_> = greetings
        .into_iter()
        .map(|(name, said)| case(name, logged_in([&status[..], &said, &greeting()].concat())).answered())
        .collect();
    // Ahead of AuthenticationOk nothing but errors and requests.
    for (name, said) in [
        ("early v", message(b'v', &[0, 3, 0, 0, 0, 0, 0, 0])),
        ("early z", message(b'z', b"lz4\0")),
        ("early notice", message(b'N', b"SNOTICE\0Mx\0\0")),
        ("early status", status.clone()),
        ("early key", message(b'K', &[1; 8])),
        ("early ready", message(b'Z', b"I")),
    ] {
        cases.push(case(name, vec![say([&said[..], &authentication(CLEARTEXT, b"")].concat()), Step::Read]));
    }
    front.run(cases).await;
}

#[tokio::test]
async fn greetings_without_end_are_refused() {
    let front = Front::start("").await;
    let endless = |name: &str, said: Vec<u8>| {
        let steps = logged_in(Vec::new())
            .into_iter()
            .chain([Step::Repeat(said)]);
        case(format!("endless {name}"), steps.collect()).answered()
    };
    let long = [b"a\0", &vec![b'x'; 29_000][..], b"\0"].concat();
    front
        .run(vec![
            endless("statuses", message(b'S', b"a\0b\0").repeat(100)),
            endless("long statuses", message(b'S', &long)),
            endless("notices", message(b'N', b"SNOTICE\0C00000\0Mx\0\0").repeat(100)),
            endless("rows", message(b'D', &[0, 0])),
            endless("keys", message(b'K', &[1; 8]).repeat(100)),
            case("endless requests", vec![Step::Repeat(authentication(CLEARTEXT, b"").repeat(100))]).answered(),
            case("endless notices ahead", vec![Step::Repeat(message(b'N', b"SNOTICE\0Mx\0\0"))]),
        ])
        .await;
}

/// CVE-2026-6666: an ErrorResponse without its SQLSTATE ended the process.
#[tokio::test]
async fn cve_2026_6666_errors_that_lack_something_become_the_contracts() {
    let front = Front::start("").await;
    let mut cases = Vec::new();
    for (at, body) in [
        &b""[..],
        b"\0",
        b"SFATAL\0Mfull\0\0",
        b"SFATAL\0C\0Mfull\0\0",
        b"SFATAL\0C53300\0\0",
        b"C53300\0Mfull\0\0",
        b"SFATAL\0C53300\0Mfull",
        b"SFATAL\0C53300\0Mfull\0",
        b"SFATAL\0C53300\0Mfull\0\0more",
        b"\xff\xff\xff\xff",
    ]
    .into_iter()
    .enumerate()
    {
        cases.push(case(format!("first {at}"), vec![say(message(b'E', body)), Step::Read]));
        cases.push(case(format!("ok {at}"), logged_in(message(b'E', body))).answered());
    }
    // A refused login is one whatever else is missing, and it is fetched and tried again, once.
    for (at, body) in [&b"C28000\0\0"[..], b"C28P01\0Mno", b"SFATAL\0C28000\0C28000\0Mno\0Mno\0\0"]
        .into_iter()
        .enumerate()
    {
        cases.push(case(format!("refused {at}"), vec![say(message(b'E', body))]).refused(NOT_AVAILABLE));
    }
    // Whole: passed on as sent, with what is unknown or repeated.
    front.run(cases).await;
    let whole = b"SFATAL\0C53300\0Ca\0C53300\0\x01unknown\0Mfull\0Hhint\0Hagain\0\0";
    front
        .warehouse
        .script("whole", vec![say(message(b'E', whole))]);
    let (_, messages) = front.log_in("whole").await;
    assert_eq!(messages.last(), Some(&(b'E', whole.to_vec())));
    front.assert_unharmed().await;
}

/// A login that ends at any byte, in every state.
#[tokio::test]
async fn a_warehouse_that_closes_at_any_byte_is_unreachable() {
    let front = Front::start("").await;
    let requests = [
        authentication(CLEARTEXT, b""),
        authentication(MD5, b"abcd"),
        authentication(SASL, MECHANISMS),
        digest_request(4, 4),
    ];
    let mut cases = Vec::new();
    for (at, request) in requests.iter().enumerate() {
        for end in 0..request.len() {
            cases.push(case(format!("request {at} {end}"), vec![say(&request[..end])]));
        }
    }
    let said = [authentication(0, b""), greeting()].concat();
    for end in 0..said.len() {
        let steps = vec![say(requests[0].clone()), Step::Read, say(&said[..end])];
        cases.push(case(format!("greeting {end}"), steps).answered());
    }
    front.run(cases).await;
}

#[tokio::test]
async fn a_warehouse_that_stops_in_the_middle_is_given_up_at_login_timeout() {
    let front = Front::start("login_timeout = \"2s\"").await;
    let hang = |steps: Vec<Step>| steps.into_iter().chain([Step::Hang]).collect::<Vec<_>>();
    let cases = [
        ("at once", hang(Vec::new()), 0),
        ("in a header", hang(vec![say(&authentication(CLEARTEXT, b"")[..3])]), 0),
        ("in a request", hang(vec![say(&authentication(MD5, b"abcd")[..10])]), 0),
        ("behind the password", hang(vec![say(authentication(CLEARTEXT, b"")), Step::Read]), 1),
        ("behind the nonce", hang(vec![say(authentication(SASL, MECHANISMS)), Step::Read]), 1),
        ("behind the proof", hang([scram(GOOD_CHALLENGE), vec![Step::Read]].concat()), 2),
        ("behind ok", hang(logged_in(Vec::new())), 1),
        ("in a status", hang(logged_in(message(b'S', b"a\0b\0")[..7].to_vec())), 1),
        ("in an error", hang(logged_in(message(b'E', b"C53300\0\0")[..7].to_vec())), 1),
        ("ahead of ready", hang(logged_in(greeting()[..greeting().len() - 6].to_vec())), 1),
        ("in ready", hang(logged_in(greeting()[..greeting().len() - 1].to_vec())), 1),
    ];
    let cases = cases.map(|(name, steps, answers)| Case { answers, ..case(name, steps).refused(NOT_NOW) });
    front.run(cases.into()).await;
}

/// Each way that may be asked for, once, with the password where it belongs.
#[tokio::test]
async fn cleartext_md5_and_digest_are_each_answered_once_inside_tls() {
    let front = Front::start("").await;
    for (name, asked) in
        [("3", authentication(CLEARTEXT, b"")), ("5", authentication(MD5, b"abcd")), ("13", digest_request(1024, 1024))]
    {
        let steps = vec![say(asked), Step::Read, say([authentication(0, b""), greeting()].concat()), Step::Hang];
        front.warehouse.script(name, steps);
        let (_stream, messages) = front.log_in(name).await;
        assert_eq!(messages.last(), Some(&(b'Z', b"I".to_vec())), "{name}");
        let seen = front.warehouse.seen();
        let [(tag, body)] = &seen.messages[name][..] else { panic!("{name}: {}", seen.messages[name].len()) };
        assert_eq!(*tag, if name == "13" { b'd' } else { b'p' });
        if name == "3" {
            let logins = front.rig.sandbox().logins.valid("IAMR:rs01");
            let sent = body.strip_suffix(b"\0").unwrap();
            assert!(logins.iter().any(|login| login.password.as_bytes() == sent));
        } else {
            front.assert_password_unsaid(name, &seen.messages[name]);
        }
    }
    front.assert_unharmed().await;
}

/// Redshift knows no other, and what it would make of one nobody knows. The stand-in checks it.
#[tokio::test]
async fn the_warehouse_hears_3_0_whatever_the_client_speaks() {
    let front = Front::start("").await;
    for minor in [0, 1, 2, 9999] {
        let mut stream = front.rig.tls().await;
        let pairs = [("user", USER), ("database", "sales"), ("application_name", "good"), ("_pq_.compression", "zstd")];
        let messages = log_in(&mut stream, &startup(minor, &pairs), PASSWORD).await;
        assert_eq!(messages.last(), Some(&(b'Z', b"I".to_vec())), "{minor}");
    }
    front.assert_unharmed().await;
}

/// A CancelRequest that is taken and not dealt with holds nothing for longer than `tls_timeout`.
#[tokio::test]
async fn a_warehouse_that_does_not_deal_with_a_cancel_is_not_waited_for() {
    let front = Front::start("tls_timeout = \"1s\"").await;
    let steps = logged_in(greeting())
        .into_iter()
        .chain([Step::Read, Step::Hang]);
    front.warehouse.script("busy", steps.collect());
    let mut stream = front.rig.tls().await;
    let pairs = [("user", USER), ("database", "sales"), ("application_name", "busy")];
    log_in(&mut stream, &startup(0, &pairs), PASSWORD).await;
    let mut session = Session { stream, key: (0, Vec::new()) };
    session.query("select 1").await;
    let has_query = || {
        front
            .warehouse
            .seen()
            .messages
            .remove("busy")
            .is_some_and(|all| all.last().unwrap().0 == b'Q')
    };
    support::until("the query arrives", has_query, |has| *has).await;
    let (socket, _) = session.stream.into_inner();
    socket.set_zero_linger().unwrap();
    drop(socket);
    front.rig.wait_until_idle().await;
    assert_eq!(front.warehouse.seen().cancels, 1);
}
