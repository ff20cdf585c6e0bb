//! TCP to one of several addresses: attempts that overlap, and the first that connects wins (RFC
//! 8305, "Happy Eyeballs").

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long an attempt has for itself before the next address is tried beside it (RFC 8305 5,
/// Connection Attempt Delay).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// How long an address that did not answer is tried behind the others.
const AVOIDED: Duration = Duration::from_secs(600);

/// The most addresses that are remembered as not answering. Beyond them all are forgotten.
const MAX_AVOIDED: usize = 4096;

/// Most addresses that are tried. A name with more is no warehouse's, and each attempt is a socket.
pub(crate) const MAX_ADDRESSES: usize = 16;

/// The addresses that lost a race or failed within the last ten minutes. All sessions share one;
/// its lock guards the map, for a few lines at a time.
#[derive(Debug, Default)]
pub(crate) struct Avoided(Mutex<HashMap<SocketAddr, Instant>>);

/// An address that did not connect, and the error.
pub(crate) type Unanswered = (SocketAddr, io::Error);

impl Avoided {
    /// Sorts addresses into the order in which they are tried: the resolver's, with the families
    /// alternating (RFC 8305 4), and those that did not answer of late behind all others.
    fn order(&self, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        let avoided = self.0.lock();
        let is_avoided = |address: &SocketAddr| {
            avoided
                .get(address)
                .is_some_and(|since| since.elapsed() < AVOIDED)
        };
        let (late, early): (Vec<_>, Vec<_>) = addresses.iter().copied().partition(is_avoided);
        let mut order = alternating(&early);
        order.extend(alternating(&late));
        order.truncate(MAX_ADDRESSES);
        order
    }

    fn add(&self, addresses: impl IntoIterator<Item = SocketAddr>) {
        let mut avoided = self.0.lock();
        for address in addresses {
            if avoided.len() >= MAX_AVOIDED {
                avoided.retain(|_, since| since.elapsed() < AVOIDED);
            }
            if avoided.len() >= MAX_AVOIDED {
                avoided.clear();
            }
            avoided.insert(address, Instant::now());
        }
    }

    fn remove(&self, address: SocketAddr) {
        self.0.lock().remove(&address);
    }
}

/// Connects to the first of these that answers before `deadline`. An attempt begins when the one
/// before has failed, or has taken [`ATTEMPT_DELAY`]; those that are still under way when one
/// connects are dropped. Cancel safe.
///
/// # Errors
/// None of the addresses answered; the error of each that was tried, in no order.
pub(super) async fn race<S, F>(
    addresses: &[SocketAddr],
    avoided: &Avoided,
    deadline: Instant,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<(SocketAddr, S), Vec<Unanswered>>
where
    F: Future<Output = io::Result<S>>,
{
    let mut waiting = avoided.order(addresses).into_iter();
    let mut under_way = FuturesUnordered::new();
    let mut tried = Vec::new();
    let mut unanswered: Vec<Unanswered> = Vec::new();
    let attempt = |address| {
        let connecting: Pin<Box<_>> = Box::pin(connect(address));
        async move { (address, connecting.await) }
    };
    let mut next_at = Instant::now();
    loop {
        let is_due = under_way.is_empty() || Instant::now() >= next_at;
        if is_due && let Some(address) = waiting.next() {
            tried.push(address);
            under_way.push(attempt(address));
            next_at = Instant::now() + ATTEMPT_DELAY;
        }
        let ended = tokio::select! {
            ended = timeout_at(deadline, under_way.next()) => ended,
            () = sleep_until(next_at), if waiting.len() > 0 => continue,
        };
        match ended {
            Ok(Some((address, Ok(stream)))) => {
                avoided.remove(address);
                avoided.add(tried.into_iter().filter(|tried| *tried != address));
                return Ok((address, stream));
            }
            Ok(Some((address, Err(error)))) => {
                unanswered.push((address, error));
                // The next one need not wait.
                next_at = Instant::now();
            }
            Ok(None) => break,
            Err(_elapsed) => {
                let is_told = |address: &SocketAddr| unanswered.iter().any(|(told, _)| told == address);
                let late: Vec<_> = tried
                    .iter()
                    .copied()
                    .filter(|address| !is_told(address))
                    .collect();
                unanswered.extend(
                    late.into_iter()
                        .map(|address| (address, io::ErrorKind::TimedOut.into())),
                );
                break;
            }
        }
    }
    // All failed alike, so none of them is remembered.
    Err(unanswered)
}

/// Sorts addresses so that the families alternate, beginning with that of the first. Within a
/// family the order is kept.
fn alternating(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let leads_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .iter()
        .copied()
        .partition(|a| a.is_ipv6() == leads_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = Vec::with_capacity(addresses.len());
    loop {
        let pair = (first.next(), second.next());
        if pair == (None, None) {
            return order;
        }
        order.extend(pair.0.into_iter().chain(pair.1));
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::sleep;

    use super::*;

    const V6_DEAD: &str = "[2001:db8::1]:5439";
    const V6_SLOW: &str = "[2001:db8::2]:5439";
    const V4: &str = "10.0.0.1:5439";
    const V4_REFUSED: &str = "10.0.0.2:5439";

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn all(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| at(text)).collect()
    }

    async fn connect(address: SocketAddr) -> io::Result<SocketAddr> {
        match address.to_string().as_str() {
            V6_DEAD => pending().await,
            V6_SLOW => sleep(Duration::from_secs(1)).await,
            V4_REFUSED => return Err(io::ErrorKind::ConnectionRefused.into()),
            _ => sleep(Duration::from_millis(10)).await,
        }
        Ok(address)
    }

    fn deadline() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_address_costs_250_ms_and_only_once() {
        let (avoided, addresses) = (Avoided::default(), all(&[V6_DEAD, V4]));
        for (login, cost) in [(1, 260), (2, 10), (3, 10)] {
            let began = Instant::now();
            let (address, stream) = race(&addresses, &avoided, deadline(), connect)
                .await
                .unwrap();
            assert_eq!((address, stream), (at(V4), at(V4)));
            assert_eq!(began.elapsed(), Duration::from_millis(cost), "login {login}");
        }
        tokio::time::advance(AVOIDED).await;
        let began = Instant::now();
        race(&addresses, &avoided, deadline(), connect)
            .await
            .unwrap();
        assert_eq!(began.elapsed(), Duration::from_millis(260), "it is given another chance after a while");
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_answers_again_is_no_longer_avoided() {
        let (avoided, addresses) = (Avoided::default(), all(&[V6_SLOW, V4]));
        race(&addresses, &avoided, deadline(), connect)
            .await
            .unwrap();
        assert_eq!(avoided.order(&addresses), all(&[V4, V6_SLOW]));
        race(&all(&[V6_SLOW]), &avoided, deadline(), connect)
            .await
            .unwrap();
        assert_eq!(avoided.order(&addresses), addresses);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_refuses_is_followed_at_once_by_the_next() {
        let began = Instant::now();
        let addresses = all(&[V4_REFUSED, V6_DEAD, V4]);
        let (address, _) = race(&addresses, &Avoided::default(), deadline(), connect)
            .await
            .unwrap();
        assert_eq!((address, began.elapsed()), (at(V4), Duration::from_millis(260)));
    }

    #[tokio::test(start_paused = true)]
    async fn if_no_address_answers_all_are_reported_and_none_is_avoided() {
        let (avoided, began) = (Avoided::default(), Instant::now());
        let addresses = all(&[V6_DEAD, V4_REFUSED]);
        let mut told = race(&addresses, &avoided, deadline(), connect)
            .await
            .unwrap_err();
        told.sort_by_key(|(address, _)| *address);
        let told: Vec<_> = told
            .into_iter()
            .map(|(address, error)| (address, error.kind()))
            .collect();
        let kinds = [(at(V4_REFUSED), io::ErrorKind::ConnectionRefused), (at(V6_DEAD), io::ErrorKind::TimedOut)];
        assert_eq!((told.as_slice(), began.elapsed()), (&kinds[..], Duration::from_secs(10)));
        assert_eq!(avoided.order(&addresses), addresses);
        let began = Instant::now();
        assert_eq!(
            race(&all(&[V4_REFUSED]), &avoided, deadline(), connect)
                .await
                .unwrap_err()
                .len(),
            1
        );
        assert_eq!(
            race(&[], &avoided, deadline(), connect)
                .await
                .unwrap_err()
                .len(),
            0
        );
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_begin_250_ms_apart_and_are_bounded_in_number() {
        let begun = AtomicUsize::new(0);
        let addresses: Vec<_> = (0..40)
            .map(|n| SocketAddr::from(([10, 0, 1, n], 5439)))
            .collect();
        let connect = |_| {
            begun.fetch_add(1, Ordering::Relaxed);
            pending::<io::Result<()>>()
        };
        let deadline = Instant::now() + Duration::from_millis(1_100);
        assert_eq!(
            race(&addresses, &Avoided::default(), deadline, connect)
                .await
                .unwrap_err()
                .len(),
            5
        );
        assert_eq!(begun.swap(0, Ordering::Relaxed), 5);
        assert_eq!(
            race(&addresses, &Avoided::default(), deadline_after_all(), connect)
                .await
                .unwrap_err()
                .len(),
            16
        );
    }

    fn deadline_after_all() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn families_alternate_beginning_with_the_first() {
        let (a, b, c) = ("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1");
        let (x, y) = ("[2001:db8::1]:1", "[2001:db8::2]:1");
        for (given, want) in [
            (vec![x, y, a, b, c], vec![x, a, y, b, c]),
            (vec![a, b, x, c, y], vec![a, x, b, y, c]),
            (vec![a, b], vec![a, b]),
            (vec![], vec![]),
        ] {
            assert_eq!(alternating(&all(&given)), all(&want));
        }
    }
}
