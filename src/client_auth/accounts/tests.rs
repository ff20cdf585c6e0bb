use std::time::Duration;

use super::*;
use crate::clock::{ManualClock, SystemClock};
use crate::config::StoredPassword;
use crate::crypto::Verifier;
use crate::crypto::verifier::{ITERATIONS, SALT_BYTES};

fn key() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, b"test")
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn verifier(password: &str, salt: &[u8], iterations: u32) -> Password {
    Password::Verifier(Verifier::derive(&secret(password), salt, iterations))
}

const SALT: &[u8] = b"0123456789abcdef";

fn unread() -> Password {
    Password::Remote(crate::config::Remote::Parameter("/x".to_owned()))
}

fn user(passwords: &[Password]) -> User {
    let stored = passwords
        .iter()
        .map(|password| StoredPassword { password: password.clone(), from: None });
    User { rights: rights(), proof: Proof::Passwords(stored.collect()), db_user: None }
}

fn rights() -> Rights {
    Rights {
        enabled: true,
        password_expires: None,
        method: Method::Auto,
        connections: crate::config::Access::default(),
        from: Vec::new(),
        max_sessions: None,
        db_roles: Vec::new(),
    }
}

fn below_a_path(rights: Rights) -> Arc<AnyUser> {
    Arc::new(AnyUser { rights, proof: AnyProof::Passwords { path: "/users".to_owned() } })
}

async fn accounts(users: impl IntoIterator<Item = (&str, User)>) -> Accounts {
    let users = users
        .into_iter()
        .map(|(name, user)| (name.to_owned(), Arc::new(user)))
        .collect();
    Accounts::new(&users, None, key(), Arc::new(ManualClock::default()), None)
        .await
        .unwrap()
}

/// With users below a path.
async fn with_path(users: impl IntoIterator<Item = (&str, User)>) -> Accounts {
    let users = users
        .into_iter()
        .map(|(name, user)| (name.to_owned(), Arc::new(user)))
        .collect();
    let any = below_a_path(rights());
    Accounts::new(&users, Some(&any), key(), Arc::new(SystemClock), None)
        .await
        .unwrap()
}

fn listing<const N: usize>(all: [(&str, &str); N]) -> Listing {
    all.into_iter()
        .map(|(name, text)| (name.to_owned(), secret(text)))
        .collect()
}

/// The account of a name that a password proves.
fn account_of(accounts: &Accounts, name: &str) -> PasswordAccount {
    match accounts.find(name) {
        Account::Password(account) => account,
        Account::Certificate(holder) => panic!("{holder:?}"),
    }
}

async fn index_of(accounts: &Accounts, account: &PasswordAccount, password: &str) -> Option<usize> {
    accounts
        .check_password(account, IpAddr::from([10, 0, 0, 1]), secret(password))
        .await
        .unwrap()
}

/// Which password it is to whom.
async fn shown(accounts: &Accounts, name: &str, password: &str) -> Result<usize, Reason> {
    let account = account_of(accounts, name);
    let index = index_of(accounts, &account, password)
        .await
        .ok_or(Reason::WrongPassword);
    account.holder.and(index)
}

#[tokio::test]
async fn replicas_agree_on_the_challenge_of_an_unknown_user() {
    let (one, two) = (accounts([]).await, accounts([]).await);
    let (a, b) = (account_of(&one, "nobody").verifiers, account_of(&two, "nobody").verifiers);
    assert_eq!((&a.salt, a.iterations, &a.keys[0].stored), (&b.salt, b.iterations, &b.keys[0].stored));
    assert_eq!((a.salt.len(), a.iterations), (SALT_BYTES, ITERATIONS));
    assert_ne!(a.salt, account_of(&one, "another").verifiers.salt);
    assert_ne!(a.keys[0].stored, a.keys[1].stored);
}

#[tokio::test]
async fn an_unknown_user_has_the_usual_iteration_count_and_no_password() {
    let count = |iterations| user(&[verifier("secret", SALT, iterations)]);
    let accounts = accounts([("a", count(1000)), ("b", count(1000)), ("c", count(4096))]).await;
    assert_eq!(account_of(&accounts, "nobody").verifiers.iterations, 1000);
    assert_eq!(shown(&accounts, "nobody", "secret").await, Err(Reason::UnknownUser));
    assert_eq!(index_of(&accounts, &account_of(&accounts, "nobody"), "secret").await, None);
    assert_eq!(shown(&accounts, "c", "secret").await, Ok(0));
}

#[tokio::test]
async fn a_disabled_users_own_password_proves_nothing() {
    let disabled = Rights { enabled: false, ..rights() };
    let disabled = User { rights: disabled, ..user(&[verifier("secret", SALT, 7)]) };
    let accounts = accounts([("a", disabled)]).await;
    let account = account_of(&accounts, "a");
    assert_eq!((&account.verifiers.salt[..], account.verifiers.iterations), (SALT, 7));
    assert_eq!(index_of(&accounts, &account, "secret").await, None);
    assert_eq!(account.holder.err(), Some(Reason::Disabled));
}

#[tokio::test]
async fn passwords_prove_nothing_from_the_moment_they_expire() {
    let clock = Arc::new(ManualClock::default());
    let end = clock.now() + Duration::from_secs(3600);
    let expiring = Rights { password_expires: Some(end), ..rights() };
    let expiring = User { rights: expiring, ..user(&[verifier("secret", SALT, 7)]) };
    let users = Users::from([("a".to_owned(), Arc::new(expiring))]);
    let accounts = Accounts::new(&users, None, key(), clock.clone(), None)
        .await
        .unwrap();
    assert_eq!(shown(&accounts, "a", "secret").await, Ok(0));
    clock.advance(Duration::from_secs(3601));
    let account = account_of(&accounts, "a");
    assert_eq!((&account.verifiers.salt[..], account.verifiers.iterations), (SALT, 7));
    assert_eq!(index_of(&accounts, &account, "secret").await, None);
    assert_eq!(account.holder.err(), Some(Reason::Expired));
}

#[tokio::test]
async fn either_of_two_passwords_proves_the_user_and_tells_which() {
    let plain = |text: &str| Password::Plain(secret(text));
    for passwords in [
        [verifier("old", SALT, 7), verifier("new", SALT, 7)],
        // A plain one is hashed under the verifier's salt, wherever that is.
        [plain("old"), verifier("new", SALT, 7)],
        [verifier("old", SALT, 7), plain("new")],
        [plain("old"), plain("new")],
    ] {
        let accounts = accounts([("a", user(&passwords))]).await;
        assert_eq!(shown(&accounts, "a", "old").await, Ok(0), "{passwords:?}");
        assert_eq!(shown(&accounts, "a", "new").await, Ok(1), "{passwords:?}");
        assert_eq!(shown(&accounts, "a", "pässword").await, Err(Reason::WrongPassword));
    }
}

#[tokio::test]
async fn a_second_verifier_with_another_salt_does_not_count() {
    let other = [verifier("old", SALT, 7), verifier("new", b"another salt", 7)];
    let accounts = accounts([("a", user(&other))]).await;
    assert_eq!(shown(&accounts, "a", "old").await, Ok(0));
    assert_eq!(shown(&accounts, "a", "new").await, Err(Reason::WrongPassword));
    accounts
        .renew("a", 1, verifier("new", SALT, 7))
        .await
        .unwrap();
    assert_eq!(shown(&accounts, "a", "new").await, Ok(1));
}

#[tokio::test]
async fn each_of_two_passwords_is_renewed_by_itself() {
    let accounts = accounts([("a", user(&[unread(), unread()]))]).await;
    assert_eq!(shown(&accounts, "a", "one").await, Err(Reason::Unread));
    accounts
        .renew("a", 1, Password::Plain(secret("two")))
        .await
        .unwrap();
    assert_eq!(shown(&accounts, "a", "two").await, Ok(1));
    accounts
        .renew("a", 0, verifier("one", SALT, 7))
        .await
        .unwrap();
    assert_eq!(shown(&accounts, "a", "one").await, Ok(0));
    assert_eq!(shown(&accounts, "a", "two").await, Ok(1), "hashed again, under the salt of the first");
    accounts
        .renew("a", 2, verifier("three", SALT, 7))
        .await
        .unwrap();
    accounts
        .renew("b", 0, verifier("three", SALT, 7))
        .await
        .unwrap();
    assert_eq!(shown(&accounts, "a", "three").await, Err(Reason::WrongPassword));
}

#[tokio::test]
async fn wrong_proofs_of_unread_and_unknown_names_count_alike() {
    let is_counted = |accounts: &Accounts, names: [&str; 3]| names.map(|name| account_of(accounts, name).is_counted);
    let own = || [("read", user(&[verifier("x", SALT, ITERATIONS)])), ("unread", user(&[unread()]))];
    let accounts = accounts(own()).await;
    assert_eq!(is_counted(&accounts, ["read", "unread", "nobody"]), [true, false, false]);
    accounts
        .renew("unread", 0, Password::Plain(secret("y")))
        .await
        .unwrap();
    assert_eq!(is_counted(&accounts, ["read", "unread", "nobody"]), [true; 3], "as many rounds as before");

    let accounts = with_path(own()).await;
    accounts
        .renew("unread", 0, Password::Plain(secret("y")))
        .await
        .unwrap();
    assert_eq!(is_counted(&accounts, ["read", "unread", "nobody"]), [true, true, false], "the path is unread");
    // Of one that was read, but is no password, nobody has the right one.
    accounts
        .relist(listing([("bad", "SCRAM-SHA-256$x")]))
        .await
        .unwrap();
    assert_eq!(is_counted(&accounts, ["read", "bad", "nobody"]), [true; 3]);
}

#[tokio::test]
async fn names_below_the_path_are_users_until_they_are_gone_from_it() {
    let accounts = with_path([("own", user(&[verifier("own", SALT, 7)]))]).await;
    assert_eq!(shown(&accounts, "ann", "anns").await, Err(Reason::Unread), "it may be one of them");
    accounts.relist(Listing::new()).await.unwrap();
    assert_eq!(shown(&accounts, "ann", "anns").await, Err(Reason::UnknownUser));
    let Password::Verifier(bobs) = verifier("bobs", SALT, 9) else { panic!("a verifier") };
    let all = [("ann", "anns\n"), ("bob", &bobs.to_string()), ("own", "others"), ("bad", "SCRAM-SHA-256$x")];
    accounts.relist(listing(all)).await.unwrap();
    assert_eq!(shown(&accounts, "ann", "anns").await, Ok(0));
    assert_eq!(shown(&accounts, "bob", "bobs").await, Ok(0));
    assert_eq!(shown(&accounts, "own", "own").await, Ok(0), "its own entry wins");
    assert_eq!(shown(&accounts, "own", "others").await, Err(Reason::WrongPassword));
    assert_eq!(shown(&accounts, "bad", "SCRAM-SHA-256$x").await, Err(Reason::Unread));
    assert!(matches!(account_of(&accounts, "own").holder, Ok(Holder::Own(_))));
    assert!(matches!(account_of(&accounts, "ann").holder, Ok(Holder::Any(_))));
    assert!(accounts.is_known("ann") && !accounts.is_known("nobody"));

    // What will not do leaves what there was.
    accounts
        .relist(listing([("ann", ""), ("bad", "good")]))
        .await
        .unwrap();
    assert_eq!(shown(&accounts, "ann", "anns").await, Ok(0));
    assert_eq!(shown(&accounts, "bad", "good").await, Ok(0));
    assert_eq!(shown(&accounts, "bob", "bobs").await, Err(Reason::UnknownUser));
}

#[tokio::test]
async fn listed_users_shape_the_challenge_of_unknown_users() {
    let accounts = with_path([("own", user(&[verifier("own", SALT, 7)]))]).await;
    assert_eq!(account_of(&accounts, "nobody").verifiers.iterations, 7);
    accounts
        .relist(listing([("ann", "anns"), ("bob", "bobs")]))
        .await
        .unwrap();
    assert_eq!(account_of(&accounts, "nobody").verifiers.iterations, ITERATIONS);
}

#[tokio::test]
async fn impossible_names_are_never_looked_up() {
    let accounts = with_path([]).await;
    let long = "n".repeat(64);
    let all = [("a/b", "pw"), ("a\0", "pw"), ("a\n", "pw"), ("", "pw"), (&*long, "pw"), (&long[1..], "pw")];
    accounts.relist(listing(all)).await.unwrap();
    for (name, want) in all
        .map(|(name, _)| (name, Err(Reason::UnknownUser)))
        .into_iter()
        .take(5)
    {
        assert_eq!(shown(&accounts, name, "pw").await, want, "{name:?}");
    }
    assert_eq!(shown(&accounts, &long[1..], "pw").await, Ok(0));
}

#[tokio::test]
async fn unknown_users_are_challenged_like_those_below_the_path() {
    let any = below_a_path(Rights { method: Method::Cleartext, ..rights() });
    let accounts = Accounts::new(&Users::new(), Some(&any), key(), Arc::new(SystemClock), None)
        .await
        .unwrap();
    assert_eq!(account_of(&accounts, "nobody").method, Method::Cleartext);
}

/// Reviewed in issue 13: a name with an entry of its own was left out of the listing, so that
/// whoever moved a user to the path refused it until the next one.
#[tokio::test]
async fn a_user_that_is_moved_to_the_path_is_known_there_at_once() {
    let before = with_path([("ann", user(&[verifier("old", SALT, 4096)]))]).await;
    let renewed = before
        .relist(listing([("ann", "moved to"), ("bob", "his")]))
        .await
        .unwrap();
    assert_eq!(renewed, ["bob"], "the own entry counts");
    assert_eq!(shown(&before, "ann", "old").await, Ok(0));
    assert_eq!(shown(&before, "ann", "moved to").await, Err(Reason::WrongPassword));
    let any = below_a_path(rights());
    let after = Accounts::new(&Users::new(), Some(&any), key(), Arc::new(SystemClock), Some(&before))
        .await
        .unwrap();
    assert!(matches!(after.standing("ann", true), Standing::Known(Holder::Any(_))));
    assert_eq!(shown(&after, "ann", "moved to").await, Ok(0));
}

/// Reviewed in issue 13: any name is known where `users."*"` is by certificate, so that a deleted
/// user kept its sessions.
#[tokio::test]
async fn who_was_let_in_by_an_own_entry_is_nobody_without_it_where_any_certificate_counts() {
    let any = Arc::new(AnyUser { rights: rights(), proof: AnyProof::Certificate });
    let accounts = Accounts::new(&Users::new(), Some(&any), key(), Arc::new(SystemClock), None)
        .await
        .unwrap();
    assert!(matches!(accounts.standing("ann", true), Standing::Nobody));
    assert!(matches!(accounts.standing("ann", false), Standing::Known(Holder::Any(_))));
}
