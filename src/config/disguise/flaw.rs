//! The flaws of a text that should be a password, in words that hold nothing of it.

use thiserror::Error;

use crate::crypto::verifier::BadVerifier;

/// The reason why a text is neither a password nor a verifier.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum BadPassword {
    /// The text is empty, or holds a NUL, which no client can send.
    #[error("refers to an empty password, or one with a NUL in it")]
    Empty,
    /// The text has the form of a verifier, but a part of it is invalid.
    #[error("what it refers to: {0}")]
    Verifier(#[from] BadVerifier),
    /// A verifier has lost its dollar signs: `SCRAM-SHA-2564096:…`.
    #[error(
        "a SCRAM verifier that has lost its $ signs: a shell or Compose took them for variables (put it in single quotes, \
         or write $$ in a Compose file)"
    )]
    NoDollars,
    /// A verifier has doubled dollar signs: `SCRAM-SHA-256$$4096:…`.
    #[error("a SCRAM verifier with $$ for each $: whatever was to undo the doubling has not done so")]
    DoubleDollars,
    /// A verifier has backslashes: `SCRAM-SHA-256\$4096:…`.
    #[error("a SCRAM verifier with a backslash in it: store it without")]
    Backslash,
    /// A verifier is in quotes: `"SCRAM-SHA-256$4096:…"`.
    #[error("a SCRAM verifier in quotes: store it without")]
    Quotes,
    /// A verifier is in lower case: `scram-sha-256$4096:…`.
    #[error("a SCRAM verifier in lower case: it begins with SCRAM-SHA-256, and case counts in all of it")]
    Case,
    /// The text is but a part of a verifier, or has something ahead of it: only a part is left,
    /// such as `…:STOREDKEY:SERVERKEY`, or blanks stand ahead of it.
    #[error("a part of a SCRAM verifier, or one with something ahead of it: store it whole and alone")]
    Part,
    /// The text is an MD5 hash: `md5` and 32 hexadecimal digits.
    #[error("an MD5 hash will not do; make a SCRAM-SHA-256 verifier with hash-password")]
    Md5,
    /// The text is a hash of crypt, bcrypt or LDAP: `$2b$…`, `$6$…`, `{SSHA}…`.
    #[error("a hash of crypt, bcrypt or their like will not do; make a SCRAM-SHA-256 verifier with hash-password")]
    Crypt,
    /// The text is a line of a PgBouncer user list: `"ann" "SCRAM-SHA-256$…"`.
    #[error("a line of a PgBouncer user list will not do; store what is in its second pair of quotes alone")]
    UserList,
    /// The text is PEM: a certificate or a key.
    #[error("PEM will not do: this is to be a password or a verifier")]
    Pem,
    /// The text is a JSON object, as Secrets Manager keeps them.
    #[error("a whole JSON object will not do: name the member that holds the password (secret:ID#KEY)")]
    Json,
    /// The text begins with a byte order mark, which some editors on Windows write.
    #[error("begins with a byte order mark (BOM): save it as UTF-8 without one")]
    ByteOrderMark,
    /// The text has a newline in its middle.
    #[error("has more than one line, which no client sends; if it is meant so, store a verifier of hash-password's")]
    Lines,
    /// The text has a blank or a tab at an end.
    #[error("has blanks at its ends; store it without, or, if they are meant, a verifier of hash-password's")]
    Blanks,
    /// The text ends in `\n` as two characters.
    #[error("ends in \\n as two characters; store it without, or, if they are meant, a verifier of hash-password's")]
    EscapedNewline,
}
