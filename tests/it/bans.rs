//! Clients that guess: who is kept away, for how long, and what is not counted.

use std::net::IpAddr;
use std::time::Duration;

use crate::support;
use crate::support::frozen::FrozenTime;
use crate::support::hostile::{MECHANISM, Verdict, challenged, demo, told, verdict, wrong_password};
use crate::support::process::Proxy;
use crate::support::raw::{
    SSL_REQUEST, encrypt, field, message, read_message, say, startup, tcp, tcp_from, tls, tls_config, until_closed,
};
use crate::support::scram::{Scram, initial_response, part};
use crate::support::{PASSWORD, Rig, Setup, USER, World, assert_refused, login_over, refusal, without_session};
use redshift_sandbox::aws::{Fault, Times};

const LIMITS: &str = "[limits]\nban_after = 3\nban_window = \"1m\"\nban_time = \"5m\"\n";
const BANNED: (&str, &str) = ("28000", "too many failed logins, try again later");

async fn rig() -> Rig {
    Rig::with(Setup { config: LIMITS.into(), ..Setup::default() }).await
}

/// SQLSTATE and text of a refusal, or `None`: in.
async fn login(rig: &Rig, from: [u8; 4], user: &str, password: &str) -> Option<(String, String)> {
    let socket = tcp_from(from, rig.port()).await.unwrap();
    let stream = encrypt(socket, tls_config(rig.sandbox().ca.pem())).await;
    let error = login_over(stream, user, password, "sales").await.err()?;
    let (sqlstate, message) = refusal(&error);
    Some((sqlstate, without_session(&message).to_owned()))
}

async fn is_banned(rig: &Rig, from: [u8; 4], user: &str) -> bool {
    match login(rig, from, user, PASSWORD).await {
        Some((sqlstate, text)) if (&*sqlstate, &*text) == BANNED => true,
        None => false,
        Some((sqlstate, _)) => {
            assert_eq!(sqlstate, "28P01");
            false
        }
    }
}

const HERE: [u8; 4] = [127, 0, 0, 1];
const THERE: [u8; 4] = [127, 0, 0, 2];

#[tokio::test]
async fn too_many_wrong_passwords_and_the_right_one_is_refused_until_the_ban_is_over() {
    let rig = rig().await;
    // The credential is there: what follows needs no timer.
    assert_eq!(login(&rig, HERE, USER, PASSWORD).await, None);
    let time = FrozenTime::start().await;
    for (user, password) in [(USER, "wrong"), ("nobody", PASSWORD), ("leaver", PASSWORD)] {
        for _ in 0..3 {
            assert_eq!(login(&rig, HERE, user, password).await.unwrap().0, "28P01", "{user}");
        }
        assert!(is_banned(&rig, HERE, user).await, "{user}: known or not, disabled or not");
    }
    assert!(!is_banned(&rig, HERE, "guest-of-nobody").await, "others of this address");
    assert!(!is_banned(&rig, THERE, USER).await, "others of this name");
    let here = IpAddr::from(HERE);
    let bans = rig.app.bans();
    let users: Vec<_> = bans
        .iter()
        .map(|ban| (ban.address, ban.user.as_deref().unwrap()))
        .collect();
    assert_eq!((users[0], users[2]), ((here, USER), (here, "leaver")));
    assert!(users[1].1.starts_with("unknown-"), "people type passwords there: {users:?}");

    time.advance(Duration::from_secs(299)).await;
    assert!(is_banned(&rig, HERE, USER).await);
    time.advance(Duration::from_secs(1)).await;
    assert!(!is_banned(&rig, HERE, USER).await);
    assert!(rig.app.bans().is_empty());
}

/// Whatever connection stands behind it: guessing is guessing.
#[tokio::test]
async fn a_user_is_counted_without_the_conn_id_behind_its_name() {
    let rig = rig().await;
    for user in ["demo~sales", "demo", "demo~nope"] {
        assert_eq!(login(&rig, HERE, user, "wrong").await.unwrap().0, "28P01");
    }
    for user in ["demo", "demo~sales"] {
        assert!(is_banned(&rig, HERE, user).await, "{user}");
    }
    assert_eq!(login(&rig, THERE, "demo~sales", PASSWORD).await, None);
}

/// People type passwords where a user's name belongs, with a `~` in them too.
#[tokio::test]
async fn a_user_is_logged_without_the_conn_id_behind_its_name() {
    let world = World::start(&Setup::default()).await;
    let mut proxy = Proxy::start(&world, &[]).await;
    // Each from an address of its own: of one address not every refusal need have a line.
    for (last, user) in [(1, "demo~sales"), (2, "demo"), (3, "planted~word"), (4, "planted")] {
        let socket = tcp_from([127, 0, 0, last], proxy.port).await.unwrap();
        let stream = encrypt(socket, tls_config(world.sandbox.ca.pem())).await;
        login_over(stream, user, "wrong", "dev").await.unwrap_err();
    }
    proxy.signal("TERM").await;
    assert_eq!(proxy.exit_code().await, Some(0));
    proxy.wait_for_log("drained").await;
    let log = proxy.log();
    let refused = log.lines().filter(|line| line.contains("login refused"));
    let refused: Vec<serde_json::Value> = refused
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let users: Vec<_> = refused
        .iter()
        .map(|event| event["user"].as_str().unwrap())
        .collect();
    assert_eq!(users[..2], ["demo", "demo"]);
    assert!(users[2].starts_with("unknown-") && users[2] == users[3], "{users:?}");
    assert!(!log.contains("planted") && !log.contains('~'), "{log}");
}

#[tokio::test]
async fn a_banned_client_is_refused_before_it_is_challenged() {
    let rig = rig().await;
    for _ in 0..3 {
        assert_eq!(login(&rig, HERE, USER, "wrong").await.unwrap().0, "28P01");
    }
    let mut stream = rig.tls().await;
    say(&mut stream, &demo()).await;
    assert_eq!(read_message(&mut stream).await.unwrap().0, b'E', "the first message, and the last");
    assert_eq!(until_closed(&mut stream).await, b"");
    assert_eq!(rig.app.unban(HERE.into()), 1);
    assert_eq!(login(&rig, HERE, USER, PASSWORD).await, None);
}

#[tokio::test]
async fn guesses_made_at_once_do_not_get_in_behind_the_ban() {
    let rig = rig().await;
    let mut waiting = Vec::new();
    for _ in 0..6 {
        waiting.push(challenged(&rig, true, &Scram::default()).await);
    }
    for n in 0..6 {
        let (mut stream, challenge) = waiting.remove(0);
        let password = if n == 5 { PASSWORD } else { "wrong" };
        say(&mut stream, &message(b'p', Scram::default().last(&challenge, password).as_bytes())).await;
        // The right one too: not even the server's proof is told.
        let wanted = if n < 3 { wrong_password() } else { Verdict::refused(BANNED.0, BANNED.1) };
        assert_eq!(verdict(&mut stream).await, wanted, "{n}");
    }
    assert_eq!(rig.app.counts().sessions, 0);
}

#[tokio::test]
async fn an_address_that_tries_many_users_is_banned_whole() {
    let rig = rig().await;
    for n in 0..30 {
        assert!(!is_banned(&rig, HERE, &format!("nobody{n}")).await, "{n}");
    }
    assert!(is_banned(&rig, HERE, USER).await, "a user nobody has tried");
    assert!(!is_banned(&rig, THERE, USER).await);
    assert!(matches!(&rig.app.bans()[..], [ban] if ban.user.is_none()));
}

#[tokio::test]
async fn a_success_clears_the_count_of_its_user() {
    let rig = rig().await;
    for _ in 0..4 {
        for _ in 0..2 {
            assert_eq!(login(&rig, HERE, USER, "wrong").await.unwrap().0, "28P01");
        }
        assert_eq!(login(&rig, HERE, USER, PASSWORD).await, None);
    }
    assert!(rig.app.bans().is_empty());
}

/// What a client says in an exchange, and whether it is a wrong proof.
struct Attempt {
    first: &'static str,
    /// Made of the challenge. `None`: there is none.
    last: Option<fn(&str) -> String>,
    is_guess: bool,
}

/// None of them needs to know a password.
const ATTEMPTS: [Attempt; 7] = [
    Attempt { first: "y,,n=,r=abc", last: None, is_guess: false },
    Attempt { first: "n", last: None, is_guess: false },
    Attempt { first: "p=tls-unique,,n=,r=abc", last: None, is_guess: false },
    Attempt { first: "n,,n=,r=abc", last: Some(|_| "c=biws".to_owned()), is_guess: false },
    Attempt { first: "n,,n=,r=abc", last: Some(|challenge| abc().last(challenge, "wrong")), is_guess: true },
    Attempt {
        first: "n,,n=,r=abc",
        last: Some(|challenge| abc().last_with("eSws", part(challenge, "r="), challenge, "wrong")),
        is_guess: true,
    },
    Attempt {
        first: "n,,n=,r=abc",
        last: Some(|challenge| abc().last_with("biws", "abc", challenge, "wrong")),
        is_guess: true,
    },
];

fn abc() -> Scram {
    Scram { nonce: "abc".to_owned(), ..Scram::default() }
}

/// All that the proxy answers to one, but for what is another's each time: the challenge, the
/// session, and the user's name.
async fn answer_to(rig: &Rig, attempt: &Attempt, user: &str) -> String {
    let mut stream = rig.tls().await;
    say(&mut stream, &startup(0, &[("user", user), ("database", "sales")])).await;
    let mut answer = String::new();
    let (mut tag, mut body) = read_message(&mut stream).await.unwrap();
    if tag == b'R' {
        answer = format!("{}; ", body.escape_ascii());
        say(&mut stream, &initial_response(MECHANISM, attempt.first.as_bytes())).await;
        (tag, body) = read_message(&mut stream).await.unwrap();
    }
    if let Some(last) = attempt.last.filter(|_| tag == b'R') {
        let challenge = std::str::from_utf8(&body[4..]).unwrap();
        say(&mut stream, &message(b'p', last(challenge).as_bytes())).await;
        (tag, body) = read_message(&mut stream).await.unwrap();
    }
    assert_eq!((tag, until_closed(&mut stream).await.len()), (b'E', 0));
    let (code, text) = (field(&body, b'C'), field(&body, b'M'));
    let rest = body.len() - text.len();
    answer + &format!("{code} {} and {rest} bytes", without_session(&text).replace(&format!("\"{user}\""), "U"))
}

/// Issue 11: a client that said `y` was refused as one that had guessed where nobody has the name,
/// and as one that had not where somebody has it. Who is banned after ten of them is unknown.
#[tokio::test]
async fn whether_an_attempt_counts_tells_nothing_of_the_account() {
    let verifier = support::verifier();
    let config =
        format!("[users.late]\npassword = \"{verifier}\"\npassword_expires = 2020-01-01\nconnections = [\"*\"]\n");
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    let users = [USER, "nobody", "leaver", "late"];
    for attempt in &ATTEMPTS {
        let mut answers = Vec::new();
        for user in users {
            let mut of_user = Vec::new();
            for _ in 0..11 {
                of_user.push(answer_to(&rig, attempt, user).await);
            }
            answers.push(of_user);
        }
        assert!(answers.iter().all(|of_user| *of_user == answers[0]), "{}: {answers:#?}", attempt.first);
        let is_banned = answers[0][10].contains("28000 too many failed logins");
        assert_eq!((is_banned, answers[0][9].contains("28P01")), (attempt.is_guess, true), "{answers:#?}");
        let banned = rig.app.bans().len();
        assert_eq!(banned, if attempt.is_guess { users.len() } else { 0 }, "{}", attempt.first);
        rig.app.unban(HERE.into());
    }
}

#[tokio::test]
async fn only_finished_wrong_proofs_are_counted() {
    let rig = rig().await;
    let proof = initial_response(MECHANISM, Scram::default().first().as_bytes());
    for _ in 0..5 {
        // psql leaves to ask for the password; others in the middle of their proof.
        drop(support::hostile::asked(&rig, true, &demo()).await);
        drop(challenged(&rig, true, &Scram::default()).await);
        // A client that checks us, and breaks off the handshake.
        let mut socket = tcp(rig.port()).await;
        say(&mut socket, &[SSL_REQUEST, b"\x16\x03\x01\x00\x05hello"].concat()).await;
        until_closed(&mut socket).await;
        // In clear, another protocol, a health check, a connection that is not theirs.
        assert_eq!(told(&rig, false, &demo()).await, Verdict::refused("28000", "TLS is required"));
        assert!(
            told(&rig, true, &[demo(), proof.clone(), message(b'Q', b"\0")].concat())
                .await
                .is("08P01")
        );
        assert!(
            told(&rig, true, &startup(0, &[("database", "sales")]))
                .await
                .is("28000")
        );
        drop(tcp(rig.port()).await);
        let error = rig.connect("nope").await.unwrap_err();
        assert_refused(
            &error,
            "3D000",
            "connection \"nope\" does not exist or is not yours",
            Some("you may open: sales"),
        );
    }
    rig.wait_until_idle().await;
    assert!(rig.app.bans().is_empty());
    assert_eq!(login(&rig, HERE, USER, PASSWORD).await, None);
}

/// Issue 11, A4: whoever came while SSM was down at our start was banned, with the right password.
#[tokio::test]
async fn a_password_that_has_not_been_read_yet_is_answered_as_wrong_and_not_counted() {
    let config = format!(
        "{LIMITS}[users.ann]\npassword = \"ssm:/ann\"\nconnections = [\"sales\"]\n\
         [users.\"*\"]\npassword = \"ssm:/users/{{user}}\"\nconnections = [\"sales\"]\n"
    );
    let world = World::start(&Setup { config, ..Setup::default() }).await;
    world
        .sandbox
        .aws
        .fault("GetParametersByPath", Fault::Deny, Times::Always);
    let rig = Rig::over(world).await;
    let refused =
        |user: &str| Some(("28P01".to_owned(), format!("password authentication failed for user \"{user}\"")));
    for user in ["ann", "bob"] {
        for _ in 0..5 {
            assert_eq!(login(&rig, HERE, user, "right").await, refused(user));
        }
    }
    assert!(rig.app.bans().is_empty());
    let aws = &rig.sandbox().aws;
    aws.clear_faults();
    aws.put_parameter("/ann", "right");
    aws.put_parameter("/users/bob", "right");
    rig.app.read_references().await;
    for user in ["ann", "bob"] {
        assert_eq!(login(&rig, HERE, user, "right").await, None);
        for _ in 0..3 {
            assert_eq!(login(&rig, HERE, user, "wrong").await, refused(user));
        }
        assert!(is_banned(&rig, HERE, user).await, "once it is read, a wrong one counts");
    }
}

/// The old password is what we know, until the reference is read again.
#[tokio::test]
async fn a_new_password_that_was_sent_before_it_was_read_is_forgiven_when_it_is() {
    let config =
        format!("{LIMITS}[users.ann]\npassword = [\"ssm:/ann\", \"ssm:/ann/next\"]\nconnections = [\"sales\"]\n");
    let world = World::start(&Setup { config, ..Setup::default() }).await;
    world.sandbox.aws.put_parameter("/ann", "old");
    let rig = Rig::over(world).await;
    for _ in 0..3 {
        assert_eq!(login(&rig, HERE, "ann", "new").await.unwrap().0, "28P01");
    }
    assert!(is_banned(&rig, HERE, "ann").await, "it could be guessed at");
    rig.sandbox().aws.put_parameter("/ann/next", "new");
    rig.app.read_references().await;
    assert_eq!(login(&rig, HERE, "ann", "new").await, None);
    assert_eq!(login(&rig, HERE, "ann", "old").await, None);
}

/// The same below the path of `users."*"`, be the name new there or its password.
#[tokio::test]
async fn a_new_password_below_the_path_is_forgiven_too() {
    let config = format!("{LIMITS}[users.\"*\"]\npassword = \"ssm:/users/{{user}}\"\nconnections = [\"sales\"]\n");
    let world = World::start(&Setup { config, ..Setup::default() }).await;
    world.sandbox.aws.put_parameter("/users/ann", "old");
    world.sandbox.aws.put_parameter("/users/cid", "same");
    let rig = Rig::over(world).await;
    for user in ["ann", "bob", "cid"] {
        for _ in 0..3 {
            assert_eq!(login(&rig, HERE, user, "new").await.unwrap().0, "28P01");
        }
        assert!(is_banned(&rig, HERE, user).await, "{user}");
    }
    rig.sandbox().aws.put_parameter("/users/ann", "new");
    rig.sandbox().aws.put_parameter("/users/bob", "new");
    rig.app.read_references().await;
    assert_eq!(login(&rig, HERE, "ann", "new").await, None);
    assert_eq!(login(&rig, HERE, "bob", "new").await, None);
    assert!(is_banned(&rig, HERE, "cid").await, "whose password is what it was");
}

/// Whoever is never banned while SSM is down has an entry, or has none: neither shows.
#[tokio::test]
async fn while_anything_is_unread_unknown_names_are_answered_as_unread_ones() {
    let config = format!("{LIMITS}[users.ann]\npassword = \"ssm:/ann\"\nconnections = [\"sales\"]\n");
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    let wrong = &ATTEMPTS[4];
    for n in 0..5 {
        let answers = [answer_to(&rig, wrong, "ann").await, answer_to(&rig, wrong, "nobody").await];
        assert!(answers[0] == answers[1] && answers[0].contains("28P01"), "{n}: {answers:?}");
    }
    assert!(rig.app.bans().is_empty());
    for _ in 0..3 {
        answer_to(&rig, wrong, USER).await;
    }
    assert!(is_banned(&rig, HERE, USER).await, "who can be guessed at is counted");
    rig.sandbox().aws.put_parameter("/ann", "right");
    rig.app.read_references().await;
    for user in ["ann", "nobody"] {
        for _ in 0..3 {
            assert!(answer_to(&rig, wrong, user).await.contains("28P01"));
        }
        assert!(is_banned(&rig, HERE, user).await, "{user}");
    }
}

/// Issue 11, A4: with costly verifiers a crowd made others wait until our own deadline, which was
/// counted as a wrong proof.
#[tokio::test]
async fn a_client_that_waits_for_our_own_queue_until_its_deadline_has_not_guessed() {
    // Far more rounds than are done while this test runs: all wait behind the first.
    let costly = "SCRAM-SHA-256$1000000:MDEyMzQ1Njc4OWFiY2RlZg==$\
                  AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let config =
        format!("{LIMITS}[users.slow]\npassword = \"{costly}\"\nmethod = \"cleartext\"\nconnections = [\"*\"]\n");
    let rig = Rig::with(Setup { config, ..Setup::default() }).await;
    let time = FrozenTime::start().await;
    let mut waiting = Vec::new();
    for _ in 0..8 {
        let asked = support::hostile::asked(&rig, true, &startup(0, &[("user", "slow"), ("database", "sales")])).await;
        waiting.push(asked);
    }
    for stream in &mut waiting {
        say(stream, &message(b'p', b"right\0")).await;
    }
    time.advance(Duration::from_secs(16)).await;
    let mut late = 0;
    for stream in &mut waiting {
        late += usize::from(until_closed(stream).await.is_empty());
    }
    assert!(late > 3, "more than a ban takes waited in vain: {late}");
    assert!(rig.app.bans().is_empty());
}

#[tokio::test]
async fn bans_may_be_off_or_exempt_a_network() {
    for limits in ["[limits]\nban_after = 0\n".to_owned(), format!("{LIMITS}ban_exempt = [\"127.0.0.0/30\"]\n")] {
        let rig = Rig::with(Setup { config: limits, ..Setup::default() }).await;
        for _ in 0..12 {
            assert_eq!(login(&rig, THERE, USER, "wrong").await.unwrap().0, "28P01");
        }
        assert_eq!(login(&rig, THERE, USER, PASSWORD).await, None);
    }
}

#[tokio::test]
async fn a_ban_is_logged_once_with_its_user_or_address() {
    let world = World::start(&Setup { config: LIMITS.into(), ..Setup::default() }).await;
    let mut proxy = Proxy::start(&world, &[]).await;
    for _ in 0..5 {
        let stream = tls(proxy.port, world.sandbox.ca.pem()).await;
        login_over(stream, USER, "wrong", "sales")
            .await
            .unwrap_err();
    }
    proxy.signal("TERM").await;
    assert_eq!(proxy.exit_code().await, Some(0));
    proxy.wait_for_log("drained").await;
    let log = proxy.log();
    let bans: Vec<_> = log
        .lines()
        .filter(|line| line.contains("banned: too many failed logins"))
        .collect();
    assert_eq!(bans.len(), 1, "{log}");
    assert!(bans[0].contains(&format!("\"{USER}\"")) && bans[0].contains("127.0.0.1"), "{}", bans[0]);
    // Of one kind one a second is written, and says how many were not.
    let (mut told, kind) = (0, "too many failed logins: banned for");
    for line in log
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
    {
        let is_refusal = line["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains(kind));
        if is_refusal || line["class"] == "banned" {
            told += u64::from(is_refusal) + line["left_out"].as_u64().unwrap_or(0);
        }
    }
    assert_eq!(told, 2, "{log}");
}
