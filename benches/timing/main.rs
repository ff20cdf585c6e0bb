//! Whether time tells users from strangers: wrong password, unknown, disabled and expired user,
//! tried in turn, by SCRAM and by the cleartext prompt of AWS's drivers, both in TLS. `make
//! timing`; what it says is explained in docs/front-door.md.
//!
//! Measured is what an attacker would: from a message sent to the answer read, the attacker's own
//! work left out. That the answers are the same bytes, but for name, salt, nonces and session id,
//! is asserted; what time tells is printed, and it fails where that is a difference both certain
//! and large enough to be of use.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark"
)]

mod statistics;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use redshift_iam_proxy::crypto::Verifier;
use redshift_iam_proxy::secret::Secret;
use support::process::Proxy;
use support::raw::{encrypt, message, read_message, send, startup, tcp, tls_config};
use support::scram::{Scram, initial_response, part};
use support::{PASSWORD, Setup, World};
use tokio::time::Instant;
use tokio_rustls::rustls::ClientConfig;

const TRIES: usize = 2_000;

/// A difference that would tell: less likely than this by chance, in one of a dozen tests, and an
/// AUC this far from one half.
const TELLING_P: f64 = 0.001;
const TELLING_AUC: f64 = 0.03;

/// Names as long as each other, and what is tried. The first is what the others are compared with.
const KINDS: [(&str, &str, &str); 4] = [
    ("wrong password", "known", "wrong-password"),
    ("unknown user", "never", PASSWORD),
    ("disabled user", "hired", PASSWORD),
    ("expired user", "aging", PASSWORD),
];

#[derive(Clone, Copy, Debug)]
enum Way {
    Scram,
    Cleartext,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let tries = std::env::var("TIMING_TRIES").map_or(TRIES, |tries| tries.parse().expect("TIMING_TRIES: a number"));
    let world = World::start(&Setup { config: config(), ..Setup::default() }).await;
    let proxy = Proxy::start(&world, &[]).await;
    let door = Door { port: proxy.port, tls: tls_config(world.sandbox.ca.pem()) };
    for way in [Way::Scram, Way::Cleartext] {
        let mut took = KINDS.map(|_| Vec::with_capacity(tries));
        let mut said: Option<Vec<u8>> = None;
        // The first ones find nothing warm.
        for turn in 0..tries + 50 {
            for place in 0..KINDS.len() {
                // Nobody is always behind the same other.
                let kind = (place * (1 + 2 * (turn % 2)) + turn / 2) % KINDS.len();
                let (_, user, password) = KINDS[kind];
                let (time, reply) = door.try_one(way, user, password).await;
                assert_eq!(said.get_or_insert_with(|| reply.clone()), &reply, "{user}: {}", reply.escape_ascii());
                if turn >= 50 {
                    took[kind].push(time.as_secs_f64() * 1e6);
                }
            }
        }
        report(way, tries, took);
    }
}

/// Nobody is banned; the users have what `hash-password` makes.
fn config() -> String {
    let verifier = Verifier::derive(&Secret::new(PASSWORD.into()), b"0123456789abcdef", 4096);
    let user = |name: &str, keys: &str| {
        format!("[users.{name}]\npassword = \"{verifier}\"\nconnections = [\"sales\"]\n{keys}\n")
    };
    let others: String = (0..4).map(|n| user(&format!("other{n}"), "")).collect();
    "[limits]\nban_after = 0\n".to_owned()
        + &user("known", "")
        + &user("hired", "enabled = false")
        + &user("aging", "password_expires = 2001-01-01")
        + &others
}

struct Door {
    port: u16,
    tls: ClientConfig,
}

impl Door {
    /// How long the answers took, and all of them with name, salt, nonce and session id put out.
    async fn try_one(&self, way: Way, user: &str, password: &str) -> (Duration, Vec<u8>) {
        let socket = tcp(self.port).await;
        // Else the second of two small messages waits for the first's acknowledgement.
        socket.set_nodelay(true).unwrap();
        let mut stream = encrypt(socket, self.tls.clone()).await;
        let mut took = Duration::ZERO;
        let mut replies = Vec::new();
        macro_rules! ask {
            ($bytes:expr) => {{
                let bytes = $bytes;
                let begun = Instant::now();
                send(&mut stream, &bytes).await;
                let (tag, body) = read_message(&mut stream).await.unwrap();
                took += begun.elapsed();
                replies.push(tag);
                replies.extend(&body);
                body
            }};
        }
        let mut pairs = vec![("user", user), ("database", "sales")];
        match way {
            Way::Scram => {
                let scram = Scram::default();
                ask!(startup(0, &pairs));
                let challenge = ask!(initial_response("SCRAM-SHA-256", scram.first().as_bytes()));
                let challenge = String::from_utf8(challenge[4..].to_vec()).unwrap();
                ask!(message(b'p', scram.last(&challenge, password).as_bytes()));
                put_out(&mut replies, part(&challenge, "r="));
                put_out(&mut replies, part(&challenge, "s="));
            }
            Way::Cleartext => {
                pairs.push(("client_protocol_version", "2"));
                ask!(startup(0, &pairs));
                ask!(message(b'p', &[password.as_bytes(), b"\0"].concat()));
            }
        }
        put_out(&mut replies, user);
        let text = String::from_utf8_lossy(&replies).into_owned();
        let (_, id) = text
            .rsplit_once("(session ")
            .unwrap_or_else(|| panic!("let in: {text}"));
        put_out(&mut replies, &id[..12]);
        (took, replies)
    }
}

/// Keeps its length.
fn put_out(replies: &mut [u8], text: &str) {
    let at = replies
        .windows(text.len())
        .position(|window| window == text.as_bytes())
        .expect("it was said");
    replies[at..at + text.len()].fill(b'?');
}

fn report(way: Way, tries: usize, mut took: [Vec<f64>; KINDS.len()]) {
    for times in &mut took {
        times.sort_by(f64::total_cmp);
    }
    println!("{way:?}, {tries} tries of each, in turn; the same bytes");
    println!(
        "{:>16} {:>10} {:>10} {:>10} {:>8} {:>8} {:>8}",
        "", "median µs", "p90 µs", "diff. µs", "AUC", "p (U)", "p (KS)"
    );
    let [reference, ..] = &took;
    for ((name, ..), times) in KINDS.iter().zip(&took) {
        let (median, tail) = (times[tries / 2], times[tries * 9 / 10]);
        let difference = median - reference[tries / 2];
        let (auc, p_of_u) = statistics::mann_whitney(reference, times);
        let p_of_ks = statistics::kolmogorov_smirnov(reference, times);
        println!("{name:>16} {median:>10.1} {tail:>10.1} {difference:>+10.1} {auc:>8.3} {p_of_u:>8.3} {p_of_ks:>8.3}");
        let is_telling = p_of_u.min(p_of_ks) < TELLING_P && (auc - 0.5).abs() > TELLING_AUC;
        assert!(!is_telling, "{way:?}: time tells a wrong password from: {name}");
    }
}
