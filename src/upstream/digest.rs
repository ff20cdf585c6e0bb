//! The answers to Redshift's own digest (authentication request 13) and to MD5 (request 5).

use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroizing;

use super::error::UpstreamError;
use crate::secret::Secret;
use crate::wire;

/// The longest salt or nonce that is accepted, in bytes.
const MAX_PART: usize = 1024;

/// The type byte of the answer, which is that of CopyData too.
const DIGEST_RESPONSE: u8 = b'd';

/// The body of a digest request behind its code (docs/protocol/redshift-wire.md 4.2).
#[derive(Debug, Eq, PartialEq)]
pub(super) struct DigestRequest<'a> {
    salt: &'a [u8],
    server_nonce: &'a [u8],
}

impl<'a> DigestRequest<'a> {
    /// Reads algorithm, salt and server nonce.
    ///
    /// # Errors
    /// Returned if the algorithm is not SHA-256, or the lengths do not fit.
    pub(super) fn parse(mut body: &'a [u8]) -> Result<Self, UpstreamError> {
        const BAD: UpstreamError = UpstreamError::Protocol("malformed digest request");
        let algorithm = take_u32(&mut body).ok_or(BAD)?;
        if algorithm != 0 {
            return Err(UpstreamError::Authentication(format!("13 with algorithm {algorithm}")));
        }
        let salt = take_part(&mut body).ok_or(BAD)?;
        let server_nonce = take_part(&mut body).ok_or(BAD)?;
        if body.is_empty() { Ok(Self { salt, server_nonce }) } else { Err(BAD) }
    }

    /// Encodes the answer: `SHA256(SHA256(password || salt) || server nonce || client
    /// nonce)`, then the nonce.
    pub(super) fn answer(&self, password: &Secret, client_nonce: &[u8]) -> Vec<u8> {
        let salted = Zeroizing::new([password.expose().as_bytes(), self.salt].concat());
        let inner = digest(&SHA256, &salted);
        let outer = digest(&SHA256, &[inner.as_ref(), self.server_nonce, client_nonce].concat());
        let body = [&prefixed(outer.as_ref())[..], &prefixed(client_nonce)].concat();
        wire::message(DIGEST_RESPONSE, &body)
    }
}

/// Puts a length in front of `part`.
fn prefixed(part: &[u8]) -> Vec<u8> {
    [&u32::try_from(part.len()).unwrap_or_default().to_be_bytes(), part].concat()
}

fn take_u32(body: &mut &[u8]) -> Option<u32> {
    let (number, rest) = body.split_at_checked(4)?;
    *body = rest;
    Some(wire::peek_u32(number, 0))
}

fn take_part<'a>(body: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_u32(body)?)
        .ok()
        .filter(|length| *length <= MAX_PART)?;
    let (part, rest) = body.split_at_checked(length)?;
    *body = rest;
    Some(part)
}

/// PostgreSQL's MD5 answer, without the NUL. The user is the one in the startup message, with its
/// `IAMR:`.
pub(super) fn md5(user: &str, password: &Secret, salt: [u8; 4]) -> String {
    postgres_protocol::authentication::md5_hash(user.as_bytes(), password.expose().as_bytes(), salt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits = text.split_whitespace().collect::<String>();
        (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect()
    }

    fn answer(request: &str, password: &str, nonce: &[u8]) -> Vec<u8> {
        let request = hex(request);
        assert_eq!(request[..1], *b"R");
        assert_eq!(wire::peek_u32(&request, 5), 13);
        DigestRequest::parse(&request[9..])
            .unwrap()
            .answer(&Secret::new(password.into()), nonce)
    }

    /// docs/protocol/redshift-wire.md 4.3, vectors 1 to 3: computed by AWS's Python driver.
    #[test]
    fn the_drivers_digest_vectors() {
        assert_eq!(
            answer(
                "52 00000034 0000000d 00000000 00000010 101112131415161718191a1b1c1d1e1f
                 00000010 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
                "MyTempPassw0rd!",
                b"1700000000000"
            ),
            hex("64 00000039 00000020 abc22757e0acf354ce1c82691ae994b09fb5d7849b4ddc003b120c129d0e05bd
                 0000000d 31373030303030303030303030")
        );
        assert_eq!(
            answer(
                "52 00000020 0000000d 00000000 00000004 00ff00ff 00000008 deadbeef00112233",
                "päss wörd",
                &hex("000102030405060708090a0b0c0d0e0f")
            ),
            hex("64 0000003c 00000020 4567ee336ca130ba6b8d0a54959d0168c81cd33b170a89b99b131731a747dc8b
                 00000010 000102030405060708090a0b0c0d0e0f")
        );
        assert_eq!(
            answer("52 00000014 0000000d 00000000 00000000 00000000", "", b""),
            hex("64 0000002c 00000020 5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456 00000000")
        );
    }

    /// docs/protocol/redshift-wire.md 4.3, code 5.
    #[test]
    fn the_md5_vector() {
        let text = md5("IAMR:rs01", &Secret::new("MyTempPassw0rd!".into()), [1, 2, 3, 4]);
        assert_eq!(text, "md5990c1f021c6514b93ad8e3c3a66921c8");
    }

    #[test]
    fn hostile_requests_are_errors() {
        let whole = hex("00000000 00000004 00ff00ff 00000008 deadbeef00112233");
        assert!(DigestRequest::parse(&whole).is_ok());
        for end in 0..whole.len() {
            assert!(DigestRequest::parse(&whole[..end]).is_err(), "{end}");
        }
        assert!(DigestRequest::parse(&[&whole[..], b"x"].concat()).is_err());
        for lengths in ["00000000 ffffffff", "00000000 80000000", "00000000 00000401", "00000001 00000000 00000000"] {
            assert!(DigestRequest::parse(&[hex(lengths), vec![0; 2000]].concat()).is_err(), "{lengths}");
        }
    }
}
