//! Authentication request 13: Redshift's own SHA-256 digest (no document; from the sources of AWS's
//! drivers).

use aws_lc_rs::digest::{Context, SHA256};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Dialogue, Failure, random};
use crate::warehouse::refusal::Refusal;
use crate::wire;

/// The only algorithm that drivers implement; others make some of them crash.
const SHA_256: u32 = 0;

pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(dialogue: &mut Dialogue<'_, S>) -> Result<bool, Failure> {
    let (salt, nonce) = (random::<16>(), random::<16>());
    dialogue.ask(13, &request(&salt, &nonce)).await?;
    // The answer's type is CopyData's, not a password message's.
    let body = dialogue.answer(b'd').await?;
    let answer = Answer::parse(&body).ok_or_else(|| Refusal::protocol("invalid digest packet"))?;
    Ok((dialogue.passwords)()
        .iter()
        .any(|password| answer.proves(password, &salt, &nonce)))
}

/// Encodes the data behind the code: the algorithm, then salt and server nonce, each with its
/// length.
fn request(salt: &[u8], nonce: &[u8]) -> Vec<u8> {
    let (salt_length, nonce_length) = (wire::length(salt.len()), wire::length(nonce.len()));
    [&SHA_256.to_be_bytes(), salt_length.as_slice(), salt, &nonce_length, nonce].concat()
}

struct Answer<'a> {
    digest: &'a [u8],
    nonce: &'a [u8],
}

impl<'a> Answer<'a> {
    fn parse(body: &'a [u8]) -> Option<Self> {
        let (digest, rest) = wire::counted(body)?;
        let (nonce, rest) = wire::counted(rest)?;
        rest.is_empty().then_some(Self { digest, nonce })
    }

    fn proves(&self, password: &str, salt: &[u8], server_nonce: &[u8]) -> bool {
        digest(password.as_bytes(), salt, server_nonce, self.nonce).as_slice() == self.digest
    }
}

/// SHA256(SHA256(password, salt), server nonce, client nonce); no user name, one round.
fn digest(password: &[u8], salt: &[u8], server_nonce: &[u8], client_nonce: &[u8]) -> Vec<u8> {
    let inner = sha256(&[password, salt]);
    sha256(&[&inner, server_nonce, client_nonce])
}

fn sha256(parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by running AWS's Python driver (docs/protocol/redshift-wire.md 4.3): request from its
    /// code on, answer from its type on.
    const VECTORS: [(&str, &str, &str); 3] = [
        (
            "MyTempPassw0rd!",
            "00000000 00000010 101112131415161718191a1b1c1d1e1f 00000010 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
            "00000020 abc22757e0acf354ce1c82691ae994b09fb5d7849b4ddc003b120c129d0e05bd \
             0000000d 31373030303030303030303030",
        ),
        (
            "päss wörd",
            "00000000 00000004 00ff00ff 00000008 deadbeef00112233",
            "00000020 4567ee336ca130ba6b8d0a54959d0168c81cd33b170a89b99b131731a747dc8b \
             00000010 000102030405060708090a0b0c0d0e0f",
        ),
        (
            "",
            "00000000 00000000 00000000",
            "00000020 5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456 00000000",
        ),
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn answers_of_awss_driver_are_accepted() {
        for (password, request_hex, answer_hex) in VECTORS {
            let sent = bytes(request_hex);
            let (salt, rest) = wire::counted(&sent[4..]).unwrap();
            let (nonce, _) = wire::counted(rest).unwrap();
            assert_eq!(request(salt, nonce), sent);
            let body = bytes(answer_hex);
            let answer = Answer::parse(&body).unwrap();
            assert!(answer.proves(password, salt, nonce), "{password:?}");
            assert!(!answer.proves("another", salt, nonce), "{password:?}");
        }
    }

    #[test]
    fn every_cut_of_an_answer_is_refused() {
        let body = bytes(VECTORS[0].2);
        for end in 0..body.len() {
            assert!(Answer::parse(&body[..end]).is_none(), "{end}");
        }
    }
}
