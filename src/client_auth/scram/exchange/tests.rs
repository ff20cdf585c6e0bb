use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

use super::*;
use crate::client_auth::verifiers::Keys;
use crate::crypto::Verifier;
use crate::secret::Secret;

/// RFC 7677 section 3.
const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

pub(super) fn verifiers(passwords: [&str; 2]) -> Verifiers {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let keys = |password: &str| Keys::from(&Verifier::derive(&Secret::new(password.into()), &salt, 4096));
    Verifiers { keys: passwords.map(keys), salt, iterations: 4096 }
}

pub(super) fn bound() -> Offer {
    Offer::new(Some(b"the hash of a certificate".as_slice().into()))
}

fn first(offer: Offer, mechanism: Mechanism, message: &str) -> Result<Challenged, Reason> {
    offer.first(mechanism, message.as_bytes(), &verifiers(["pencil", "other"]), SERVER_NONCE)
}

#[test]
fn the_exchange_of_rfc_7677_holds() {
    let verifiers = verifiers(["pencil", "other"]);
    let message = format!("n,,n=user,r={CLIENT_NONCE}");
    let challenged = first(Offer::new(None), Mechanism::Scram, &message).unwrap();
    assert_eq!(
        challenged.server_first(),
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
    let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let proven = challenged.last(last.as_bytes(), &verifiers).unwrap();
    assert_eq!((proven.index, &*proven.server_final), (0, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
}

/// One exchange with the client of postgres_protocol, which checks our signature.
fn exchange(offer: Offer, mechanism: Mechanism, password: &str, binding: ChannelBinding) -> Result<usize, Reason> {
    let verifiers = verifiers(["pencil", "päper"]);
    let mut client = ScramSha256::new(password.as_bytes(), binding);
    let challenged = offer.first(mechanism, client.message(), &verifiers, SERVER_NONCE)?;
    client.update(challenged.server_first().as_bytes()).unwrap();
    let proven = challenged.last(client.message(), &verifiers)?;
    client.finish(proven.server_final.as_bytes()).unwrap();
    Ok(proven.index)
}

#[test]
fn another_implementations_client_gets_in_by_either_password_bound_or_not() {
    let end_point = || ChannelBinding::tls_server_end_point(b"the hash of a certificate".to_vec());
    for (password, want) in [("pencil", Ok(0)), ("päper", Ok(1)), ("wrong", Err(Reason::WrongPassword))] {
        let plain = exchange(Offer::new(None), Mechanism::Scram, password, ChannelBinding::unsupported());
        assert_eq!(plain, want, "{password}");
        let unoffered = exchange(Offer::new(None), Mechanism::Scram, password, ChannelBinding::unrequested());
        assert_eq!(unoffered, want, "{password}");
        let unable = exchange(bound(), Mechanism::Scram, password, ChannelBinding::unsupported());
        assert_eq!(unable, want, "{password}");
        assert_eq!(exchange(bound(), Mechanism::ScramPlus, password, end_point()), want, "{password}");
    }
    let elsewhere = ChannelBinding::tls_server_end_point(b"the hash of another one".to_vec());
    assert_eq!(exchange(bound(), Mechanism::ScramPlus, "pencil", elsewhere), Err(Reason::OtherChannel));
    let elsewhere = ChannelBinding::tls_server_end_point(b"the hash of another one".to_vec());
    assert_eq!(exchange(bound(), Mechanism::ScramPlus, "wrong", elsewhere), Err(Reason::OtherExchange));
}

/// CVE-2025-49146 and jackc/pgx#2578 are the clients' side of it.
#[test]
fn plus_offered_but_y_flag_sent_is_refused_as_a_downgrade() {
    let refused = exchange(bound(), Mechanism::Scram, "pencil", ChannelBinding::unrequested());
    assert_eq!(refused, Err(Reason::Downgrade));
}

#[test]
fn mechanism_and_gs2_header_must_agree_on_channel_binding() {
    for (mechanism, gs2) in [
        (Mechanism::Scram, "p=tls-server-end-point,,"),
        (Mechanism::ScramPlus, "n,,"),
        (Mechanism::ScramPlus, "y,,"),
        (Mechanism::ScramPlus, "p=tls-unique,,"),
        (Mechanism::ScramPlus, "p=tls-exporter,,"),
        (Mechanism::ScramPlus, "p=,,"),
        (Mechanism::ScramPlus, "p=tls-server-end-point,a=guest,"),
    ] {
        let refused = first(bound(), mechanism, &format!("{gs2}n=,r=abc")).err();
        assert_eq!(refused, Some(Reason::Malformed), "{mechanism:?} {gs2}");
    }
    assert_eq!(bound().mechanisms(), ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]);
    assert_eq!(Offer::new(None).mechanisms(), ["SCRAM-SHA-256"]);
    assert_eq!(Offer::new(None).mechanism("SCRAM-SHA-256-PLUS"), None);
}

#[test]
fn first_messages_are_taken_by_their_grammar_alone() {
    let long = |length: usize| format!("n,,n=,r={}", "x".repeat(length));
    for good in ["n,,n=,r=abc", "y,,n=*,r=a", "n,,n=other=2Cuser,r=!~", "n,,n=,r=abc,x=y,z=", &long(1024)] {
        assert!(First::parse(good.as_bytes()).is_some(), "{good}");
    }
    for bad in [
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=",
        "n,,n=,",
        "n,,n=,r=",
        "n,,r=abc",
        "n,,n=,r=a b",
        "n,,n=,r=ab\u{e9}",
        "n,,n=,r=abc,",
        "n,,n=,r=abc,r=def",
        "n,,n=,r=abc,m=ext",
        "n,,n=,r=abc,xy=z",
        "n,,m=ext,n=,r=abc",
        "n,a=guest,n=,r=abc",
        "n,x,n=,r=abc",
        "x,,n=,r=abc",
        "N,,n=,r=abc",
        "nn,,n=,r=abc",
        "p,,n=,r=abc",
        &long(1025),
    ] {
        assert!(First::parse(bad.as_bytes()).is_none(), "{bad}");
    }
    assert!(First::parse(b"n,,n=\xff,r=abc").is_none());
}

#[test]
fn final_messages_are_taken_by_their_grammar_alone() {
    let proof = STANDARD.encode([7; 32]);
    assert!(Last::parse(format!("c=biws,r=abc,p={proof}").as_bytes()).is_some());
    assert!(Last::parse(format!("c=biws,r=abc,x=y,p={proof}").as_bytes()).is_some());
    for bad in [
        String::new(),
        "c=biws,r=abc".to_owned(),
        "c=biws,r=abc,p=".to_owned(),
        format!("c=biws,r=abc,p={proof},x=y"),
        format!("c=biws,r=abc,p={proof},p={proof}"),
        format!("r=abc,c=biws,p={proof}"),
        format!("c=biws,p={proof}"),
        format!("c=biws,r=abc,m=x,p={proof}"),
        format!("c=biws,r=abc,p= {proof}"),
        format!("c=biws,r=abc,p={}", STANDARD.encode([7; 31])),
        format!("c=biws,r=abc,p={}", STANDARD.encode([7; 33])),
    ] {
        assert!(Last::parse(bad.as_bytes()).is_none(), "{bad}");
    }
}

/// Each with a proof that covers it.
#[test]
fn a_proof_of_another_exchange_proves_nothing() {
    let own = format!("{CLIENT_NONCE}{SERVER_NONCE}");
    for (binding, nonce) in [("biws", "abc"), ("biws", CLIENT_NONCE), ("eSws", &own), ("", &own), ("biwsYWJj", &own)] {
        let challenged = first(Offer::new(None), Mechanism::Scram, &format!("n,,n=,r={CLIENT_NONCE}")).unwrap();
        let last = format!("c={binding},r={nonce},p={}", STANDARD.encode([7; 32]));
        let refused = challenged
            .last(last.as_bytes(), &verifiers(["pencil", "other"]))
            .err();
        assert_eq!(refused, Some(Reason::OtherExchange), "{binding} {nonce}");
    }
}
