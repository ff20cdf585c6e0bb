//! SCRAM-SHA-256-PLUS: the proof of a password is bound to the certificate that the client was
//! shown (tls-server-end-point).

use crate::support;
use crate::support::hostile::{
    MECHANISM, Verdict, asked, assert_unharmed, challenged, demo, prefer, verdict, wrong_password,
};
use crate::support::raw::{Stream, message, read_message, say};
use crate::support::scram::{Scram, initial_response, part};
use crate::support::{PASSWORD, Rig, Setup, World, raw};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use redshift_sandbox::ca::Leaf;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

const MECHANISM_PLUS: &str = "SCRAM-SHA-256-PLUS";

fn bound() -> Scram {
    Scram { gs2: "p=tls-server-end-point,,".into(), ..Scram::default() }
}

/// The certificate's hash; the sandbox's CA signs by SHA-256.
fn end_point(certificate: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, certificate)
        .as_ref()
        .to_vec()
}

/// A client bound to a certificate, up to its proof.
async fn bound_to(rig: &Rig, certificate: &[u8]) -> Stream {
    let mut stream = asked(rig, true, &demo()).await;
    let scram = bound();
    say(&mut stream, &initial_response(MECHANISM_PLUS, scram.first().as_bytes())).await;
    let (tag, body) = read_message(&mut stream).await.unwrap();
    assert_eq!((tag, &body[..4]), (b'R', &[0, 0, 0, 11][..]));
    let challenge = std::str::from_utf8(&body[4..]).unwrap();
    let binding = STANDARD.encode([scram.gs2.as_bytes(), &end_point(certificate)].concat());
    let last = scram.last_with(&binding, part(challenge, "r="), challenge, PASSWORD);
    say(&mut stream, &message(b'p', last.as_bytes())).await;
    stream
}

#[tokio::test]
async fn psql_binds_its_channel_where_it_must_and_gets_in_where_it_may_not() {
    let rig = Rig::start().await;
    for binding in ["require", "prefer", "disable"] {
        let mut psql = rig.world.psql(rig.port());
        psql.env("PGCHANNELBINDING", binding)
            .args(["-d", "sales", "-c", "select 1"]);
        let output = psql.output().await.unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && out == "1\n", "{binding}: {out}{err}");
    }
    let mut psql = rig.world.psql(rig.port());
    psql.env("PGCHANNELBINDING", "require")
        .env("PGPASSWORD", "wrong")
        .args(["-d", "sales", "-c", "select 1"]);
    let output = psql.output().await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("password authentication failed for user \"demo\""), "{told}");
}

#[tokio::test]
async fn plus_comes_first_inside_tls_and_is_not_offered_in_clear() {
    let rig = prefer().await;
    for (encrypted, want) in
        [(true, &b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"[..]), (false, b"\0\0\0\x0aSCRAM-SHA-256\0\0")]
    {
        let mut stream = support::hostile::connection(&rig, encrypted).await;
        say(&mut stream, &demo()).await;
        let (tag, body) = read_message(&mut stream).await.unwrap();
        assert_eq!((tag, &*body.escape_ascii().to_string()), (b'R', &*want.escape_ascii().to_string()));
    }
    assert_unharmed(&rig).await;
}

/// TLS is encrypted anew in front of the proxy: nothing that the client could bind to is what the
/// proxy shows.
#[tokio::test]
async fn with_channel_binding_off_plus_is_not_offered_and_clients_get_in() {
    let mut world = World::start(&Setup { config: "[limits]\nban_after = 0\n".into(), ..Setup::default() }).await;
    world.edit("[listen.tls]\n", "[listen.tls]\nchannel_binding = \"off\"\n");
    let rig = Rig::over(world).await;
    let mut stream = support::hostile::connection(&rig, true).await;
    say(&mut stream, &demo()).await;
    let (tag, body) = read_message(&mut stream).await.unwrap();
    assert_eq!((tag, &body[..]), (b'R', &b"\0\0\0\x0aSCRAM-SHA-256\0\0"[..]));
    drop(stream);
    // `y`: it could bind, but was made no offer, which is so.
    for gs2 in ["n,,", "y,,"] {
        let scram = Scram { gs2: gs2.into(), ..Scram::default() };
        let (mut stream, challenge) = challenged(&rig, true, &scram).await;
        say(&mut stream, &message(b'p', scram.last(&challenge, PASSWORD).as_bytes())).await;
        let (_, body) = read_message(&mut stream).await.unwrap();
        assert_eq!(body[..4], [0, 0, 0, 12], "{gs2}: SASLFinal");
    }
    // Who binds all the same is not taken for one that does not.
    let mut stream = asked(&rig, true, &demo()).await;
    say(&mut stream, &initial_response(MECHANISM, bound().first().as_bytes())).await;
    assert_eq!(verdict(&mut stream).await, wrong_password());
    let mut stream = asked(&rig, true, &demo()).await;
    say(&mut stream, &initial_response(MECHANISM_PLUS, bound().first().as_bytes())).await;
    let expected = Verdict::refused("08P01", "protocol error: expected a SASLInitialResponse for SCRAM-SHA-256");
    assert_eq!(verdict(&mut stream).await, expected);
    for (binding, gets_in) in [("prefer", true), ("disable", true), ("require", false)] {
        let mut psql = rig.world.psql(rig.port());
        let output = psql
            .env("PGCHANNELBINDING", binding)
            .args(["-d", "sales", "-c", "select 1"])
            .output()
            .await
            .unwrap();
        assert_eq!(output.status.success(), gets_in, "{binding}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_unharmed(&rig).await;
}

/// One in the middle who has a certificate of the same CA, and passes on what the client says.
#[tokio::test]
async fn a_proof_bound_to_another_certificate_is_refused() {
    let rig = Rig::start().await;
    let shown = raw::certificate(rig.port(), rig.sandbox().ca.pem()).await;
    let mut stream = bound_to(&rig, &shown).await;
    let (tag, body) = read_message(&mut stream).await.unwrap();
    assert_eq!((tag, &body[..4]), (b'R', &[0, 0, 0, 12][..]), "SASLFinal");
    drop(stream);

    let Leaf { cert_pem, .. } = rig.sandbox().ca.issue(&["localhost", "127.0.0.1"]);
    let others = CertificateDer::from_pem_slice(cert_pem.as_bytes()).unwrap();
    // Its password is right, so that it is no guess: more of them than `limits.ban_after` lead to
    // no ban.
    for _ in 0..11 {
        let mut stream = bound_to(&rig, &others).await;
        assert_eq!(verdict(&mut stream).await, wrong_password());
    }
    assert!(rig.app.bans().is_empty());
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn channels_are_bound_to_a_renewed_certificate_from_then_on() {
    let rig = Rig::start().await;
    let before = raw::certificate(rig.port(), rig.sandbox().ca.pem()).await;
    rig.world.new_certificate(&["localhost", "127.0.0.1"]);
    rig.app.read_references().await;
    assert_eq!(verdict(&mut bound_to(&rig, &before).await).await, wrong_password());
    let after = raw::certificate(rig.port(), rig.sandbox().ca.pem()).await;
    let (tag, body) = read_message(&mut bound_to(&rig, &after).await)
        .await
        .unwrap();
    assert_eq!((tag, &body[..4]), (b'R', &[0, 0, 0, 12][..]), "SASLFinal");
}

/// PLUS offered → client `y` flag rejected as downgrade (CVE-2025-49146, jackc/pgx#2578): somebody
/// has taken it off the list.
#[tokio::test]
async fn a_client_that_saw_no_offer_of_plus_though_there_was_one_is_refused() {
    let rig = Rig::start().await;
    let mut stream = asked(&rig, true, &demo()).await;
    let scram = Scram { gs2: "y,,".into(), ..Scram::default() };
    say(&mut stream, &initial_response(MECHANISM, scram.first().as_bytes())).await;
    assert_eq!(verdict(&mut stream).await, wrong_password());
    // One that cannot bind may go on without.
    let scram = Scram::default();
    let (mut stream, challenge) = challenged(&rig, true, &scram).await;
    say(&mut stream, &message(b'p', scram.last(&challenge, PASSWORD).as_bytes())).await;
    let (_, body) = read_message(&mut stream).await.unwrap();
    assert_eq!(body[..4], [0, 0, 0, 12], "SASLFinal");
}

/// Each with a proof that is right, but for what it is bound to.
#[tokio::test]
async fn plus_without_a_binding_or_with_another_kind_is_refused() {
    let rig = Rig::start().await;
    for gs2 in ["n,,", "y,,", "p=tls-unique,,", "p=tls-exporter,,", "p=,,", "p=tls-server-end-point,a=guest,"] {
        let mut stream = asked(&rig, true, &demo()).await;
        let scram = Scram { gs2: gs2.into(), ..Scram::default() };
        say(&mut stream, &initial_response(MECHANISM_PLUS, scram.first().as_bytes())).await;
        assert_eq!(verdict(&mut stream).await, wrong_password(), "{gs2}");
    }
    let mut stream = asked(&rig, true, &demo()).await;
    // Announced, then left out.
    let scram = bound();
    say(&mut stream, &initial_response(MECHANISM_PLUS, scram.first().as_bytes())).await;
    let (_, body) = read_message(&mut stream).await.unwrap();
    let last = scram.last(std::str::from_utf8(&body[4..]).unwrap(), PASSWORD);
    say(&mut stream, &message(b'p', last.as_bytes())).await;
    assert_eq!(verdict(&mut stream).await, wrong_password());
    // In clear it cannot be asked for at all.
    let rig = prefer().await;
    let mut stream = asked(&rig, false, &demo()).await;
    say(&mut stream, &initial_response(MECHANISM_PLUS, bound().first().as_bytes())).await;
    let expected = Verdict::refused("08P01", "protocol error: expected a SASLInitialResponse for SCRAM-SHA-256");
    assert_eq!(verdict(&mut stream).await, expected);
    assert_unharmed(&rig).await;
}
