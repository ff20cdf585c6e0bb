//! Judges passwords of warehouses, which take nothing but the password itself.

use super::flaw::BadPassword;
use super::judge::{Judged, disguised, judge, without_newline};

/// Judges a warehouse's password out of a parameter, and cuts off the one newline that editors and
/// `echo` leave behind. The error names what stands there in place of a password.
///
/// # Errors
/// The text cannot be the password; the error says why.
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

/// Judges a warehouse's password out of a secret's JSON. It is exact, so that it may be any text
/// but one that stands for a password.
///
/// # Errors
/// The text stands for a password; the error says what it is.
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
