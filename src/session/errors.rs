//! The last refusals and broken sessions with their whole causes: an operator finds one by the id
//! that our messages to clients end with.
//!
//! One client pushes out its own entries first. Half of the places are for users, of whom each
//! takes [`MOST_OF_USER`] at most, and half for clients that have not proved who they are, each
//! address [`MOST_OF_ADDRESS`] at most. No half pushes out entries of the other.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::facts::Facts;
use crate::address::neighbourhood;
use crate::config::ConnId;
use crate::session_id::SessionId;

/// How many errors are kept of users, and as many of clients that have not proved who they are.
const MOST_OF_HALF: usize = 500;

/// How many errors are kept of one user.
const MOST_OF_USER: usize = 100;

/// How many errors are kept of unproven clients at one address; all of an IPv6 /64 count as one.
const MOST_OF_ADDRESS: usize = 50;

/// Longest text of a cause that is kept, in bytes.
const MAX_CAUSE: usize = 4000;

/// Longest name that is kept, in bytes.
const MAX_NAME: usize = 250;

/// The most bytes of the errors of a half.
const MAX_BYTES_OF_HALF: usize = 1 << 20;

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
    of_users: Half,
    of_unproven: Half,
}

/// The errors of one kind of clients.
#[derive(Default)]
struct Half {
    /// By their numbers, the oldest first.
    by_number: BTreeMap<u64, (Client, KeptError)>,
    /// The numbers of each client's errors, the oldest first.
    by_client: HashMap<Client, VecDeque<u64>>,
    bytes: usize,
}

/// The party whose errors are counted together.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Client {
    /// A user, wherever it is.
    User(Box<str>),
    /// All unproven clients of a neighbourhood.
    At(IpAddr),
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
            let halves = [&kept.of_users, &kept.of_unproven];
            let all = halves.into_iter().flat_map(|half| &half.by_number);
            all.filter(|(_, (_, error))| of.is_none_or(|id| error.id.as_str() == id))
                .map(|(number, (_, error))| (*number, error.clone()))
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
            let user = Client::User(error.user.clone());
            self.of_users.add(number, user, error, MOST_OF_USER);
        } else {
            let place = Client::At(neighbourhood(error.client));
            self.of_unproven.add(number, place, error, MOST_OF_ADDRESS);
        }
    }
}

impl Half {
    /// Adds an error of a client that has `most` places, in place of its oldest, or of the oldest.
    fn add(&mut self, number: u64, client: Client, error: KeptError, most: usize) {
        self.bytes += error.bytes();
        let of_client = self.by_client.entry(client.clone()).or_default();
        of_client.push_back(number);
        let surplus = of_client
            .front()
            .copied()
            .filter(|_| of_client.len() > most);
        self.by_number.insert(number, (client, error));
        if let Some(oldest) = surplus {
            self.remove(oldest);
        }
        while self.by_number.len() > MOST_OF_HALF || self.bytes > MAX_BYTES_OF_HALF {
            let Some((oldest, _)) = self.by_number.first_key_value() else { break };
            self.remove(*oldest);
        }
    }

    /// Removes an error that is the oldest of its client.
    fn remove(&mut self, number: u64) {
        let Some((client, error)) = self.by_number.remove(&number) else { return };
        self.bytes = self.bytes.saturating_sub(error.bytes());
        if let Some(of_client) = self.by_client.get_mut(&client) {
            of_client.pop_front();
            if of_client.is_empty() {
                self.by_client.remove(&client);
            }
        }
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

    fn refuse_user(errors: &Errors, user: &str, cause: &str) -> SessionId {
        let id = SessionId::random();
        errors.keep(id, &Facts { user: user.into(), ..facts("10.0.0.1", true) }, "42501", cause);
        id
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
        assert_eq!(errors.newest_first(None).len(), MOST_OF_HALF + 1);
        assert_eq!(errors.newest_first(Some(mistyped.as_str())).len(), 0);
        assert_eq!(errors.newest_first(Some(user.as_str())).len(), 1);
        let kept = errors.0.lock();
        let numbers = kept.of_unproven.by_client.values();
        assert_eq!(numbers.map(VecDeque::len).sum::<usize>(), MOST_OF_HALF);
    }

    /// One user cannot push out what others have caused, be they users or not, and all users
    /// together nothing of clients that are not.
    #[tokio::test]
    async fn a_flood_of_users_pushes_out_their_own_entries() {
        let errors = Errors::default();
        let user = refuse_user(&errors, "ann", "denied");
        let mistyped = refuse(&errors, "10.0.0.2", false, "wrong password");
        for _ in 0..5000 {
            refuse_user(&errors, "mallory", "denied");
        }
        assert_eq!(errors.newest_first(None).len(), MOST_OF_USER + 2);
        assert_eq!(errors.newest_first(Some(user.as_str())).len(), 1);
        for number in 0..5000 {
            refuse_user(&errors, &format!("user{number}"), "denied");
        }
        assert_eq!(errors.newest_first(None).len(), MOST_OF_HALF + 1);
        assert_eq!(errors.newest_first(Some(user.as_str())).len(), 0);
        assert_eq!(errors.newest_first(Some(mistyped.as_str())).len(), 1);
    }

    #[tokio::test]
    async fn the_oldest_goes_and_texts_are_bounded() {
        let errors = Errors::default();
        for number in 0..700 {
            refuse_user(&errors, &format!("user{}", number % 70), &format!("number {number}"));
        }
        let all = errors.newest_first(None);
        let causes = (all.len(), &*all[0].cause, &*all[MOST_OF_HALF - 1].cause);
        assert_eq!(causes, (MOST_OF_HALF, "number 699", "number 200"));
        for number in 0..700 {
            refuse_user(&errors, &format!("user{}", number % 70), &"€".repeat(10_000));
        }
        let all = errors.newest_first(None);
        assert!(all.iter().all(|error| error.cause.len() <= MAX_CAUSE + 3));
        let bytes: usize = all.iter().map(KeptError::bytes).sum();
        assert!(bytes <= MAX_BYTES_OF_HALF && bytes > MAX_BYTES_OF_HALF / 2, "{bytes}");
        assert_eq!(errors.0.lock().of_users.bytes, bytes);
    }
}
