//! On a paused clock.

use tokio::time::advance;

use super::memory::{MAX_BANS, MAX_FAILURES, MAX_GROUNDS};
use super::*;
use crate::secret::SecretBytes;

const SEC: Duration = Duration::from_secs(1);

/// The limits of most tests.
fn limits() -> BanLimits {
    let exempt = vec!["10.9.0.0/16".parse().unwrap()];
    BanLimits { after: 3, window: 60 * SEC, time: 300 * SEC, exempt }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A name that somebody has.
fn user(name: &str) -> CountedUser {
    let mut tag = [0; 32];
    tag.iter_mut()
        .zip(name.bytes())
        .for_each(|(to, from)| *to = from);
    CountedUser::new(SecretBytes::new(tag), name)
}

fn fail(bans: &Bans, from: &str, name: &str, times: usize) {
    for _ in 0..times {
        bans.record_failure(&limits(), ip(from), &user(name));
    }
}

fn is_banned(bans: &Bans, from: &str, name: &str) -> bool {
    bans.check(&limits(), ip(from), &user(name)).is_err()
}

fn forgive(bans: &Bans, names: &[&str]) {
    bans.forgive(&limits(), &names.iter().map(|name| user(name)).collect());
}

/// That nothing is known of anybody.
fn assert_empty(bans: &Bans) {
    let (_, memory) = bans.memory(&limits());
    assert_eq!(memory.grounds, 0);
    assert!(memory.addresses.is_empty() && memory.failures.is_empty() && memory.bans.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pair_is_banned_for_a_time_and_then_forgotten() {
    let bans = Bans::default();
    fail(&bans, "10.0.0.1", "a", 2);
    assert!(!is_banned(&bans, "10.0.0.1", "a"));
    fail(&bans, "10.0.0.1", "a", 1);
    assert!(is_banned(&bans, "10.0.0.1", "a"));
    assert!(!is_banned(&bans, "10.0.0.1", "b") && !is_banned(&bans, "10.0.0.2", "a"));
    assert_eq!(bans.list(&limits()), [Ban { address: ip("10.0.0.1"), user: Some("a".into()), left: 300 * SEC }]);
    advance(299 * SEC).await;
    assert_eq!(bans.check(&limits(), ip("::ffff:10.0.0.1"), &user("a")), Err(Banned { left: SEC }));
    advance(SEC).await;
    assert!(!is_banned(&bans, "10.0.0.1", "a"));
    assert_empty(&bans);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_counts_by_its_outcome_unless_a_ban_began_meanwhile() {
    let bans = Bans::default();
    let a = user("a");
    let limits = &limits();
    let attempt = || bans.start_attempt(limits, ip("10.0.0.1"), &a);
    let late = [Outcome::Right, Outcome::Wrong].map(|outcome| (attempt().unwrap(), outcome));
    for outcome in [
        Outcome::Uncounted,
        Outcome::Wrong,
        Outcome::Wrong,
        Outcome::Right,
        Outcome::Wrong,
        Outcome::Wrong,
        Outcome::Wrong,
    ] {
        attempt().unwrap().finish(outcome).unwrap();
    }
    let banned = Banned { left: 300 * SEC };
    assert_eq!(attempt().err(), Some(banned));
    for (attempt, outcome) in late {
        assert!(!attempt.is_allowed());
        assert_eq!(attempt.finish(outcome), Err(banned));
    }
    let (_, memory) = bans.memory(limits);
    assert_eq!(memory.failures.len(), 5, "what came too late is not among them");
}

#[tokio::test(start_paused = true)]
async fn failures_count_within_any_window() {
    let bans = Bans::default();
    for _ in 0..20 {
        fail(&bans, "10.0.0.1", "a", 1);
        advance(30 * SEC).await;
    }
    assert!(!is_banned(&bans, "10.0.0.1", "a"), "never three in a minute");
    fail(&bans, "10.0.0.1", "a", 1);
    advance(29 * SEC).await;
    fail(&bans, "10.0.0.1", "a", 1);
    assert!(is_banned(&bans, "10.0.0.1", "a"), "with the one 59 s ago");
}

#[tokio::test(start_paused = true)]
async fn an_address_is_banned_after_ten_times_as_many_over_all_users() {
    let bans = Bans::default();
    for user in 0..15 {
        fail(&bans, "10.0.0.1", &format!("u{user}"), 2);
        assert_eq!(is_banned(&bans, "10.0.0.1", "good"), user == 14, "{user}");
    }
    assert_eq!(bans.list(&limits()), [Ban { address: ip("10.0.0.1"), user: None, left: 300 * SEC }]);
    advance(300 * SEC).await;
    assert_empty(&bans);
}

#[tokio::test(start_paused = true)]
async fn a_success_forgives_its_own_user_alone() {
    let bans = Bans::default();
    // Somebody with an account guesses at others', two at a time.
    for other in 0..14 {
        fail(&bans, "10.0.0.1", &format!("u{other}"), 2);
        fail(&bans, "10.0.0.1", "own", 1);
        bans.record_success(&limits(), ip("10.0.0.1"), &user("own"));
    }
    assert!(!is_banned(&bans, "10.0.0.1", "own") && !is_banned(&bans, "10.0.0.1", "u0"));
    fail(&bans, "10.0.0.1", "own", 2);
    assert!(is_banned(&bans, "10.0.0.1", "own"), "28 of others', and two of its own");
    advance(300 * SEC).await;
    assert_empty(&bans);
}

#[tokio::test(start_paused = true)]
async fn forgiven_failures_age_apart_from_later_ones() {
    let bans = Bans::default();
    fail(&bans, "10.0.0.1", "a", 2);
    bans.record_success(&limits(), ip("10.0.0.1"), &user("a"));
    advance(30 * SEC).await;
    fail(&bans, "10.0.0.1", "a", 2);
    advance(30 * SEC).await;
    fail(&bans, "10.0.0.1", "a", 1);
    assert!(is_banned(&bans, "10.0.0.1", "a"), "three within 30 s");
}

#[tokio::test(start_paused = true)]
async fn an_ipv6_network_is_one_address() {
    let bans = Bans::default();
    for host in 1..=3 {
        fail(&bans, &format!("2001:db8::{host}"), "a", 1);
    }
    assert!(is_banned(&bans, "2001:db8::ffff", "a"));
    assert!(!is_banned(&bans, "2001:db8:0:1::1", "a"));
}

#[tokio::test(start_paused = true)]
async fn exempt_networks_and_an_end_before_its_time() {
    let bans = Bans::default();
    fail(&bans, "10.9.0.1", "a", 50);
    assert!(!is_banned(&bans, "10.9.0.1", "a") && !is_banned(&bans, "::ffff:10.9.0.1", "a"));
    assert_empty(&bans);
    fail(&bans, "10.0.0.1", "a", 3);
    fail(&bans, "10.0.0.1", "b", 3);
    fail(&bans, "10.0.0.2", "a", 3);
    assert_eq!(bans.lift(&limits(), ip("10.0.0.1")), 2);
    assert_eq!(bans.lift(&limits(), ip("10.0.0.1")), 0);
    assert!(!is_banned(&bans, "10.0.0.1", "a") && is_banned(&bans, "10.0.0.2", "a"));
    fail(&bans, "10.0.0.1", "a", 2);
    assert!(!is_banned(&bans, "10.0.0.1", "a"), "it begins anew");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_counted_when_it_is_off() {
    let (bans, off) = (Bans::default(), BanLimits { after: 0, ..limits() });
    for _ in 0..1000 {
        bans.record_failure(&off, ip("10.0.0.1"), &user("a"));
    }
    assert!(bans.check(&off, ip("10.0.0.1"), &user("a")).is_ok());
    assert_empty(&bans);
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_and_a_flood_of_failures_ends_no_ban() {
    let bans = Bans::default();
    fail(&bans, "10.0.0.1", "a", 3);
    let flood = MAX_FAILURES + 10;
    for n in 0..flood {
        // 29 of each address: none is banned by itself.
        let address = IpAddr::from(u32::try_from(0x0b00_0000 + n / 29).unwrap().to_be_bytes());
        bans.record_failure(&limits(), address, &user(&format!("u{n}")));
    }
    assert!(is_banned(&bans, "10.0.0.1", "a"));
    let (_, memory) = bans.memory(&limits());
    assert_eq!((memory.failures.len(), memory.bans.len()), (MAX_FAILURES, 1));
    let pairs: usize = memory
        .addresses
        .values()
        .map(|address| address.users.len())
        .sum();
    assert!(pairs <= MAX_FAILURES + MAX_BANS);
    assert!(memory.addresses.len() <= pairs);
}

/// Issue 11, A4: right passwords that waited for our own queue until `startup_timeout` were counted
/// as wrong.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_dropped_counts_for_nothing() {
    let (bans, a) = (Bans::default(), user("a"));
    for _ in 0..10 {
        drop(bans.start_attempt(&limits(), ip("10.0.0.1"), &a).unwrap());
    }
    assert_empty(&bans);
}

/// Issue 11, A4: whoever sent a new password before we had read it was kept away with it.
#[tokio::test(start_paused = true)]
async fn a_user_with_a_new_password_begins_anew_everywhere() {
    let bans = Bans::default();
    for from in ["10.0.0.1", "10.0.0.2"] {
        fail(&bans, from, "a", 3);
        fail(&bans, from, "b", 3);
    }
    fail(&bans, "10.0.0.3", "a", 2);
    forgive(&bans, &["a"]);
    for from in ["10.0.0.1", "10.0.0.2"] {
        assert!(!is_banned(&bans, from, "a") && is_banned(&bans, from, "b"));
    }
    fail(&bans, "10.0.0.3", "a", 2);
    assert!(!is_banned(&bans, "10.0.0.3", "a"), "two, not four");
    assert_eq!(bans.list(&limits()).len(), 2);
    advance(300 * SEC).await;
    assert_empty(&bans);

    // The ban has outlived the failures that led to it.
    fail(&bans, "10.0.0.1", "a", 3);
    advance(100 * SEC).await;
    forgive(&bans, &["a"]);
    assert_empty(&bans);
}

/// An office behind one address, whose users all have the passwords of before a rotation, or of
/// after it.
#[tokio::test(start_paused = true)]
async fn the_ban_of_an_address_ends_with_the_failures_that_it_stands_on() {
    let bans = Bans::default();
    let office = || (0..15).for_each(|n| fail(&bans, "10.0.0.1", &format!("u{n}"), 2));
    office();
    fail(&bans, "10.0.0.2", "u0", 2);
    assert!(is_banned(&bans, "10.0.0.1", "good"));
    forgive(&bans, &["good", "other"]);
    assert!(is_banned(&bans, "10.0.0.1", "good"), "it stands on failures of others");
    forgive(&bans, &["u0", "good"]);
    assert!(!is_banned(&bans, "10.0.0.1", "good") && bans.list(&limits()).is_empty());
    fail(&bans, "10.0.0.1", "guess", 1);
    assert!(!is_banned(&bans, "10.0.0.1", "good"), "28 of the others', and one");
    fail(&bans, "10.0.0.1", "guess", 1);
    assert!(is_banned(&bans, "10.0.0.1", "good"));
    assert_eq!(bans.lift(&limits(), ip("10.0.0.1")), 1);
    advance(60 * SEC).await;
    assert_empty(&bans);

    // The ban has outlived them.
    office();
    advance(100 * SEC).await;
    forgive(&bans, &["good"]);
    assert!(is_banned(&bans, "10.0.0.1", "good"));
    forgive(&bans, &["u14"]);
    assert!(!is_banned(&bans, "10.0.0.1", "good"));
    assert_empty(&bans);

    office();
    advance(300 * SEC).await;
    assert_empty(&bans);
}

/// What a ban stands on is bounded with all the rest.
#[tokio::test(start_paused = true)]
async fn beyond_the_bound_a_ban_of_an_address_lasts_its_time() {
    let bans = Bans::default();
    bans.memory(&limits()).1.grounds = MAX_GROUNDS - 14;
    (0..15).for_each(|n| fail(&bans, "10.0.0.1", &format!("u{n}"), 2));
    assert_eq!(bans.memory(&limits()).1.grounds, MAX_GROUNDS - 14);
    forgive(&bans, &["u0"]);
    assert!(is_banned(&bans, "10.0.0.1", "good"));
    advance(300 * SEC).await;
    assert_eq!(bans.memory(&limits()).1.grounds, MAX_GROUNDS - 14);
    assert!(!is_banned(&bans, "10.0.0.1", "good"));
}

/// Names that look alike where nobody has them: a ban of one must not tell whether somebody has the
/// other.
#[tokio::test(start_paused = true)]
async fn names_that_are_shown_alike_are_banned_apart() {
    let (bans, alias) = (Bans::default(), "unknown-bf227a79");
    let [one, other] = [[1; 32], [2; 32]].map(|tag| CountedUser::new(SecretBytes::new(tag), alias));
    for _ in 0..3 {
        bans.record_failure(&limits(), ip("10.0.0.1"), &one);
    }
    assert!(bans.check(&limits(), ip("10.0.0.1"), &one).is_err());
    assert!(bans.check(&limits(), ip("10.0.0.1"), &other).is_ok());
}

#[tokio::test(start_paused = true)]
async fn other_limits_hold_from_the_next_wrong_proof_and_bans_keep_their_ends() {
    let (bans, from) = (Bans::default(), ip("10.0.0.1"));
    let brief = BanLimits { after: 2, time: 10 * SEC, ..limits() };
    fail(&bans, "10.0.0.1", "a", 3);
    fail(&bans, "10.0.0.1", "b", 2);
    assert!(bans.check(&brief, from, &user("b")).is_ok(), "two were not enough when they came");
    bans.record_failure(&brief, from, &user("b"));
    let listed = |limits: &BanLimits| -> Vec<_> {
        let bans = bans.list(limits).into_iter();
        bans.map(|ban| (ban.user.unwrap(), ban.left)).collect()
    };
    assert_eq!(listed(&brief), [("b".to_owned(), 10 * SEC), ("a".to_owned(), 300 * SEC)]);
    let exempt = BanLimits { exempt: vec!["10.0.0.0/24".parse().unwrap()], ..limits() };
    for lenient in [exempt, BanLimits { after: 0, ..limits() }] {
        assert!(bans.check(&lenient, from, &user("a")).is_ok() && bans.list(&lenient).is_empty());
    }
    fail(&bans, "2001:db8::1", "c", 3);
    let in_part =
        BanLimits { exempt: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/96".parse().unwrap()], ..limits() };
    assert_eq!(listed(&in_part), [("c".to_owned(), 300 * SEC)], "in force for the rest of its /64");
    assert_eq!(bans.lift(&limits(), ip("2001:db8::1")), 1);
    advance(10 * SEC).await;
    assert!(bans.check(&brief, from, &user("b")).is_ok(), "it ended ahead of an earlier one");
    assert_eq!(listed(&brief), [("a".to_owned(), 290 * SEC)]);
    advance(290 * SEC).await;
    assert_empty(&bans);
}
