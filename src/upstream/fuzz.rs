//! A warehouse that says anything during login: nothing panics, no password goes out twice, and
//! nobody who does not know it passes for the warehouse by SCRAM. The same sayings each time.

use proptest::prelude::*;

use super::auth::Authentication;
use super::digest::DigestRequest;
use super::server_error::ServerError;
use crate::credentials::DbLogin;
use crate::secret::Secret;
use crate::seeded::cases;
use crate::wire::{Frame, message};

const PASSWORD: &str = "MyTempPassw0rd!";

/// Long texts of one byte: as good as any here, and made at once.
fn long(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    (any::<u8>(), 0..longest).prop_map(|(byte, length)| vec![byte; length])
}

fn bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..longest)
}

/// An authentication request, of any kind; `{nonce}` stands for the one that we sent.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let with_code = |code: u32, data: &[u8]| [&code.to_be_bytes()[..], data].concat();
    let rounds = prop::sample::select(vec!["0", "1", "2", "-1", "100001", "4294967296", "", "x"]);
    let nonce = prop::sample::select(vec!["{nonce}", "{nonce}x", "x", ""]);
    let challenge = (nonce, "[A-Za-z0-9+/=,]{0,24}", rounds);
    prop_oneof![
        1 => bytes(40),
        2 => (0u32..16, bytes(40)).prop_map(move |(code, data)| with_code(code, &data)),
        2 => prop::sample::select(vec![0, 3]).prop_map(move |code| with_code(code, b"")),
        1 => Just(with_code(5, b"abcd")),
        4 => Just(with_code(10, b"SCRAM-SHA-256\0\0")),
        4 => challenge.prop_map(move |(nonce, salt, rounds)| {
            with_code(11, format!("r={nonce},s={salt},i={rounds}").as_bytes())
        }),
        2 => "v=[A-Za-z0-9+/=]{0,44}".prop_map(move |proof| with_code(12, proof.as_bytes())),
        2 => (bytes(20), bytes(20)).prop_map(move |(salt, nonce)| with_code(13, &digest(0, &salt, &nonce))),
    ]
}

fn digest(algorithm: u32, salt: &[u8], nonce: &[u8]) -> Vec<u8> {
    let prefixed = |part: &[u8]| [&u32::try_from(part.len()).unwrap().to_be_bytes(), part].concat();
    [&algorithm.to_be_bytes()[..], &prefixed(salt), &prefixed(nonce)].concat()
}

/// The requests, the answers to them, and whether the warehouse passed for itself.
async fn dialogue(requests: &[Vec<u8>]) -> (Vec<(Vec<u8>, Vec<u8>)>, bool) {
    let login = DbLogin { user: "IAMR:rs01".into(), password: Secret::new(PASSWORD.into()), expires_at: None };
    let mut authentication = Authentication::new("warehouse", &login);
    let (mut sent, mut nonce) = (Vec::new(), String::new());
    for request in requests {
        let request = match std::str::from_utf8(request) {
            Ok(text) => text.replace("{nonce}", &nonce).into_bytes(),
            Err(_) => request.clone(),
        };
        let Ok(answer) = authentication.answer(&request).await else { break };
        let Some(answer) = answer else { continue };
        if let Some((_, rest)) = String::from_utf8_lossy(&answer).split_once("n,,n=,r=") {
            rest.clone_into(&mut nonce);
        }
        sent.push((request, answer.to_vec()));
    }
    (sent, authentication.is_ok())
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn any_sequence_of_authentication_requests_gets_one_proof_at_most(requests in prop::collection::vec(request(), 0..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (sent, is_ok) = runtime.block_on(dialogue(&requests));
        let by_scram =
            sent.first().is_some_and(|(_, first)| first.starts_with(b"p") && first[5..].starts_with(b"SCRAM"));
        let holds = |sent: &[u8]| sent.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes());
        let most = if by_scram { 2 } else { 1 };
        prop_assert!(sent.len() <= most);
        for (request, sent) in &sent {
            prop_assert_eq!(holds(sent), !by_scram && *request == [0, 0, 0, 3], "the password itself");
        }
        prop_assert!(!(by_scram && is_ok), "it does not know the password");
    }
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn digest_requests_of_any_bytes_are_read_whole_or_refused(body in bytes(60)) {
        // The algorithm of the first half is the one that there is.
        for body in [&body[..], &[&[0; 4], &body[..]].concat()] {
            prop_assert!(DigestRequest::parse(body).is_err() || body.len() >= 12);
        }
    }

    #[test]
    fn digest_requests_are_read_up_to_1024_bytes_of_each_part(salt in long(1100), nonce in long(1100), more in bytes(2)) {
        let whole = digest(0, &salt, &nonce);
        let fits = salt.len() <= 1024 && nonce.len() <= 1024;
        prop_assert_eq!(DigestRequest::parse(&whole).is_ok(), fits);
        prop_assert_eq!(DigestRequest::parse(&[&whole[..], &more].concat()).is_ok(), fits && more.is_empty());
        prop_assert!(DigestRequest::parse(&whole[..whole.len() - 1]).is_err());
        prop_assert!(DigestRequest::parse(&digest(1, &salt, &nonce)).is_err());
    }

    #[test]
    fn the_last_field_of_a_kind_counts_and_unknown_ones_do_not(
        fields in prop::collection::vec((prop::sample::select(b"SVCMDHPpqWscdtnFLR~\x01".to_vec()), "[ -~]{0,20}"), 0..8),
    ) {
        let mut body: Vec<u8> = Vec::new();
        for (code, text) in &fields {
            body.extend([&[*code], text.as_bytes(), b"\0"].concat());
        }
        body.push(0);
        let error = ServerError::new(&Frame::from_bytes(&message(b'E', &body)));
        let last = fields.iter().rev().find(|(code, _)| *code == b'C').map_or("", |(_, text)| text);
        prop_assert_eq!(error.sqlstate(), last);
        let has = |wanted: u8| fields.iter().any(|(code, _)| *code == wanted);
        prop_assert!(error.as_sent().is_none() || has(b'S') && has(b'C') && has(b'M'));
    }
}
