//! What is said in clear where TLS begins, and methods weaker than it.

use redshift_sandbox::ca::Ca;
use redshift_sandbox::warehouse::Authentication;

use crate::support::hostile::{assert_unharmed, demo, prefer};
use crate::support::raw::{GSSENC_REQUEST, SSL_REQUEST, message, say, tcp, until_closed};
use crate::support::{Rig, assert_refused};

const UNREACHABLE: &str = "could not reach the warehouse for \"sales\"";
const NOT_VALID: &str = "the certificate of the warehouse for \"sales\" is not valid";

#[tokio::test]
async fn cve_2021_3935_and_cve_2021_43766_plaintext_ahead_of_tls_is_not_said_inside_it() {
    let rig = prefer().await;
    for request in [SSL_REQUEST, GSSENC_REQUEST] {
        for ahead in [demo(), message(b'Q', b"select 1\0")] {
            let mut socket = tcp(rig.port()).await;
            // One write, so that it comes in one segment.
            say(&mut socket, &[request, &ahead].concat()).await;
            assert_eq!(until_closed(&mut socket).await, b"", "not even an answer to the request");
        }
    }
    assert_eq!(rig.sandbox().warehouse.dials(), 0);
    assert_unharmed(&rig).await;
}

#[tokio::test]
async fn cve_2021_43767_and_cve_2021_23222_forged_words_behind_the_warehouses_s_get_no_credential() {
    let rig = Rig::start().await;
    let warehouse = &rig.sandbox().warehouse;
    let logged_in = [message(b'R', &[0; 4]), message(b'Z', b"I")].concat();
    for forged in [logged_in, message(b'R', &[0, 0, 0, 3])] {
        warehouse.forge_behind_ssl(Some(forged));
        assert_refused(&rig.connect("sales").await.unwrap_err(), "08001", UNREACHABLE, None);
    }
    assert_eq!((warehouse.startups(), warehouse.passwords_seen()), (Vec::new(), 0));
    warehouse.forge_behind_ssl(None);
    assert_unharmed(&rig).await;
}

/// Whatever it asks for: without verified TLS it hears neither password nor user.
#[tokio::test]
async fn cve_2025_49146_no_method_is_weak_enough_to_do_without_verified_tls() {
    let rig = Rig::start().await;
    let warehouse = &rig.sandbox().warehouse;
    let stranger = Ca::new();
    for way in [Authentication::Cleartext, Authentication::Md5, Authentication::Scram, Authentication::Digest] {
        warehouse.ask(way);
        warehouse.refuse_tls(true);
        assert_refused(&rig.connect("sales").await.unwrap_err(), "08001", UNREACHABLE, None);
        warehouse.refuse_tls(false);
        warehouse.present(stranger.issue(&["localhost"]));
        assert_refused(&rig.connect("sales").await.unwrap_err(), "08001", NOT_VALID, None);
        warehouse.present(rig.sandbox().ca.issue(&["localhost"]));
    }
    assert_eq!((warehouse.startups(), warehouse.passwords_seen()), (Vec::new(), 0));
    assert_unharmed(&rig).await;
}
