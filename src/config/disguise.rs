//! Judges texts that should be passwords, wherever they are kept: in variables, files, SSM or
//! Secrets Manager. A verifier of which a shell has eaten half, or the hash out of another pooler's
//! file, is never taken for a plain password: whoever has the hash would be let in, and whoever has
//! the password would not. No message repeats the text.

pub use self::flaw::BadPassword;
pub(super) use self::judge::in_place;
pub(crate) use self::judge::{Judged, judge, without_newline};
pub(crate) use self::warehouse::{of_a_secret, warehouse_password};

mod flaw;
mod judge;
mod marks;
mod warehouse;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Verifier;
    use crate::crypto::verifier::BadVerifier;
    use crate::secret::Secret;

    fn verifier() -> String {
        Verifier::derive(&Secret::new("pencil".to_owned()), b"0123456789abcdef", 4096).to_string()
    }

    #[test]
    fn passwords_lose_one_trailing_newline_and_nothing_else() {
        for (text, want) in [
            ("pw", "pw"),
            ("pw\n", "pw"),
            ("pw\r\n", "pw"),
            ("p w", "p w"),
            ("pässwörd €", "pässwörd €"),
            (r#"pl+nt/ed=pa%ss "w\rd-7f3a'"#, r#"pl+nt/ed=pa%ss "w\rd-7f3a'"#),
            ("\"quoted\"", "\"quoted\""),
            ("{braces}", "{braces}"),
            ("{\"a\"", "{\"a\""),
            ("[1]", "[1]"),
            ("$6$short", "$6$short"),
            ("md5", "md5"),
            ("md5sum-of-nothing", "md5sum-of-nothing"),
            ("a:b", "a:b"),
            ("$ecret$$", "$ecret$$"),
            ("\"a\"b\"", "\"a\"b\""),
        ] {
            assert_eq!(judge(text), Ok(Judged::Plain(want)), "{text:?}");
        }
    }

    #[test]
    fn damaged_verifiers_are_recognised_and_the_damage_is_named() {
        let good = verifier();
        assert_eq!(judge(&format!("{good}\n")), Ok(Judged::Verifier(&good)));
        for (text, want) in [
            // A shell, where $4 and $KEY are variables; Compose, where they are too.
            (good.replace("$4", ""), BadPassword::NoDollars),
            (good.replace('$', ""), BadPassword::NoDollars),
            (good.replace("$4096", ""), BadPassword::NoDollars),
            ("SCRAM-SHA-256".to_owned(), BadPassword::NoDollars),
            ("SCRAM-SHA-256:".to_owned(), BadPassword::NoDollars),
            (good.replace("SCRAM-SHA-256", "SCRAM-SHA-1"), BadPassword::Verifier(BadVerifier::Shape)),
            (good.replace('$', "$$"), BadPassword::DoubleDollars),
            (good.replace('$', "\\$"), BadPassword::Backslash),
            (format!("\\{good}"), BadPassword::Backslash),
            (format!("{good}\\n"), BadPassword::Backslash),
            (format!("'{good}'"), BadPassword::Quotes),
            (format!("\"{good}\""), BadPassword::Quotes),
            (format!("\"{good}"), BadPassword::Quotes),
            (format!("\"{}\"", good.replace('$', "")), BadPassword::Quotes),
            (format!(" {good}"), BadPassword::Blanks),
            (format!("{good} "), BadPassword::Blanks),
            (format!("{good}\n\n"), BadPassword::Blanks),
            (format!("\u{feff}{good}"), BadPassword::ByteOrderMark),
            (good.replacen("SCRAM-SHA-256", "scram-sha-256", 1), BadPassword::Case),
            (good.replacen("SCRAM-SHA-256$", "", 1), BadPassword::Part),
            (good.rsplit_once('$').unwrap().1.to_owned(), BadPassword::Part),
            (format!("password={good}"), BadPassword::Part),
        ] {
            assert_eq!(judge(&text), Err(want), "{text:?}");
        }
        for text in [&good[..good.len() - 9], "SCRAM-SHA-256$", "SCRAM-SHA-256$4096:c2FsdA=="] {
            assert_eq!(judge(text), Ok(Judged::Verifier(text)), "half of one, which parsing refuses");
            assert!(Verifier::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hashes_lists_and_documents_are_no_passwords() {
        let (good, md5) = (verifier(), "md50123456789abcdef0123456789ABCDEF");
        let list = |user: &str, secret: &str| format!("\"{user}\" \"{secret}\"\n");
        for (text, want) in [
            (md5.to_owned(), BadPassword::Md5),
            (md5.to_uppercase(), BadPassword::Md5),
            (format!("\"{md5}\""), BadPassword::Md5),
            (format!(" {md5}\n"), BadPassword::Md5),
            (list("ann", md5), BadPassword::UserList),
            (list("ann", &good), BadPassword::UserList),
            (list("ann", "plain"), BadPassword::UserList),
            (list("ann", md5) + &list("bob", md5), BadPassword::UserList),
            (format!("ann {md5}"), BadPassword::UserList),
            (format!("ann {good}"), BadPassword::UserList),
            ("$2b$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234".to_owned(), BadPassword::Crypt),
            ("$6$saltsalt$abcdefghijklmnop".to_owned(), BadPassword::Crypt),
            ("$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA".to_owned(), BadPassword::Crypt),
            ("{SSHA}abcdefghijklmnopqrstuvwxyz".to_owned(), BadPassword::Crypt),
            ("-----BEGIN PRIVATE KEY-----\nAAAA".to_owned(), BadPassword::Pem),
            ("AAAA\\n-----END PRIVATE KEY-----".to_owned(), BadPassword::Pem),
            (r#"{"username":"u","password":"p"}"#.to_owned(), BadPassword::Json),
            ("{\n}\n".to_owned(), BadPassword::Json),
        ] {
            assert_eq!(judge(&text), Err(want), "{text:?}");
        }
    }

    #[test]
    fn a_warehouse_wants_the_password_itself() {
        for text in ["pw", "pw\n", "pw\r\n"] {
            assert_eq!(warehouse_password(text), Ok("pw"));
        }
        let good = verifier();
        for (text, want) in [
            (good.as_str(), "SCRAM verifier"),
            (&good.replace('$', ""), "SCRAM verifier"),
            ("md50123456789abcdef0123456789abcdef", "hash"),
            ("{\"password\":\"p\"}", "secret_id reads those"),
            ("\"u\" \"p\"", "user list"),
            ("-----BEGIN PRIVATE KEY-----", "PEM"),
            ("\n", "holds no password"),
            ("a\0", "holds a NUL"),
            (" pw", "blanks"),
            ("\u{feff}pw", "byte order mark"),
            ("p\nw", "more lines than one"),
        ] {
            assert!(warehouse_password(text).unwrap_err().contains(want), "{text:?}");
        }
        assert!(of_a_secret(" exactly\nthis ").is_ok() && of_a_secret(&good).is_err());
    }

    #[test]
    fn a_reference_may_stand_where_a_verifier_may() {
        for text in ["file:pw", "SCRAM-SHA-256.txt", "scram-sha-256", "/etc/x", "env:PW", "{user}"] {
            assert_eq!(in_place(text), None, "{text}");
        }
        let good = verifier();
        assert_eq!(in_place(&good), Some(Ok(Judged::Verifier(&good))));
        assert_eq!(in_place(&format!("'{good}'")), Some(Err(BadPassword::Quotes)));
        assert_eq!(in_place(&good.replace('$', "")), Some(Err(BadPassword::NoDollars)));
        assert_eq!(in_place("md50123456789abcdef0123456789abcdef"), Some(Err(BadPassword::Md5)));
    }

    #[test]
    fn texts_that_no_client_can_type_are_no_passwords() {
        for (text, want) in [
            ("", BadPassword::Empty),
            ("\n", BadPassword::Empty),
            ("a\0", BadPassword::Empty),
            ("\u{feff}pw", BadPassword::ByteOrderMark),
            ("pw\n\n", BadPassword::Lines),
            ("p\nw", BadPassword::Lines),
            (" pw", BadPassword::Blanks),
            ("pw\t", BadPassword::Blanks),
            ("pw\u{a0}", BadPassword::Blanks),
            ("pw\\n", BadPassword::EscapedNewline),
        ] {
            assert_eq!(judge(text), Err(want), "{text:?}");
        }
    }
}
