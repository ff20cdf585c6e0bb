//! One SCRAM exchange, the server's side: messages in, messages out (RFC 5802, RFC 7677; channel
//! binding RFC 5929 section 4).
//!
//! Each state takes the one message that leads on from it, and is used up by it: [`Offer`], then
//! [`Challenged`], then [`Proven`]. Nothing else has a way on.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::client_auth::reason::Reason;
use crate::client_auth::verifiers::Verifiers;
use crate::secret::SecretBytes;

/// The mechanisms' names (RFC 7677).
const SCRAM: &str = "SCRAM-SHA-256";
const SCRAM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// The one kind of channel binding that PostgreSQL and its clients know.
const BINDING: &str = "tls-server-end-point";

/// Longest nonce of a client that is taken, in bytes; those of drivers have 18 to 32.
const MAX_NONCE: usize = 1024;

/// The mechanisms that a client may choose from.
pub(super) struct Offer {
    /// The hash that binds an exchange to this TLS channel. `None`: the connection is in clear, or
    /// the certificate has no such hash.
    end_point: Option<Arc<[u8]>>,
}

/// The mechanism that the client chose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mechanism {
    Scram,
    ScramPlus,
}

/// A client to which salt, iteration count and our nonce are sent.
pub(super) struct Challenged {
    client_first_bare: String,
    server_first: String,
    /// The right value of `c=`.
    binding: String,
    /// The right value of `r=`.
    nonce: String,
}

/// A client that has shown its password.
#[derive(Debug)]
pub(super) struct Proven {
    /// The index of the verifier whose password it has shown.
    pub(super) index: usize,
    /// server-final-message, which shows the client that we know that verifier.
    pub(super) server_final: String,
}

impl Offer {
    /// Offers SCRAM-SHA-256, and its variant that binds to the channel where `end_point` has the
    /// hash of the certificate that the client was shown (RFC 5929, 4).
    pub(super) fn new(end_point: Option<Arc<[u8]>>) -> Self {
        Self { end_point }
    }

    /// The names of the mechanisms, the preferred one first.
    pub(super) fn mechanisms(&self) -> Vec<String> {
        let plus = self.end_point.iter().map(|_| SCRAM_PLUS);
        plus.chain([SCRAM]).map(str::to_owned).collect()
    }

    /// Reads the name of a mechanism, which must be one of those that are offered.
    pub(super) fn mechanism(&self, name: &str) -> Option<Mechanism> {
        match name {
            SCRAM => Some(Mechanism::Scram),
            SCRAM_PLUS => self.end_point.as_ref().map(|_| Mechanism::ScramPlus),
            _ => None,
        }
    }

    /// Takes client-first-message. `nonce`: ours, printable and without a comma.
    pub(super) fn first(
        self,
        mechanism: Mechanism,
        message: &[u8],
        verifiers: &Verifiers,
        nonce: &str,
    ) -> Result<Challenged, Reason> {
        let first = First::parse(message).ok_or(Reason::Malformed)?;
        let bound_to = match (mechanism, first.flag, self.end_point) {
            (Mechanism::ScramPlus, Flag::Bound(BINDING), Some(end_point)) => Some(end_point),
            (Mechanism::Scram, Flag::Unable, _) | (Mechanism::Scram, Flag::NotOffered, None) => None,
            // Somebody between us has taken the offer out of the list.
            (Mechanism::Scram, Flag::NotOffered, Some(_)) => return Err(Reason::Downgrade),
            (Mechanism::ScramPlus | Mechanism::Scram, Flag::Bound(_) | Flag::Unable | Flag::NotOffered, _) => {
                return Err(Reason::Malformed);
            }
        };
        let nonce = format!("{}{nonce}", first.nonce);
        let salt = STANDARD.encode(&verifiers.salt);
        Ok(Challenged {
            client_first_bare: first.bare.to_owned(),
            server_first: format!("r={nonce},s={salt},i={}", verifiers.iterations),
            binding: STANDARD.encode([first.header.as_bytes(), bound_to.as_deref().unwrap_or_default()].concat()),
            nonce,
        })
    }
}

impl Challenged {
    /// server-first-message.
    pub(super) fn server_first(&self) -> &str {
        &self.server_first
    }

    /// Takes client-final-message. Whatever is wrong with it, it proves nothing.
    pub(super) fn last(self, message: &[u8], verifiers: &Verifiers) -> Result<Proven, Reason> {
        let last = Last::parse(message).ok_or(Reason::Malformed)?;
        // Nonce and binding are no secrets: both have gone over the wire.
        if last.nonce != self.nonce {
            return Err(Reason::OtherExchange);
        }
        let auth_message = format!("{},{},{}", self.client_first_bare, self.server_first, last.unproven);
        let auth_message = auth_message.as_bytes();
        let index = verifiers.index_by_proof(auth_message, &last.proof);
        if last.binding != self.binding {
            // The proof covers the binding as the client sees it: a right one says that the client
            // knows the password.
            return Err(if index.is_some() { Reason::OtherChannel } else { Reason::OtherExchange });
        }
        let index = index.ok_or(Reason::WrongPassword)?;
        let signature = verifiers
            .server_signature(index, auth_message)
            .ok_or(Reason::WrongPassword)?;
        Ok(Proven { index, server_final: format!("v={}", signature.to_base64()) })
    }
}

/// What the client says of channel binding (`gs2-cbind-flag`, RFC 5802 section 7).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Flag<'m> {
    /// `n`: the client cannot bind to the channel.
    Unable,
    /// `y`: the client could, but saw no offer of it.
    NotOffered,
    /// `p=`: the client binds to the channel, by this kind of data.
    Bound(&'m str),
}

/// The client's first message (`client-first-message`, RFC 5802 section 7), in parts.
struct First<'m> {
    /// The part about channel binding (`gs2-header`), with its commas.
    header: &'m str,
    flag: Flag<'m>,
    bare: &'m str,
    nonce: &'m str,
}

impl<'m> First<'m> {
    /// Reads `FLAG,,n=NAME,r=NONCE`. `None`: it is no such message, the client wants to act for
    /// another user (`a=`), or it demands an extension (`m=`). NAME is ignored, as PostgreSQL does:
    /// the user is that of the startup message. So are extensions that a server may ignore.
    fn parse(message: &'m [u8]) -> Option<Self> {
        let text = std::str::from_utf8(message).ok()?;
        let (flag, _) = text.split_once(',')?;
        let (header, bare) = text
            .split_at_checked(flag.len() + 2)
            .filter(|(header, _)| header.ends_with(",,"))?;
        let flag = match flag {
            "n" => Flag::Unable,
            "y" => Flag::NotOffered,
            _ => Flag::Bound(flag.strip_prefix("p=")?),
        };
        let mut attributes = bare.split(',');
        let _name = attributes
            .next()?
            .strip_prefix("n=")
            .filter(|name| !name.contains('\0'))?;
        let nonce = attributes
            .next()?
            .strip_prefix("r=")
            .filter(|nonce| is_nonce(nonce))?;
        attributes
            .all(is_passed_over)
            .then_some(Self { header, flag, bare, nonce })
    }
}

/// The client's last message (`client-final-message`, RFC 5802 section 7), in parts.
struct Last<'m> {
    binding: &'m str,
    nonce: &'m str,
    /// All of the message but the proof.
    unproven: &'m str,
    proof: SecretBytes<[u8; 32]>,
}

impl<'m> Last<'m> {
    /// Reads `c=BINDING,r=NONCE,p=PROOF`. `None`: it is no such message.
    fn parse(message: &'m [u8]) -> Option<Self> {
        let (unproven, proof) = std::str::from_utf8(message).ok()?.rsplit_once(",p=")?;
        let mut attributes = unproven.split(',');
        let binding = attributes.next()?.strip_prefix("c=")?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let proof = SecretBytes::new(STANDARD.decode(proof).ok()?.try_into().ok()?);
        attributes
            .all(is_passed_over)
            .then_some(Self { binding, nonce, unproven, proof })
    }
}

/// Whether a text may be a nonce: printable ASCII without a comma, and not too long.
fn is_nonce(text: &str) -> bool {
    (1..=MAX_NONCE).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b',')
}

/// Whether an attribute is an extension that may be ignored: a letter with no meaning of its own
/// here, and a value.
fn is_passed_over(attribute: &str) -> bool {
    let mut chars = attribute.chars();
    let is_named = chars
        .next()
        .is_some_and(|name| name.is_ascii_alphabetic() && !"mnrpc".contains(name));
    is_named && chars.next() == Some('=') && !chars.as_str().contains('\0')
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
