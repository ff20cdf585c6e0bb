//! SCRAM-SHA-256 towards the warehouse (RFC 5802, RFC 7677): which challenges are answered, and how
//! many at a time.
//!
//! The exchange itself is postgres-protocol's. The challenge says how much work an answer is, so it
//! is held to bounds first.

use std::sync::LazyLock;

use postgres_protocol::authentication::sasl::ScramSha256;

use super::error::UpstreamError;
use crate::blocking::{Lanes, Unfinished};

/// The most iterations: twenty-four times PostgreSQL's default; in a debug build they take a
/// second.
const MAX_ROUNDS: u32 = 100_000;

/// The longest salt, in bytes, and in base64.
const MAX_SALT: usize = 1024;
const MAX_SALT_BASE64: usize = MAX_SALT.div_ceil(3) * 4;

/// The longest nonce, ours included, in characters. PostgreSQL's has 48.
const MAX_NONCE: usize = 1024;

/// The queues of key derivations, one for each host, which all logins share. A warehouse that asks
/// for many rounds must not delay the logins at others.
static DERIVATIONS: LazyLock<Lanes<String>> =
    LazyLock::new(|| Lanes::new("warehouse-scram", MAX_OF_WAREHOUSE, MAX_DERIVATIONS));
const MAX_OF_WAREHOUSE: usize = 1;
const MAX_DERIVATIONS: usize = 4;

/// Takes the first message of the server at `host`; the exchange then holds our proof. Waits while
/// others are derived; the caller sets the deadline.
pub(super) async fn prove(
    host: &str,
    mut scram: Box<ScramSha256>,
    challenge: &[u8],
) -> Result<Box<ScramSha256>, UpstreamError> {
    // At this point it still holds our first message.
    if !is_answered(scram.message(), challenge) {
        return Err(UpstreamError::Protocol("SCRAM: a challenge out of bounds"));
    }
    let challenge = challenge.to_vec();
    let proved = DERIVATIONS
        .run(host.to_owned(), move || scram.update(&challenge).map(|()| scram))
        .await;
    let proved = proved.map_err(|why| match why {
        Unfinished::Thread(_) => UpstreamError::Protocol("SCRAM: no thread to compute the proof"),
        Unfinished::Panicked => UpstreamError::Protocol("SCRAM: a challenge that cannot be computed"),
    })?;
    proved.map_err(|_scram| UpstreamError::Protocol("SCRAM: malformed challenge"))
}

/// Whether a challenge is `r=NONCE,s=SALT,i=ROUNDS` within the caps, and its nonce continues ours.
fn is_answered(first: &[u8], challenge: &[u8]) -> bool {
    let (Ok(first), Ok(challenge)) = (str::from_utf8(first), str::from_utf8(challenge)) else { return false };
    let mut parts = challenge.splitn(3, ',');
    let mut part = |key: &str| parts.next().and_then(|part| part.strip_prefix(key));
    let (nonce, salt, rounds) = (part("r="), part("s="), part("i="));
    let (Some((_, ours)), Some(nonce), Some(salt), Some(rounds)) = (first.split_once(",r="), nonce, salt, rounds)
    else {
        return false;
    };
    let is_ours_and_more = nonce
        .strip_prefix(ours)
        .is_some_and(|more| !more.is_empty());
    let is_number = rounds.bytes().all(|digit| digit.is_ascii_digit());
    let is_within_cap = rounds
        .parse()
        .is_ok_and(|rounds: u32| (1..=MAX_ROUNDS).contains(&rounds));
    is_ours_and_more && nonce.len() <= MAX_NONCE && salt.len() <= MAX_SALT_BASE64 && is_number && is_within_cap
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures_util::poll;
    use postgres_protocol::authentication::sasl::ChannelBinding;

    use super::*;

    /// An exchange, and its nonce.
    fn begun() -> (Box<ScramSha256>, String) {
        let scram = ScramSha256::new(b"password", ChannelBinding::unsupported());
        let nonce = std::str::from_utf8(scram.message())
            .unwrap()
            .split_once(",r=")
            .unwrap()
            .1
            .to_owned();
        (Box::new(scram), nonce)
    }

    /// `{}` is our nonce.
    async fn answered(challenge: &str) -> bool {
        let (scram, nonce) = begun();
        prove("warehouse", scram, challenge.replace("{}", &nonce).as_bytes())
            .await
            .is_ok()
    }

    /// CVE-2026-6665 (a nonce without end) and CVE-2026-6669 (rounds without end).
    #[tokio::test]
    async fn challenges_are_answered_within_bounds_only() {
        assert!(answered("r={}x,s=QSXCR+Q6sek8bf92,i=4096").await);
        assert!(answered("r={}x,s=QSXCR+Q6sek8bf92,i=1").await);
        for rounds in
            ["0", "00", "-1", "+1", "", "x", "1 ", "100001", "2147483648", "4294967296", "99999999999999999999"]
        {
            assert!(!answered(&format!("r={{}}x,s=QSXCR+Q6sek8bf92,i={rounds}")).await, "{rounds}");
        }
        let (long_nonce, long_salt) = ("x".repeat(MAX_NONCE), "A".repeat(MAX_SALT_BASE64 + 4));
        for challenge in [
            "",
            "r={}x",
            "r={}x,s=QSXCR+Q6sek8bf92",
            "s=QSXCR+Q6sek8bf92,r={}x,i=4096",
            "m=ext,r={}x,s=QSXCR+Q6sek8bf92,i=4096",
            "r={}x,s=QSXCR+Q6sek8bf92,i=4096,i=99999999",
            "r={}x,s=!,i=4096",
            "r={},s=QSXCR+Q6sek8bf92,i=4096",
            "r=x{},s=QSXCR+Q6sek8bf92,i=4096",
            "r=,s=QSXCR+Q6sek8bf92,i=4096",
            &format!("r={{}}{long_nonce},s=QSXCR+Q6sek8bf92,i=4096"),
            &format!("r={{}}x,s={long_salt},i=4096"),
        ] {
            assert!(!answered(challenge).await, "{challenge}");
        }
        let (scram, _) = begun();
        assert!(prove("warehouse", scram, b"\xff").await.is_err());
    }

    /// Issue 11, A3: all warehouses shared one queue, which one that asks for many rounds could
    /// fill.
    #[tokio::test]
    async fn a_slow_warehouse_keeps_no_other_waiting() {
        let mut slow: Vec<_> = (0..2 * MAX_DERIVATIONS)
            .map(|_| Box::pin(DERIVATIONS.turn("slow".to_owned())))
            .collect();
        let mut turns = Vec::new();
        for waiting in &mut slow {
            if let Poll::Ready(turn) = poll!(waiting) {
                turns.push(turn);
            }
        }
        assert_eq!(turns.len(), MAX_OF_WAREHOUSE);
        let prove = async |host: &str| {
            let (scram, nonce) = begun();
            prove(host, scram, format!("r={nonce}x,s=QSXCR+Q6sek8bf92,i=4096").as_bytes()).await
        };
        prove("another").await.unwrap();
        let mut waiting = Box::pin(prove("slow"));
        assert!(poll!(&mut waiting).is_pending());
        drop((slow, turns));
        waiting.await.unwrap();
    }
}
