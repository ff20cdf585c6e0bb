//! What arrived: counted, kept for tests to look at, and waited for.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::sync::watch;

/// How many requests of each operation are kept in full; all are counted.
const KEPT: usize = 10_000;

/// How many names of operations are told apart, so that a stranger's inventions do not fill the memory.
const MAX_NAMES: usize = 256;

/// A request as it arrived.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// The caller's ARN, as GetCallerIdentity tells it. Empty if the signature was refused.
    pub caller: String,
    /// The Region it claims to be signed for; empty if it is not signed.
    pub region: String,
    /// The form's fields, or the JSON body's members as text: nested ones as `a.b`, elements of lists as `a.1`.
    pub parameters: BTreeMap<String, String>,
    /// The `User-Agent`; empty if there is none.
    pub user_agent: String,
}

/// All requests, by operation.
#[derive(Default)]
pub(super) struct Journal(watch::Sender<HashMap<String, Page>>);

#[derive(Default)]
struct Page {
    count: usize,
    requests: VecDeque<Request>,
}

impl Journal {
    /// Notes an arrival.
    pub(super) fn arrived(&self, operation: &str, request: Request) {
        self.0.send_modify(|pages| {
            if pages.len() >= MAX_NAMES && !pages.contains_key(operation) {
                return;
            }
            let page = pages.entry(operation.to_owned()).or_default();
            page.count += 1;
            page.requests.push_back(request);
            if page.requests.len() > KEPT {
                page.requests.pop_front();
            }
        });
    }

    pub(super) fn count(&self, operation: &str) -> usize {
        self.0.borrow().get(operation).map_or(0, |page| page.count)
    }

    pub(super) fn requests(&self, operation: &str) -> Vec<Request> {
        self.0.borrow().get(operation).map_or_else(Vec::new, |page| page.requests.iter().cloned().collect())
    }

    /// Cancel safe.
    pub(super) async fn wait_for(&self, operation: &str, count: usize) {
        let reached = |pages: &HashMap<String, Page>| pages.get(operation).map_or(0, |page| page.count) >= count;
        // Fails only when the sender is gone, and that is `self`.
        let _ = self.0.subscribe().wait_for(reached).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(region: &str) -> Request {
        let (caller, user_agent) = (String::new(), String::new());
        Request { caller, region: region.to_owned(), parameters: BTreeMap::new(), user_agent }
    }

    #[tokio::test]
    async fn arrivals_are_counted_and_waited_for() {
        let journal = Journal::default();
        journal.wait_for("A", 0).await;
        tokio::join!(journal.wait_for("A", 2), async {
            journal.arrived("A", request("r1"));
            journal.arrived("A", request("r2"));
        });
        assert_eq!((journal.count("A"), journal.count("B")), (2, 0));
        assert_eq!(journal.requests("A"), [request("r1"), request("r2")]);
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let journal = Journal::default();
        (0..KEPT + 2).for_each(|at| journal.arrived("A", request(&at.to_string())));
        assert_eq!((journal.count("A"), journal.requests("A").len()), (KEPT + 2, KEPT));
        assert_eq!(journal.requests("A")[0], request("2"));
        (0..MAX_NAMES + 1).for_each(|at| journal.arrived(&format!("X{at}"), request("r")));
        assert_eq!(journal.count(&format!("X{MAX_NAMES}")), 0);
    }
}
