//! A client that says anything: nothing panics, and nobody gets in without the password. The same
//! sayings each time.

use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use proptest::prelude::*;

use super::tests::{bound, verifiers};
use super::*;
use crate::seeded::cases;

const OUR_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

fn first_message() -> impl Strategy<Value = Vec<u8>> {
    let flag = prop::sample::select(vec!["n", "y", "p=tls-server-end-point", "p=tls-unique", "p=", "x", ""]);
    let between = prop::sample::select(vec![",,", ",", ",a=guest,", ",,m=ext,"]);
    let shaped = (flag, between, "n=[a-z=,\0]{0,5}", ",?r=[!-~]{0,20}", "(,[a-z]=[!-~]{0,5})?");
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..60),
        4 => shaped.prop_map(|(flag, between, name, nonce, more)| format!("{flag}{between}{name},{nonce}{more}").into_bytes()),
    ]
}

/// `{nonce}` and `{binding}` stand for what would be right.
fn last_message() -> impl Strategy<Value = Vec<u8>> {
    let binding = prop::sample::select(vec!["{binding}", "biws", "eSws", "", "!"]);
    let nonce = prop::sample::select(vec!["{nonce}", "{nonce}x", "x", ""]);
    let shaped = (binding, nonce, "(,[a-z]=[!-~]{0,5})?", "[A-Za-z0-9+/]{43}=|[A-Za-z0-9+/=]{0,60}");
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..100),
        4 => shaped.prop_map(|(binding, nonce, more, proof)| format!("c={binding},r={nonce}{more},p={proof}").into_bytes()),
    ]
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn no_sasl_messages_of_a_client_prove_what_it_does_not_know(
        plus: bool, is_bound: bool, first in first_message(), last in last_message(),
    ) {
        let offer = if is_bound { bound() } else { Offer::new(None) };
        let mechanism = if plus { Mechanism::ScramPlus } else { Mechanism::Scram };
        let verifiers = verifiers(["pencil", "other"]);
        if let Ok(challenged) = offer.first(mechanism, &first, &verifiers, OUR_NONCE) {
            prop_assert_eq!(plus, first.starts_with(b"p="));
            prop_assert!(!is_bound || !first.starts_with(b"y"), "a downgrade");
            let text = String::from_utf8_lossy(&last).into_owned();
            let last = match std::str::from_utf8(&last) {
                Ok(_) => text.replace("{nonce}", &challenged.nonce).replace("{binding}", &challenged.binding).into_bytes(),
                Err(_) => last,
            };
            prop_assert!(challenged.last(&last, &verifiers).is_err());
        }
    }

    /// A proof that is right, with one byte of it another.
    #[test]
    fn a_right_proof_with_one_byte_changed_is_none(at: prop::sample::Index, byte: u8) {
        let verifiers = verifiers(["pencil", "other"]);
        let mut client = ScramSha256::new(b"pencil", ChannelBinding::unsupported());
        let challenged = Offer::new(None).first(Mechanism::Scram, client.message(), &verifiers, OUR_NONCE).unwrap();
        client.update(challenged.server_first().as_bytes()).unwrap();
        let mut last = client.message().to_vec();
        let at = at.index(last.len());
        let is_right = last[at] == byte;
        last[at] = byte;
        prop_assert_eq!(challenged.last(&last, &verifiers).is_ok(), is_right);
    }
}
