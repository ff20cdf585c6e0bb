//! The requests that arrived: counted, kept for tests to read, and waited for.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::sync::watch;

/// How many requests of each operation are kept in full; all are counted.
const KEPT: usize = 10_000;

/// How many names of operations are told apart, so that invented names of an unknown caller do not
/// fill the memory.
const MAX_NAMES: usize = 256;

/// A request as it arrived.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// The operation that was asked for; perhaps none that is served here.
    pub operation: String,
    /// The caller's ARN, as GetCallerIdentity tells it. Empty if the signature was refused, or none
    /// is wanted.
    pub caller: String,
    /// The session tags that the caller came with: its own and those inherited along a chain of
    /// roles.
    pub caller_tags: BTreeMap<String, String>,
    /// The Region it claims to be signed for; empty if it is not signed.
    pub region: String,
    /// The form's fields, or the JSON body's members as text: nested ones as `a.b`, elements of
    /// lists as `a.1`.
    pub parameters: BTreeMap<String, String>,
    /// The `User-Agent`; empty if there is none.
    pub user_agent: String,
}

/// All requests, by operation.
#[derive(Default)]
pub(super) struct Journal(watch::Sender<Pages>);

#[derive(Default)]
struct Pages {
    by_operation: HashMap<String, Page>,
    /// How many have been noted.
    arrived: u64,
}

#[derive(Default)]
struct Page {
    count: usize,
    /// Each with its place among all.
    requests: VecDeque<(u64, Request)>,
}

impl Pages {
    fn count(&self, operation: &str) -> usize {
        self.by_operation
            .get(operation)
            .map_or(0, |page| page.count)
    }
}

impl Journal {
    /// Notes an arrival.
    pub(super) fn arrived(&self, request: Request) {
        self.0
            .send_modify(|Pages { by_operation: pages, arrived }| {
                if pages.len() >= MAX_NAMES && !pages.contains_key(&request.operation) {
                    return;
                }
                *arrived += 1;
                let page = pages.entry(request.operation.clone()).or_default();
                page.count += 1;
                page.requests.push_back((*arrived, request));
                if page.requests.len() > KEPT {
                    page.requests.pop_front();
                }
            });
    }

    pub(super) fn count(&self, operation: &str) -> usize {
        self.0.borrow().count(operation)
    }

    pub(super) fn requests(&self, operation: &str) -> Vec<Request> {
        let pages = self.0.borrow();
        let page = pages.by_operation.get(operation);
        page.into_iter()
            .flat_map(|page| &page.requests)
            .map(|(_, request)| request.clone())
            .collect()
    }

    /// All that are kept, in the order of their arrival.
    pub(super) fn all(&self) -> Vec<Request> {
        let pages = self.0.borrow();
        let mut all: Vec<_> = pages
            .by_operation
            .values()
            .flat_map(|page| &page.requests)
            .collect();
        all.sort_by_key(|(place, _)| *place);
        all.into_iter()
            .map(|(_, request)| request.clone())
            .collect()
    }

    /// Cancel safe.
    pub(super) async fn wait_for(&self, operation: &str, count: usize) {
        let reached = |pages: &Pages| pages.count(operation) >= count;
        // Fails only when the sender is gone, and that is `self`.
        let _ = self.0.subscribe().wait_for(reached).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(operation: &str, region: &str) -> Request {
        Request {
            operation: operation.to_owned(),
            caller: String::new(),
            caller_tags: BTreeMap::new(),
            region: region.to_owned(),
            parameters: BTreeMap::new(),
            user_agent: String::new(),
        }
    }

    #[tokio::test]
    async fn arrivals_are_counted_and_waited_for() {
        let journal = Journal::default();
        journal.wait_for("A", 0).await;
        tokio::join!(journal.wait_for("A", 2), async {
            journal.arrived(request("A", "r1"));
            journal.arrived(request("B", "r1"));
            journal.arrived(request("A", "r2"));
        });
        assert_eq!((journal.count("A"), journal.count("B"), journal.count("C")), (2, 1, 0));
        assert_eq!(journal.requests("A"), [request("A", "r1"), request("A", "r2")]);
        assert_eq!(journal.all(), [request("A", "r1"), request("B", "r1"), request("A", "r2")]);
    }

    #[test]
    fn the_journal_does_not_grow_without_end() {
        let journal = Journal::default();
        (0..KEPT + 2).for_each(|at| journal.arrived(request("A", &at.to_string())));
        assert_eq!((journal.count("A"), journal.requests("A").len()), (KEPT + 2, KEPT));
        assert_eq!(journal.requests("A")[0], request("A", "2"));
        (0..MAX_NAMES + 1).for_each(|at| journal.arrived(request(&format!("X{at}"), "r")));
        assert_eq!(journal.count(&format!("X{MAX_NAMES}")), 0);
    }
}
