//! Hostile answers to challenges: no proof but the right one, in its turn, lets anybody in.

use crate::support;
use crate::support::aws_driver::JDBC;
use crate::support::hostile::{
    LENGTHS, MECHANISM, Verdict, asked, assert_unharmed, challenged, demo, prefer, told, verdict, wrong_password,
};
use crate::support::raw::{
    GSSENC_REQUEST, SSL_REQUEST, field, message, read_message, say, startup, unknown_cancel_request,
};
use crate::support::scram::{Scram, initial_response};
use crate::support::{PASSWORD, Rig, Setup, USER};
use tokio::io::AsyncWriteExt;

/// CVE-2026-107350: a startup packet in the midst of SCRAM must not become another login.
#[tokio::test]
async fn nothing_but_the_answer_to_a_challenge_goes_on_with_scram() {
    let rig = prefer().await;
    let cancel = unknown_cancel_request();
    let intruders = [
        ("the same startup message", demo()),
        ("a startup message for another user", startup(0, &[("user", "guest"), ("database", "sales")])),
        ("one of 3.2", startup(2, &[("user", USER), ("database", "sales")])),
        ("SSLRequest", SSL_REQUEST.to_vec()),
        ("GSSENCRequest", GSSENC_REQUEST.to_vec()),
        ("CancelRequest", cancel),
        ("Query", message(b'Q', b"select 1\0")),
        ("Parse", message(b'P', b"\0select 1\0\0\0")),
        ("Flush", message(b'H', b"")),
        ("Sync", message(b'S', b"")),
        ("Terminate", message(b'X', b"")),
        ("CopyData", message(b'd', b"x")),
        ("a type that there is not", message(0xff, b"x")),
    ];
    for encrypted in [false, true] {
        for (name, intruder) in &intruders {
            for in_between in [false, true] {
                let scram = Scram::default();
                let (mut stream, rest) = if in_between {
                    let (stream, challenge) = challenged(&rig, encrypted, &scram).await;
                    let last = scram.last(&challenge, PASSWORD);
                    (stream, message(b'p', last.as_bytes()))
                } else {
                    let first = initial_response(MECHANISM, scram.first().as_bytes());
                    (asked(&rig, encrypted, &demo()).await, first)
                };
                // What would be right, but for the intruder ahead of it.
                say(&mut stream, &[&intruder[..], &rest, &message(b'Q', b"select 1\0")].concat()).await;
                stream.shutdown().await.unwrap();
                let verdict = verdict(&mut stream).await;
                assert!(verdict == Verdict::Silence || verdict.is("08P01"), "{name} {in_between}: {verdict:?}");
            }
        }
    }
    assert_eq!(rig.sandbox().warehouse.dials(), 0);
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn impossible_lengths_of_answers_are_refused() {
    let rig = Rig::start().await;
    let length_refused = Verdict::refused("08P01", "protocol error: expected a message of a possible length");
    for length in LENGTHS.into_iter().chain([10_001]) {
        let header = [&b"p"[..], &length.to_be_bytes()].concat();
        let mut password = asked(&rig, true, &JDBC.startup()).await;
        let mut first = asked(&rig, true, &demo()).await;
        let (mut second, _) = challenged(&rig, true, &Scram::default()).await;
        for (name, stream) in [("password", &mut password), ("first", &mut first), ("second", &mut second)] {
            say(stream, &header).await;
            let verdict = verdict(stream).await;
            if length == 4 {
                // Possible, but an empty answer.
                assert!(verdict.is("08P01") || verdict == wrong_password(), "{name}: {verdict:?}");
            } else {
                assert_eq!(verdict, length_refused, "{name} {length}");
            }
        }
    }
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn a_password_of_any_length_that_fits_is_just_wrong() {
    let rig = Rig::start().await;
    for bytes in [0, 1, 1000, 10_000 - 5] {
        let mut stream = asked(&rig, true, &JDBC.startup()).await;
        let password = [&vec![b'x'; bytes][..], b"\0"].concat();
        say(&mut stream, &message(b'p', &password)).await;
        assert_eq!(verdict(&mut stream).await, wrong_password(), "{bytes}");
    }
    let mut stream = asked(&rig, true, &JDBC.startup()).await;
    say(&mut stream, &message(b'p', &[&[b'x'; 9996][..], b"\0"].concat())).await;
    assert!(verdict(&mut stream).await.is("08P01"));
    for malformed in [&b""[..], b"demo-password", b"demo-password\0x", b"\0demo-password\0", b"demo\xffpassword\0"] {
        let mut stream = asked(&rig, true, &JDBC.startup()).await;
        say(&mut stream, &message(b'p', malformed)).await;
        let expected = Verdict::refused("08P01", "protocol error: expected a PasswordMessage");
        assert_eq!(verdict(&mut stream).await, expected, "{}", malformed.escape_ascii());
    }
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn a_password_is_never_asked_for_in_clear() {
    let config =
        format!("[users.plain]\npassword = \"{}\"\nmethod = \"cleartext\"\nconnections = [\"*\"]", support::verifier());
    let rig = Rig::with(Setup { tls: "prefer", config, ..Setup::default() }).await;
    for packet in [JDBC.startup(), startup(0, &[("user", "plain"), ("database", "sales")])] {
        assert_eq!(told(&rig, false, &packet).await, Verdict::refused("28000", "TLS is required"));
    }
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn malformed_sasl_initial_responses_are_refused() {
    let rig = prefer().await;
    let first = Scram::default().first();
    let with_length =
        |length: u32| message(b'p', &[&b"SCRAM-SHA-256\0"[..], &length.to_be_bytes(), first.as_bytes()].concat());
    let right = u32::try_from(first.len()).unwrap();
    let malformed = [
        message(b'p', b""),
        message(b'p', b"\0"),
        message(b'p', b"SCRAM-SHA-256"),
        message(b'p', b"SCRAM-SHA-256\0"),
        message(b'p', b"SCRAM-SHA-256\0\0\0\0"),
        message(b'p', b"SCRAM-SHA-256\0\xff\xff\xff\xff"),
        message(b'p', b"SCRAM\xff\0\0\0\0\x01x"),
        with_length(0),
        with_length(right - 1),
        with_length(right + 1),
        with_length(u32::MAX),
        with_length(1 << 31),
        with_length(i32::MAX as u32),
        initial_response("SCRAM-SHA-256-PLUS", first.as_bytes()),
        initial_response("SCRAM-SHA-1", first.as_bytes()),
        initial_response("scram-sha-256", first.as_bytes()),
        initial_response("PLAIN", b"\0demo\0demo-password"),
        initial_response("", first.as_bytes()),
        initial_response(&"X".repeat(5000), first.as_bytes()),
    ];
    let expected = Verdict::refused("08P01", "protocol error: expected a SASLInitialResponse for SCRAM-SHA-256");
    for (at, response) in malformed.iter().enumerate() {
        let mut stream = asked(&rig, at % 2 == 0, &demo()).await;
        say(&mut stream, response).await;
        assert_eq!(verdict(&mut stream).await, expected, "{}", response.escape_ascii());
    }
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn garbage_for_a_first_scram_message_reads_like_a_wrong_password() {
    let rig = prefer().await;
    let huge = format!("n,,n=,r={}", "n".repeat(9_900));
    let garbage: &[&[u8]] = &[
        b"",
        b"n",
        b",",
        b",,",
        b",,,,,,,,",
        b"n,,",
        b"n,,n=",
        b"n,,n=,",
        b"n,,n=,r=",
        b"n,,r=abc",
        b"x,,n=,r=abc",
        b"n,a=guest,n=,r=abc",
        b"n,,m=ext,n=,r=abc",
        b"p=tls-server-end-point,,n=,r=abc",
        b"p=tls-unique,,n=,r=abc",
        b"p=,,n=,r=abc",
        b"n,,n=\xff,r=abc",
        b"\0\0\0\0",
        b"n,,n=,r=a\0b",
        b"n,,n=,r=abc,r=def",
        huge.as_bytes(),
        &[0xff; 9_000],
        &[b','; 9_000],
    ];
    for (at, first) in garbage.iter().enumerate() {
        let mut stream = asked(&rig, at % 2 == 0, &demo()).await;
        say(&mut stream, &initial_response(MECHANISM, first)).await;
        // Some are taken; then a proof is owed, and this is none.
        say(&mut stream, &message(b'p', b"c=biws,r=abc,p=AAAA")).await;
        let verdict = verdict(&mut stream).await;
        assert_eq!(verdict, wrong_password(), "{}", first.escape_ascii());
    }
    assert_eq!(rig.sandbox().warehouse.dials(), 0);
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn garbage_for_a_second_scram_message_reads_like_a_wrong_password() {
    let rig = prefer().await;
    let scram = Scram::default();
    let garbage = |challenge: &str| -> Vec<Vec<u8>> {
        let nonce = support::scram::part(challenge, "r=");
        let right = scram.last(challenge, PASSWORD);
        let (unproven, proof) = right.split_once(",p=").unwrap();
        let mut texts = vec![
            scram.last(challenge, "wrong"),
            // Another nonce, ours alone, none; each with a proof that covers it.
            scram.last_with("biws", "abc", challenge, PASSWORD),
            scram.last_with("biws", &scram.nonce, challenge, PASSWORD),
            scram.last_with("biws", "", challenge, PASSWORD),
            scram.last_with("biws", &format!("{nonce}x"), challenge, PASSWORD),
            // Another channel binding than was announced: `y,,`, `p=…,,`, none, not base64.
            scram.last_with("eSws", nonce, challenge, PASSWORD),
            scram.last_with("cD10bHMtc2VydmVyLWVuZC1wb2ludCwsYWJj", nonce, challenge, PASSWORD),
            scram.last_with("", nonce, challenge, PASSWORD),
            scram.last_with("!!!!", nonce, challenge, PASSWORD),
            unproven.to_owned(),
            format!("{unproven},p="),
            format!("{unproven},p=AAAA"),
            format!("{unproven},p={}", "A".repeat(43) + "="),
            format!("{unproven},p=!{proof}"),
            format!("{unproven},p={proof}{}", "A".repeat(8000)),
            "c=biws".to_owned(),
            "c=biws,r=".to_owned(),
            ",,,".to_owned(),
            "=,=,=".to_owned(),
            String::new(),
            "e=other-error".to_owned(),
            "x".repeat(9_990),
        ];
        texts.push(format!("{},p={}", scram.first(), proof));
        let mut all: Vec<_> = texts.into_iter().map(String::into_bytes).collect();
        all.extend([vec![0xff; 9_000], vec![0; 100], b"c=biws,r=\xff,p=\xff".to_vec()]);
        all
    };
    let count = garbage("r=x,s=AAAA,i=1").len();
    for at in 0..count {
        let (mut stream, challenge) = challenged(&rig, at % 2 == 0, &scram).await;
        let last = &garbage(&challenge)[at];
        say(&mut stream, &message(b'p', last)).await;
        assert_eq!(verdict(&mut stream).await, wrong_password(), "{at} {}", last.escape_ascii());
    }
    assert_eq!(rig.sandbox().warehouse.dials(), 0);
    assert_unharmed(&rig).await;
}

/// Each with the password's own proof: what is wrong is what the proof is bound to, or a demand
/// that is not met.
#[tokio::test]
async fn a_right_proof_does_not_make_up_for_a_wrong_first_message() {
    let rig = Rig::start().await;
    for gs2 in ["p=tls-server-end-point,,", "p=tls-unique,,", "p=,,", "x,,", "n,,m=ext,"] {
        let mut stream = asked(&rig, true, &demo()).await;
        let scram = Scram { gs2: gs2.into(), ..Scram::default() };
        say(&mut stream, &initial_response(MECHANISM, scram.first().as_bytes())).await;
        let (tag, body) = read_message(&mut stream).await.unwrap();
        if tag == b'R' {
            let last = scram.last(std::str::from_utf8(&body[4..]).unwrap(), PASSWORD);
            say(&mut stream, &message(b'p', last.as_bytes())).await;
            assert_eq!(verdict(&mut stream).await, wrong_password(), "{gs2}");
        } else {
            assert_eq!((tag, &*field(&body, b'C')), (b'E', "28P01"), "{gs2}");
        }
    }
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn an_answer_to_one_challenge_does_not_answer_another() {
    let rig = Rig::start().await;
    let scram = Scram::default();
    let (_first, challenge) = challenged(&rig, true, &scram).await;
    let (mut second, another) = challenged(&rig, true, &scram).await;
    assert_ne!(challenge, another, "the server's nonce is new each time");
    say(&mut second, &message(b'p', scram.last(&challenge, PASSWORD).as_bytes())).await;
    assert_eq!(verdict(&mut second).await, wrong_password());
}

#[tokio::test]
async fn a_client_that_could_bind_channels_but_sees_no_offer_gets_in() {
    let rig = prefer().await;
    let scram = Scram { gs2: "y,,".into(), ..Scram::default() };
    // In clear there is no channel to bind to.
    let (mut stream, challenge) = challenged(&rig, false, &scram).await;
    say(&mut stream, &message(b'p', scram.last(&challenge, PASSWORD).as_bytes())).await;
    let (tag, body) = read_message(&mut stream).await.unwrap();
    assert_eq!((tag, &body[..4]), (b'R', &[0, 0, 0, 12][..]));
    let (tag, body) = read_message(&mut stream).await.unwrap();
    assert_eq!((tag, &body[..]), (b'R', &[0, 0, 0, 0][..]));
}
