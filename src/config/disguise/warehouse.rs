//! Passwords of warehouses, which have to be the passwords themselves.

use super::flaw::BadPassword;
use super::judge::{Judged, disguised, judge, without_newline};

/// Judges a warehouse's password, less the one newline that editors and `echo` leave behind. The
/// warehouse wants the password itself: whatever stands for one is told, by what it is.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn warehouse_password(text: &str) -> Result<&str, &'static str> {
    Err(match judge(text) {
        Ok(Judged::Plain(text)) => return Ok(text),
        Err(BadPassword::Empty) if without_newline(text).is_empty() => "the parameter holds no password",
        Err(BadPassword::Empty) => "the parameter's password holds a NUL",
        Ok(Judged::Verifier(_)) | Err(_) => match of_a_secret(text) {
            Err(what) => what,
            Ok(()) => "the parameter's password has a byte order mark, blanks or more lines than one: store it without",
        },
    })
}

/// Judges the password of a warehouse that a secret's JSON holds: it is exact, and may be anything
/// but what stands for a password.
///
/// # Errors
/// What it is.
pub(crate) fn of_a_secret(text: &str) -> Result<(), &'static str> {
    Err(match disguised(text) {
        None => return Ok(()),
        Some(Err(BadPassword::Md5 | BadPassword::Crypt)) => {
            "what is stored as the password is a hash: the warehouse wants the password itself"
        }
        Some(Err(BadPassword::Pem)) => "what is stored as the password is PEM",
        Some(Err(BadPassword::Json)) => "what is stored as the password is a JSON object: secret_id reads those",
        Some(Err(BadPassword::UserList)) => "what is stored as the password is a line of a PgBouncer user list",
        Some(_) => {
            "what is stored as the password is a SCRAM verifier or a part of one: the warehouse wants the password itself"
        }
    })
}
