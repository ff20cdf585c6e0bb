//! Host names to addresses, by the system's resolver, on threads of their own.
//!
//! `getaddrinfo` blocks its thread until the system gives up, which no time-out of ours shortens. A
//! name whose name servers do not answer must not delay other names. So a host has one look-up
//! under way at a time, and all who ask for it wait for that one. There is a fixed number of
//! threads, and a thread is taken until its look-up ends, even if nobody waits any more. Hosts that
//! did not resolve within the last minute may hold half of the threads; the rest is for hosts that
//! did, and for new ones.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// A function that looks one host up, and may block for as long as it likes. The resolver calls it
/// on threads of its own.
pub type LookUp = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// The system's own look-up, `getaddrinfo`: addresses in the order in which RFC 6724 prefers them.
#[must_use]
pub fn system() -> LookUp {
    Arc::new(|host| {
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in (host, 0).to_socket_addrs()? {
            if !addresses.contains(&address.ip()) {
                addresses.push(address.ip());
            }
        }
        Ok(addresses)
    })
}

/// The caps on what one resolver uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResolverCaps {
    /// The most look-ups that run at once, each on a thread.
    pub(crate) threads: usize,
    /// The most hosts that are remembered or waited for.
    pub(crate) hosts: usize,
}

/// The caps for the hosts of warehouses. An idle resolver has no threads.
pub(crate) const WAREHOUSES: ResolverCaps = ResolverCaps { threads: 32, hosts: 4096 };

/// How long the addresses of a host are used again. Redshift's own records live for a minute. A
/// burst of logins asks once, and a name that moves is followed within seconds.
const ANSWER_MAX_AGE: Duration = Duration::from_secs(5);

/// How long a failed look-up is the answer for all who ask. It spares a name server that is
/// failing, and is short enough for someone who has just corrected a record.
const FAILURE_MAX_AGE: Duration = Duration::from_secs(2);

/// How long the addresses of a host may stand in where no thread is free to look them up again,
/// since all are held by other hosts' look-ups, or where the look-up under way takes longer than
/// [`SLOW`]. The server is verified by its certificate, so that an old address leads to no wrong
/// one.
const STANDS_IN: Duration = Duration::from_secs(300);

/// How long a look-up may take before an older answer stands in for it, where there is one: name
/// servers that answer do so sooner.
const SLOW: Duration = Duration::from_secs(1);

/// How long a host that did not resolve counts among those that may hold only half of the threads.
const SUSPECTED: Duration = Duration::from_secs(60);

/// The result of a look-up. An [`io::Error`] cannot be copied to all who wait; its kind and text
/// can.
type Answer = Result<Arc<[IpAddr]>, (io::ErrorKind, Arc<str>)>;

/// A cache of look-ups, and the threads that make them. All clones share both. Its lock guards the
/// table of hosts and the queue, and is never held during a look-up.
#[derive(Clone)]
pub(crate) struct Resolver {
    shared: Arc<Shared>,
}

struct Shared {
    look_up: LookUp,
    caps: ResolverCaps,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    hosts: HashMap<Arc<str>, Entry>,
    /// The hosts for which no thread was free, in the order in which they came.
    queue: VecDeque<Arc<str>>,
    threads: usize,
    /// How many threads look up a host that did not resolve the last time.
    suspects: usize,
}

struct Entry {
    /// The look-up that is under way or queued.
    flight: Option<Flight>,
    /// The last answer, and when it came.
    last: Option<(Instant, Answer)>,
}

struct Flight {
    told: watch::Sender<Option<Answer>>,
    begun: Instant,
    is_suspect: bool,
}

impl Resolver {
    /// Makes a resolver over this look-up, with an empty cache and no threads.
    pub(crate) fn new(look_up: LookUp, caps: ResolverCaps) -> Self {
        Self { shared: Arc::new(Shared { look_up, caps, state: Mutex::default() }) }
    }

    /// The addresses of a host, at least one. An IP address is its own answer. The caller sets the
    /// deadline. Cancel safe: the look-up goes on, and its answer is there for the next caller.
    ///
    /// # Errors
    /// The error of the system, or `ResourceBusy` if too many look-ups of names that did not
    /// resolve are under way.
    pub(crate) async fn resolve(&self, host: &str) -> io::Result<Arc<[IpAddr]>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Arc::new([address]));
        }
        let answer = match self.shared.ask(host)? {
            Asked::Known(answer) => answer,
            Asked::UnderWay(told, None) => answer_of(told).await,
            Asked::UnderWay(told, Some((at, instead))) => timeout_at(at, answer_of(told)).await.unwrap_or(instead),
        };
        answer.map_err(|(kind, text)| io::Error::new(kind, text.as_ref()))
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver")
            .field("caps", &self.shared.caps)
            .finish_non_exhaustive()
    }
}

/// The state of the look-up that a caller asks for.
enum Asked {
    /// The answer is known.
    Known(Answer),
    /// The answer is waited for. Where there is an older one, it is used after that moment.
    UnderWay(watch::Receiver<Option<Answer>>, Option<(Instant, Answer)>),
}

impl Shared {
    /// The answer that is remembered, or the look-up to wait for, which is begun if none is under
    /// way.
    fn ask(self: &Arc<Self>, host: &str) -> io::Result<Asked> {
        // Names do not differ by case, nor by the dot that ends a fully qualified one; the system's
        // resolver may use the dot, so it is kept.
        let host: Arc<str> = host.to_ascii_lowercase().into();
        let mut state = self.lock();
        let last = state.hosts.get(&host).and_then(|entry| entry.last.clone());
        if let Some((at, answer)) = &last
            && at.elapsed() < if answer.is_ok() { ANSWER_MAX_AGE } else { FAILURE_MAX_AGE }
        {
            return Ok(Asked::Known(answer.clone()));
        }
        let stand_in = last
            .clone()
            .filter(|(at, answer)| answer.is_ok() && at.elapsed() < STANDS_IN);
        let by = |begun: Instant| stand_in.clone().map(|(_, answer)| (begun + SLOW, answer));
        if let Some(flight) = state
            .hosts
            .get(&host)
            .and_then(|entry| entry.flight.as_ref())
        {
            return Ok(Asked::UnderWay(flight.told.subscribe(), by(flight.begun)));
        }
        let has_thread = state.threads < self.caps.threads;
        if let Some((_, answer)) = &stand_in
            && !has_thread
        {
            return Ok(Asked::Known(answer.clone()));
        }
        let is_suspect = last
            .as_ref()
            .is_some_and(|(at, answer)| answer.is_err() && at.elapsed() < SUSPECTED);
        if is_suspect && state.suspects >= self.caps.threads.div_ceil(2) || !state.has_room(self.caps.hosts) {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "too many look-ups of names that do not resolve are under way",
            ));
        }
        let (begun, (told, answer)) = (Instant::now(), watch::channel(None));
        state
            .hosts
            .insert(Arc::clone(&host), Entry { flight: Some(Flight { told, begun, is_suspect }), last });
        state.suspects += usize::from(is_suspect);
        if !has_thread {
            state.queue.push_back(host);
            return Ok(Asked::UnderWay(answer, by(begun)));
        }
        state.threads += 1;
        drop(state);
        let shared = Arc::clone(self);
        let first = Arc::clone(&host);
        if let Err(error) = thread::Builder::new()
            .name("resolver".to_owned())
            .spawn(move || shared.work(first))
        {
            self.ended(&host, Err((error.kind(), error.to_string().into())));
            self.lock().threads -= 1;
        }
        Ok(Asked::UnderWay(answer, by(begun)))
    }

    /// The work of one thread: the host that it was started for, then those that wait for a thread.
    fn work(&self, first: Arc<str>) {
        let mut next = Some(first);
        while let Some(host) = next {
            let answer = catch_unwind(AssertUnwindSafe(|| (self.look_up)(&host)))
                .unwrap_or_else(|_panic| Err(io::Error::other("the look-up panicked")));
            self.ended(
                &host,
                match answer {
                    Ok(addresses) if addresses.is_empty() => Err((io::ErrorKind::NotFound, "it has no address".into())),
                    Ok(addresses) => Ok(addresses.into()),
                    Err(error) => Err((error.kind(), error.to_string().into())),
                },
            );
            next = self.next();
        }
    }

    /// Sends the answer to all who wait, and remembers it.
    fn ended(&self, host: &Arc<str>, answer: Answer) {
        let mut state = self.lock();
        let Some(entry) = state.hosts.get_mut(host) else { return };
        let flight = entry.flight.take();
        entry.last = Some((Instant::now(), answer.clone()));
        if let Some(flight) = flight {
            state.suspects -= usize::from(flight.is_suspect);
            drop(state);
            flight.told.send_replace(Some(answer));
        }
    }

    /// The next queued host that somebody still waits for. `None`: there is none, and the thread
    /// that asked ends.
    fn next(&self) -> Option<Arc<str>> {
        let mut state = self.lock();
        while let Some(host) = state.queue.pop_front() {
            let flight = state
                .hosts
                .get(&host)
                .and_then(|entry| entry.flight.as_ref());
            if flight.is_some_and(|flight| flight.told.receiver_count() > 0) {
                return Some(host);
            }
            let abandoned = state
                .hosts
                .get_mut(&host)
                .and_then(|entry| entry.flight.take());
            state.suspects -= usize::from(abandoned.is_some_and(|flight| flight.is_suspect));
        }
        state.threads -= 1;
        None
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// Whether one more host can be remembered. Where there are too many, hosts that nobody waits
    /// for are forgotten: first those whose answer is no longer used, then all.
    fn has_room(&mut self, hosts: usize) -> bool {
        if self.hosts.len() >= hosts {
            self.hosts.retain(|_, entry| {
                let is_used = entry
                    .last
                    .as_ref()
                    .is_some_and(|(at, _)| at.elapsed() < ANSWER_MAX_AGE);
                entry.flight.is_some() || is_used
            });
        }
        if self.hosts.len() >= hosts {
            self.hosts.retain(|_, entry| entry.flight.is_some());
        }
        self.hosts.len() < hosts
    }
}

/// Waits for the result of the look-up under way.
async fn answer_of(mut told: watch::Receiver<Option<Answer>>) -> Answer {
    let answer = told
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|answer| answer.clone());
    answer.unwrap_or_else(|| Err(lost()))
}

fn lost() -> (io::ErrorKind, Arc<str>) {
    (io::ErrorKind::Interrupted, "the look-up was given up".into())
}

#[cfg(test)]
mod tests;
