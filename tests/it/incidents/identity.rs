//! Who somebody is: nobody else, in whatever order things are said.

use redshift_sandbox::wire::authentication;
use std::cell::RefCell;
use std::time::Duration;

use redshift_sandbox::sandbox::Sandbox;
use tokio::io::AsyncWriteExt;

use crate::support::aws_driver::JDBC;
use crate::support::hostile::{
    MECHANISM, Verdict, asked, assert_unharmed, challenged, demo, prefer, verdict, wrong_password,
};
use crate::support::raw::{
    GSSENC_REQUEST, SSL_REQUEST, Stream, field, message, open, read_message, say, startup, unknown_cancel_request,
    until_closed,
};
use crate::support::scram::{Scram, initial_response};
use crate::support::scripted::{Scripted, Step, greeting};
use crate::support::seeds::load_faults;
use crate::support::session::log_in;
use crate::support::{PASSWORD, Rig, Setup, USER, World, until, verifier, without_session};

/// What may come once only, and first.
fn intruders() -> [(&'static str, Vec<u8>); 4] {
    [
        ("a startup message for another user", startup(0, &[("user", "guest"), ("database", "sales")])),
        ("SSLRequest", SSL_REQUEST.to_vec()),
        ("GSSENCRequest", GSSENC_REQUEST.to_vec()),
        ("CancelRequest", unknown_cancel_request()),
    ]
}

#[tokio::test]
async fn cve_2026_107350_a_second_startup_packet_makes_nobody_somebody_else_during_login() {
    let rig = prefer().await;
    let scram = Scram::default();
    for (name, intruder) in intruders() {
        let first = initial_response(MECHANISM, scram.first().as_bytes());
        let (after_challenge, challenge) = challenged(&rig, true, &scram).await;
        let password = message(b'p', format!("{PASSWORD}\0").as_bytes());
        // Each with what would be right behind it.
        let states: [(Stream, Vec<u8>); 4] = [
            (asked(&rig, true, &demo()).await, first.clone()),
            (asked(&rig, false, &demo()).await, first),
            (after_challenge, message(b'p', scram.last(&challenge, PASSWORD).as_bytes())),
            (asked(&rig, true, &JDBC.startup()).await, password),
        ];
        for (at, (mut stream, right)) in states.into_iter().enumerate() {
            say(&mut stream, &[&intruder[..], &right].concat()).await;
            stream.shutdown().await.unwrap();
            let verdict = verdict(&mut stream).await;
            assert!(verdict == Verdict::Silence || verdict.is("08P01"), "{name} {at}: {verdict:?}");
        }
    }
    assert_eq!(rig.sandbox().warehouse.dials(), 0);
    assert_unharmed(&rig).await;
}

fn users_at_the_door(sandbox: &Sandbox) -> Vec<String> {
    let user = |pairs: Vec<(String, String)>| {
        pairs
            .into_iter()
            .find(|(name, _)| name == "user")
            .unwrap()
            .1
    };
    sandbox.warehouse.startups().into_iter().map(user).collect()
}

/// While the warehouse is not ready, and afterwards: the bytes are the session's own, which they
/// end.
#[tokio::test]
async fn cve_2026_107350_a_second_startup_packet_makes_nobody_somebody_else_after_login() {
    let rig = Rig::start().await;
    let warehouse = &rig.sandbox().warehouse;
    let mut sessions = 0;
    for (name, intruder) in intruders() {
        let mut session = rig.session().await;
        say(&mut session.stream, &intruder).await;
        until_closed(&mut session.stream).await;

        warehouse.sleep_until_woken();
        let scram = Scram::default();
        let (mut stream, challenge) = challenged(&rig, true, &scram).await;
        say(&mut stream, &message(b'p', scram.last(&challenge, PASSWORD).as_bytes())).await;
        assert_eq!(read_message(&mut stream).await.unwrap().1[..4], [0, 0, 0, 12]);
        assert_eq!(read_message(&mut stream).await.unwrap().1, [0; 4], "AuthenticationOk");
        say(&mut stream, &intruder).await;
        warehouse.wake();
        until_closed(&mut stream).await;
        sessions += 2;
        assert_eq!(users_at_the_door(rig.sandbox()), vec!["IAMR:rs01"; sessions], "{name}");
    }
    assert_unharmed(&rig).await;
}

/// All that a login hears, without what is random: nonces and session ids.
async fn heard(rig: &Rig, user: &str, password: &str) -> Vec<(u8, String)> {
    let mut stream = rig.tls().await;
    let messages = log_in(&mut stream, &startup(0, &[("user", user), ("database", "sales")]), password).await;
    let without_chance = |(tag, body): &(u8, Vec<u8>)| match tag {
        b'E' => (*tag, format!("{} {}", field(body, b'C'), without_session(&field(body, b'M')))),
        _ => (*tag, format!("{:?} {}", &body[..4], body.len())),
    };
    messages.iter().map(without_chance).collect()
}

#[tokio::test]
async fn cve_2015_6817_an_unknown_user_becomes_nobody_and_reads_like_a_wrong_password() {
    let rig = Rig::start().await;
    let mut wrong = heard(&rig, USER, "wrong-password").await;
    let (_, refusal) = wrong.last_mut().unwrap();
    assert_eq!(*refusal, format!("28P01 password authentication failed for user \"{USER}\""));
    *refusal = refusal.replace(USER, "nemo");
    // Names of one length, so that all is of one length.
    for password in [PASSWORD, "wrong-password", "nemo", " "] {
        assert_eq!(heard(&rig, "nemo", password).await, wrong, "{password}");
    }
    for user in ["*", "{user}", "postgres", "IAMR:rs01", "demo ", "Demo", "pgbouncer"] {
        let heard = heard(&rig, user, PASSWORD).await;
        let refusal = format!("28P01 password authentication failed for user \"{user}\"");
        assert_eq!(heard.last(), Some(&(b'E', refusal)));
    }
    let sandbox = rig.sandbox();
    assert_eq!((sandbox.warehouse.dials(), sandbox.aws.calls("AssumeRole")), (0, 0), "nothing is done for a stranger");
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn cve_2025_2291_a_disabled_users_password_is_no_password_any_more() {
    let rig = Rig::start().await;
    let mut refused = heard(&rig, USER, "wrong-password").await;
    let last = refused.pop().unwrap().1.replace(USER, "leaver");
    for password in [PASSWORD, "wrong-password"] {
        let mut heard = heard(&rig, "leaver", password).await;
        assert_eq!(heard.pop().unwrap().1, last, "{password}");
        assert_eq!(heard, refused, "no proof of the server's either");
    }
    assert_eq!(rig.sandbox().warehouse.dials(), 0);
}

/// Its verifier is known and was good a moment ago.
#[tokio::test]
async fn cve_2025_2291_an_expired_password_is_no_password_any_more() {
    let keys = format!("password = \"{}\"\npassword_expires = 2099-01-31\nconnections = [\"*\"]\n", verifier());
    let rig = Rig::with(Setup { config: format!("[users.temp]\n{keys}"), ..Setup::default() }).await;
    drop(
        rig.connect_as("temp", PASSWORD, "sales")
            .await
            .expect("it has not expired yet"),
    );
    let dials = rig.sandbox().warehouse.dials();
    rig.clock.advance(Duration::from_secs(100 * 366 * 86_400));
    let mut refused = heard(&rig, USER, "wrong-password").await;
    let last = refused.pop().unwrap().1.replace(USER, "temp");
    let mut heard = heard(&rig, "temp", PASSWORD).await;
    assert_eq!(heard.pop().unwrap().1, last);
    assert_eq!(heard, refused, "no proof of the server's either");
    assert_eq!(rig.sandbox().warehouse.dials(), dials);
}

/// A console with an operator, a user who may look, and the usual user, who may do neither.
async fn with_console() -> Rig {
    let user = |name: &str| format!("[users.{name}]\npassword = \"{}\"\nconnections = []\n", verifier());
    let users = user("ops") + &user("monitor");
    let config = format!("{users}[limits]\nban_after = 0\n[admin]\nusers = [\"ops\"]\nstats_users = [\"monitor\"]\n");
    Rig::with(Setup { tls: "prefer", config, ..Setup::default() }).await
}

/// The proof is the same as everybody's, in TLS and in clear, by SCRAM and by a cleartext prompt;
/// to whoever is no operator, `proxy_admin` is a name like any other that one may not open.
#[tokio::test]
async fn pgdog_1053_the_console_takes_the_same_proof_by_every_way() {
    let rig = with_console().await;
    let ca_pem = rig.sandbox().ca.pem();
    let driver = [("client_protocol_version", "3")];
    for (encrypted, more) in [(true, &[][..]), (false, &[]), (true, &driver)] {
        let heard = async |user: &str, database: &str, password: &str| {
            let startup = startup(0, &[&[("user", user), ("database", database)], more].concat());
            let mut stream = open(rig.port(), encrypted.then_some(ca_pem)).await;
            let messages = log_in(&mut stream, &startup, password).await;
            let (tag, body) = messages.last().unwrap().clone();
            match tag {
                b'E' => (field(&body, b'C'), without_session(&field(&body, b'M')).to_owned()),
                _ => (char::from(tag).to_string(), String::new()),
            }
        };
        for user in ["ops", "monitor"] {
            assert_eq!(heard(user, "proxy_admin", PASSWORD).await.0, "Z");
        }
        for user in ["ops", "monitor", USER, "nobody"] {
            let refused = format!("password authentication failed for user \"{user}\"");
            for password in ["wrong", ""] {
                assert_eq!(heard(user, "proxy_admin", password).await, ("28P01".to_owned(), refused.clone()));
            }
        }
        for database in ["proxy_admin", "nonexistent"] {
            let refused = format!("connection \"{database}\" does not exist or is not yours");
            assert_eq!(heard(USER, database, PASSWORD).await, ("3D000".to_owned(), refused));
        }
    }
    // No connection has its name, nor does a glob cover it.
    let faults = load_faults("[connections.proxy_admin]\ntype = \"redshift-serverless\"\n");
    assert!(faults.iter().any(|fault| fault.contains("reserved")), "{faults:?}");
    assert_unharmed(&rig).await;
}

/// Each action, by the simple and by the extended protocol.
#[tokio::test]
async fn cve_2026_6667_every_action_of_the_console_needs_an_admin() {
    let rig = with_console().await;
    let monitor = rig
        .connect_as("monitor", PASSWORD, "proxy_admin")
        .await
        .unwrap();
    let bystander = rig.connect("sales").await.unwrap();
    for action in [
        "KILL 0a1b2c3d4e5f",
        "KILL USER demo",
        "KILL CONNECTION sales",
        "KILL ADDRESS 127.0.0.1",
        "KILL ALL",
        "DISABLE sales",
        "ENABLE sales",
        "CHECK sales",
        "REFRESH sales",
        "UNBAN 127.0.0.1",
        "SET log_level = debug",
        "RELOAD",
        "DRAIN",
        "SHUTDOWN",
    ] {
        for denied in [
            monitor.simple_query(action).await.err(),
            monitor
                .simple_query(&format!("SHOW FLEET; {action}"))
                .await
                .err(),
            monitor.execute(action, &[]).await.err(),
        ] {
            let denied = denied.unwrap_or_else(|| panic!("{action} was done"));
            assert_eq!(denied.code().unwrap().code(), "42501", "{action}");
        }
    }
    assert!(
        !monitor
            .query("SHOW SESSIONS", &[])
            .await
            .unwrap()
            .is_empty()
    );
    bystander
        .query_one("select 1", &[])
        .await
        .expect("nothing has happened to it");
    drop((monitor, bystander));
    assert_unharmed(&rig).await;
}

/// What a client says of itself goes nowhere before its proof.
#[tokio::test]
async fn cve_2025_12819_no_parameter_reaches_any_connection_before_authentication() {
    let rig = Rig::start().await;
    let pairs = [
        ("user", USER),
        ("database", "sales"),
        ("search_path", "planted_schema"),
        ("options", "-c search_path=planted_schema"),
        ("client_protocol_version", "3"),
    ];
    for password in ["wrong", ""] {
        let mut stream = asked(&rig, true, &startup(0, &pairs)).await;
        say(&mut stream, &message(b'p', format!("{password}\0").as_bytes())).await;
        assert_eq!(verdict(&mut stream).await, wrong_password());
    }
    let sandbox = rig.sandbox();
    assert_eq!((sandbox.warehouse.dials(), sandbox.aws.calls("AssumeRole")), (0, 0));
    assert!(!format!("{:?}", sandbox.aws.journal()).contains("planted"));
    assert_unharmed(&rig).await;
}

/// What a hostile `search_path` could bend is not there: the first words behind the login are the
/// client's.
#[tokio::test]
async fn cve_2025_12819_the_proxy_has_no_queries_of_its_own() {
    let mut world = World::start(&Setup::default()).await;
    let warehouse = Scripted::replace(&mut world).await;
    let rig = Box::pin(Rig::over(world)).await;
    let steps = [
        Step::Say(authentication(3, b"")),
        Step::Read,
        Step::Say([authentication(0, b""), greeting()].concat()),
        Step::Read,
        Step::Hang,
    ];
    warehouse.script("app", steps.to_vec());
    let mut stream = rig.tls().await;
    let pairs = [("user", USER), ("database", "sales"), ("application_name", "app"), ("search_path", "planted")];
    log_in(&mut stream, &startup(0, &pairs), PASSWORD).await;
    let query = message(b'Q', b"select 'mine'\0");
    say(&mut stream, &query).await;
    let heard = RefCell::new(Vec::new());
    let hear = || {
        heard
            .borrow_mut()
            .extend(warehouse.seen().messages.remove("app").unwrap_or_default());
        heard.borrow().len()
    };
    until("the query", hear, |count| *count == 2).await;
    let heard = heard.into_inner();
    assert_eq!((heard[0].0, message(heard[1].0, &heard[1].1)), (b'p', query));
}
