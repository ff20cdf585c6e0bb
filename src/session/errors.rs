//! The last refusals and broken sessions with their whole causes: an operator finds one by the id
//! that our messages to clients end with.
//!
//! What an operator must not lose is kept apart from what anybody can cause. Refusals of clients
//! that have not proved who they are take [`MOST_UNPROVEN`] places at most, and those of one
//! address [`MOST_OF_ADDRESS`] of these: a flood pushes out its own entries, then those of other
//! unproven clients, and never those of users.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::facts::Facts;
use crate::address::neighbourhood;
use crate::config::ConnId;
use crate::session_id::SessionId;

/// How many errors are kept.
const MOST: usize = 1000;

/// How many of them are of clients that have not proved who they are.
const MOST_UNPROVEN: usize = MOST / 2;

/// How many of these are of one address; all of an IPv6 /64 count as one.
const MOST_OF_ADDRESS: usize = 50;

/// Longest text of a cause that is kept, in bytes.
const MAX_CAUSE: usize = 4000;

/// Longest name that is kept, in bytes.
const MAX_NAME: usize = 250;

/// The most bytes of all texts; of unproven clients half as many.
const MAX_BYTES: usize = 2 << 20;

/// The last refusals and broken sessions. All sessions share one. The lock is held while one is
/// added, in O(log n), or while those that are asked for are copied; no cause is put together under
/// it.
#[derive(Default)]
pub(crate) struct Errors(Mutex<Kept>);

/// A refusal or a broken session that is kept.
#[derive(Clone, Debug)]
pub(crate) struct KeptError {
    /// When it happened.
    pub(crate) at: Instant,
    /// The session that was refused, or broke.
    pub(crate) id: SessionId,
    /// The client's address.
    pub(crate) client: IpAddr,
    /// The user, or what stands for a name that nobody has.
    pub(crate) user: Box<str>,
    /// The connection, once the user is known to have a right to it.
    pub(crate) conn_id: Option<ConnId>,
    /// The SQLSTATE that the client was told. Empty: it was told nothing.
    pub(crate) sqlstate: Box<str>,
    /// The error with all its causes.
    pub(crate) cause: Box<str>,
}

#[derive(Default)]
struct Kept {
    next: u64,
    /// By their numbers, the oldest first.
    of_proven: Ring,
    of_unproven: Ring,
    /// The numbers of those in `of_unproven`, by the client's neighbourhood, the oldest first.
    by_address: HashMap<IpAddr, VecDeque<u64>>,
}

#[derive(Default)]
struct Ring {
    by_number: BTreeMap<u64, KeptError>,
    bytes: usize,
}

impl Errors {
    /// Keeps an error of a session, in place of the oldest.
    pub(super) fn keep(&self, id: SessionId, facts: &Facts, sqlstate: &str, cause: &str) {
        let error = KeptError {
            at: Instant::now(),
            id,
            client: facts.client,
            user: cut(&facts.user, MAX_NAME),
            conn_id: facts.conn_id.clone(),
            sqlstate: sqlstate.into(),
            cause: cut(cause, MAX_CAUSE),
        };
        self.0.lock().add(error, facts.is_proven);
    }

    /// The errors that are kept, the newest first; of one session where an id is given.
    pub(crate) fn newest_first(&self, of: Option<&str>) -> Vec<KeptError> {
        let mut found: Vec<_> = {
            let kept = self.0.lock();
            let rings = [&kept.of_proven, &kept.of_unproven];
            let all = rings.into_iter().flat_map(|ring| &ring.by_number);
            all.filter(|(_, error)| of.is_none_or(|id| error.id.as_str() == id))
                .map(|(number, error)| (*number, error.clone()))
                .collect()
        };
        found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        found.into_iter().map(|(_, error)| error).collect()
    }
}

impl Kept {
    fn add(&mut self, error: KeptError, is_proven: bool) {
        let number = self.next;
        self.next += 1;
        if is_proven {
            self.of_proven.push(number, error);
        } else {
            let of_address = self
                .by_address
                .entry(neighbourhood(error.client))
                .or_default();
            of_address.push_back(number);
            let surplus = if of_address.len() > MOST_OF_ADDRESS { of_address.pop_front() } else { None };
            if let Some(oldest) = surplus {
                self.of_unproven.remove(oldest);
            }
            self.of_unproven.push(number, error);
        }
        while self.of_unproven.by_number.len() > MOST_UNPROVEN || self.of_unproven.bytes > MAX_BYTES / 2 {
            self.drop_oldest_unproven();
        }
        while self.of_proven.by_number.len() + self.of_unproven.by_number.len() > MOST
            || self.of_proven.bytes + self.of_unproven.bytes > MAX_BYTES
        {
            match (self.of_proven.oldest(), self.of_unproven.oldest()) {
                (Some(proven), Some(unproven)) if unproven < proven => self.drop_oldest_unproven(),
                (Some(proven), _) => self.of_proven.remove(proven),
                (None, _) => break,
            }
        }
    }

    fn drop_oldest_unproven(&mut self) {
        let Some((number, error)) = self.of_unproven.pop() else { return };
        let neighbourhood = neighbourhood(error.client);
        if let Some(of_address) = self.by_address.get_mut(&neighbourhood) {
            // The oldest of all is the oldest of its address.
            of_address.retain(|other| *other != number);
            if of_address.is_empty() {
                self.by_address.remove(&neighbourhood);
            }
        }
    }
}

impl Ring {
    fn oldest(&self) -> Option<u64> {
        self.by_number.keys().next().copied()
    }

    fn push(&mut self, number: u64, error: KeptError) {
        self.bytes += error.bytes();
        self.by_number.insert(number, error);
    }

    fn remove(&mut self, number: u64) {
        if let Some(error) = self.by_number.remove(&number) {
            self.bytes = self.bytes.saturating_sub(error.bytes());
        }
    }

    fn pop(&mut self) -> Option<(u64, KeptError)> {
        let popped = self.by_number.pop_first();
        if let Some((_, error)) = &popped {
            self.bytes = self.bytes.saturating_sub(error.bytes());
        }
        popped
    }
}

impl KeptError {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.user.len() + self.sqlstate.len() + self.cause.len()
    }
}

/// Cuts a text to so many bytes, between two characters.
fn cut(text: &str, most: usize) -> Box<str> {
    if text.len() <= most {
        return text.into();
    }
    let end = text.floor_char_boundary(most);
    format!("{}…", text.get(..end).unwrap_or_default()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(address: &str, is_proven: bool) -> Facts {
        Facts {
            is_proven,
            ..Facts::new((address.parse::<IpAddr>().unwrap(), 50_000).into(), ([127, 0, 0, 1], 5439).into())
        }
    }

    fn refuse(errors: &Errors, address: &str, is_proven: bool, cause: &str) -> SessionId {
        let id = SessionId::random();
        errors.keep(id, &facts(address, is_proven), "28P01", cause);
        id
    }

    #[tokio::test]
    async fn an_error_is_found_by_the_id_of_its_session() {
        let errors = Errors::default();
        refuse(&errors, "10.0.0.1", false, "one");
        let id = refuse(&errors, "10.0.0.1", true, "the other");
        refuse(&errors, "10.0.0.1", false, "a third");
        let found = errors.newest_first(Some(id.as_str()));
        let [error] = &found[..] else { panic!("{found:?}") };
        assert_eq!((&*error.cause, &*error.sqlstate, error.id), ("the other", "28P01", id));
        let all: Vec<_> = errors
            .newest_first(None)
            .into_iter()
            .map(|error| error.cause)
            .collect();
        assert_eq!(all, ["a third", "the other", "one"].map(Box::from));
        assert!(errors.newest_first(Some("nosuchsession")).is_empty());
    }

    /// One address cannot push out what others have caused, and no number of unproven clients what
    /// users have.
    #[tokio::test]
    async fn a_flood_of_unproven_clients_pushes_out_its_own_entries() {
        let errors = Errors::default();
        let user = refuse(&errors, "10.0.0.1", true, "denied");
        let mistyped = refuse(&errors, "10.0.0.2", false, "wrong password");
        for _ in 0..5000 {
            refuse(&errors, "10.9.9.9", false, "wrong password");
        }
        assert_eq!(errors.newest_first(None).len(), MOST_OF_ADDRESS + 2);
        assert_eq!(errors.newest_first(Some(mistyped.as_str())).len(), 1);
        for number in 0..5000 {
            refuse(&errors, &format!("10.8.{}.{}", number / 256, number % 256), false, "wrong password");
        }
        assert_eq!(errors.newest_first(None).len(), MOST_UNPROVEN + 1);
        assert_eq!(errors.newest_first(Some(mistyped.as_str())).len(), 0);
        assert_eq!(errors.newest_first(Some(user.as_str())).len(), 1);
        let kept = errors.0.lock();
        assert_eq!(kept.by_address.values().map(VecDeque::len).sum::<usize>(), MOST_UNPROVEN);
    }

    #[tokio::test]
    async fn the_oldest_goes_and_texts_are_bounded() {
        let errors = Errors::default();
        for number in 0..1500 {
            refuse(&errors, "10.0.0.1", true, &format!("number {number}"));
        }
        let all = errors.newest_first(None);
        assert_eq!((all.len(), &*all[0].cause, &*all[MOST - 1].cause), (MOST, "number 1499", "number 500"));
        for _ in 0..1500 {
            refuse(&errors, "10.0.0.1", true, &"€".repeat(10_000));
        }
        let all = errors.newest_first(None);
        assert!(all.iter().all(|error| error.cause.len() <= MAX_CAUSE + 3));
        let bytes: usize = all.iter().map(KeptError::bytes).sum();
        assert!(bytes <= MAX_BYTES && bytes > MAX_BYTES / 2, "{bytes}");
        assert_eq!(errors.0.lock().of_proven.bytes, bytes);
    }
}
