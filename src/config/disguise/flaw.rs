//! What is wrong with a text that should be a password, in words that hold nothing of it.

use thiserror::Error;

use crate::crypto::verifier::BadVerifier;

/// Why a text is neither a password nor a verifier.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum BadPassword {
    /// Nothing at all, or a password that no client can send.
    #[error("refers to an empty password, or one with a NUL in it")]
    Empty,
    /// Meant as a verifier, and of its form, but a part of it will not do.
    #[error("what it refers to: {0}")]
    Verifier(#[from] BadVerifier),
    /// `SCRAM-SHA-2564096:…`
    #[error(
        "a SCRAM verifier that has lost its $ signs: a shell or Compose took them for variables (put it in single quotes, \
         or write $$ in a Compose file)"
    )]
    NoDollars,
    /// `SCRAM-SHA-256$$4096:…`
    #[error("a SCRAM verifier with $$ for each $: whatever was to undo the doubling has not done so")]
    DoubleDollars,
    /// `SCRAM-SHA-256\$4096:…`
    #[error("a SCRAM verifier with a backslash in it: store it without")]
    Backslash,
    /// `"SCRAM-SHA-256$4096:…"`
    #[error("a SCRAM verifier in quotes: store it without")]
    Quotes,
    /// `scram-sha-256$4096:…`
    #[error("a SCRAM verifier in lower case: it begins with SCRAM-SHA-256, and case counts in all of it")]
    Case,
    /// `…:STOREDKEY:SERVERKEY`, or blanks ahead of it.
    #[error("a part of a SCRAM verifier, or one with something ahead of it: store it whole and alone")]
    Part,
    /// `md5` and 32 hexadecimal digits.
    #[error("an MD5 hash will not do; make a SCRAM-SHA-256 verifier with hash-password")]
    Md5,
    /// `$2b$…`, `$6$…`, `{SSHA}…`
    #[error("a hash of crypt, bcrypt or their like will not do; make a SCRAM-SHA-256 verifier with hash-password")]
    Crypt,
    /// `"ann" "SCRAM-SHA-256$…"`
    #[error("a line of a PgBouncer user list will not do; store what is in its second pair of quotes alone")]
    UserList,
    /// A certificate or a key.
    #[error("PEM will not do: this is to be a password or a verifier")]
    Pem,
    /// A document out of Secrets Manager.
    #[error("a whole JSON object will not do: name the member that holds the password (secret:ID#KEY)")]
    Json,
    /// Some editors on Windows write one.
    #[error("begins with a byte order mark (BOM): save it as UTF-8 without one")]
    ByteOrderMark,
    /// A newline in the middle.
    #[error("has more than one line, which no client sends; if it is meant so, store a verifier of hash-password's")]
    Lines,
    /// A blank or a tab at an end.
    #[error("has blanks at its ends; store it without, or, if they are meant, a verifier of hash-password's")]
    Blanks,
    /// `\n` as two characters.
    #[error("ends in \\n as two characters; store it without, or, if they are meant, a verifier of hash-password's")]
    EscapedNewline,
}
