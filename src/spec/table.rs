//! lava's table of connections in DynamoDB: one GetItem for however many ask, believed for a while.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tracing::{debug, info};

use super::error::SpecError;
use super::item::{Fingerprint, Found, MISSING_BELIEVED, attributes};
use super::unknown_names::UnknownNames;
use crate::aws::{AwsError, Call, Calls, Operation};
use crate::cache::{Cache, Fetch, Policy, Refresh};
use crate::clock::Clock;
use crate::config::{Bounds, ConnId, ConnSpec, ItemValue, SpecsTable};
use crate::jitter::Jitter;

/// How long an item goes on being used while the table cannot be read.
const STALE_FOR: Duration = Duration::from_secs(900);

/// Most names known, missing ones included: whose right is `*` can ask for names without end.
const CAP: usize = 10_000;

/// The table as sessions see it.
pub(crate) struct SpecTable {
    name: String,
    bounds: Arc<Bounds>,
    items: Arc<Cache<Reader>>,
    reader: Arc<Reader>,
    unknown_names: UnknownNames,
}

/// What a read item is, if it is there.
pub(super) type Item = Option<BTreeMap<String, ItemValue>>;

/// Where items are.
pub(super) trait Items: Send + Sync {
    /// The item of this name, if there is one.
    fn item<'a>(&'a self, conn_id: &'a ConnId) -> BoxFuture<'a, Result<Item, AwsError>>;
}

/// They are in DynamoDB.
struct Dynamo {
    calls: Calls,
    table: String,
}

/// Reads items, and tells when one has changed.
struct Reader {
    items: Box<dyn Items>,
    settings: SpecsTable,
    clock: Arc<dyn Clock>,
    /// Of each item that was ever found; `None`: it is gone since.
    seen: Mutex<HashMap<ConnId, Option<Fingerprint>>>,
}

impl SpecTable {
    /// An empty cache whose reads run on `control`. `timeout`: for one read, its retries included;
    /// a client waits for it before it is let in.
    pub(crate) fn new(
        settings: SpecsTable,
        calls: &Calls,
        clock: &Arc<dyn Clock>,
        control: &Handle,
        (negative_ttl, timeout): (Duration, Duration),
    ) -> Self {
        let items = Dynamo { calls: calls.with_own_gate(timeout), table: settings.dynamodb_table.clone() };
        Self::over(Box::new(items), settings, clock, control, (negative_ttl, timeout))
    }

    pub(super) fn over(
        items: Box<dyn Items>,
        settings: SpecsTable,
        clock: &Arc<dyn Clock>,
        control: &Handle,
        (negative_ttl, timeout): (Duration, Duration),
    ) -> Self {
        let (name, bounds) = (settings.dynamodb_table.clone(), Arc::clone(&settings.bounds));
        let policy = Policy {
            refresh: Refresh::OnAccess { max_age: settings.refresh, stale_if_error: STALE_FOR },
            margin: Duration::ZERO,
            min_life: Duration::ZERO,
            negative_ttl,
            timeout,
            cap: CAP,
        };
        let reader = Arc::new(Reader { items, settings, clock: Arc::clone(clock), seen: Mutex::default() });
        let items = Cache::new(Arc::clone(&reader), Arc::clone(clock), control.clone(), policy, Jitter::random());
        Self { name, bounds, items, reader, unknown_names: UnknownNames::default() }
    }

    /// Whether the table is asked for this name at all.
    pub(super) fn covers(&self, conn_id: &ConnId) -> bool {
        self.bounds.cover(conn_id)
    }

    /// What is in the table under this name. Cancel safe.
    ///
    /// # Errors
    /// What ended the flight.
    pub(crate) async fn read(&self, conn_id: &ConnId) -> Result<Arc<Found>, Arc<AwsError>> {
        self.items.get(conn_id).await
    }

    /// The spec of this name, if the table has one. A user that has asked for too many names that
    /// nobody has is answered without a call, but for names that were found before. Cancel safe.
    ///
    /// # Errors
    /// `Unread`, `Unusable`.
    pub(super) async fn find(&self, user: &str, conn_id: &ConnId) -> Result<Option<Arc<ConnSpec>>, SpecError> {
        if !self.reader.knows(conn_id)
            && self
                .unknown_names
                .is_over_quota(user, self.reader.clock.now())
        {
            return Ok(None);
        }
        let unread = |source| SpecError::Unread { conn_id: conn_id.clone(), source };
        match &*self.read(conn_id).await.map_err(unread)? {
            Found::Spec(spec) => Ok(Some(Arc::clone(spec))),
            Found::Missing { uncharged, .. } => {
                if uncharged.swap(false, Ordering::Relaxed) {
                    self.unknown_names.charge(user, self.reader.clock.now());
                }
                Ok(None)
            }
            Found::Unusable(flaw) => {
                Err(SpecError::Unusable { conn_id: conn_id.clone(), table: self.name.clone(), source: flaw.clone() })
            }
        }
    }
}

impl Items for Dynamo {
    fn item<'a>(&'a self, conn_id: &'a ConnId) -> BoxFuture<'a, Result<Item, AwsError>> {
        async move {
            let call = Call::new(Operation::GetItem, &format!("{}: {conn_id}", self.table));
            let clients = self.calls.clients(None);
            let key = AttributeValue::S(conn_id.to_string());
            let send = || {
                clients
                    .dynamodb()
                    .get_item()
                    .table_name(&self.table)
                    .key("conn_id", key.clone())
                    .send()
            };
            let read = |answer: GetItemOutput| Ok(answer.item.map(attributes));
            self.calls.make(&call, (None, None), None, send, read).await
        }
        .boxed()
    }
}

impl Reader {
    async fn read(&self, conn_id: &ConnId) -> Result<Found, AwsError> {
        let item = self.items.item(conn_id).await?;
        self.note(conn_id, item.as_ref().map(Fingerprint::of));
        Ok(match &item {
            Some(item) => Found::read(&self.settings, conn_id, item),
            None => {
                let until = self.clock.now() + MISSING_BELIEVED;
                Found::Missing { until, uncharged: AtomicBool::new(true) }
            }
        })
    }

    /// Tells when an item is not what it was.
    fn note(&self, conn_id: &ConnId, read: Option<Fingerprint>) {
        let told = |print: Option<Fingerprint>| print.map_or_else(|| "none".to_owned(), |print| print.to_string());
        let (source, new) = (self.settings.dynamodb_table.as_str(), told(read));
        debug!(source, conn_id = conn_id.as_str(), hash = new.as_str(), "read an item");
        if let Some(last) = self.replace(conn_id, read).filter(|last| *last != read) {
            info!(source, conn_id = conn_id.as_str(), old = told(last).as_str(), new = new.as_str(), "config changed");
        }
    }

    /// Whether it was there the last time.
    fn knows(&self, conn_id: &ConnId) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(conn_id).is_some_and(Option::is_some)
    }

    /// What the item was the last time, if that is known.
    fn replace(&self, conn_id: &ConnId, read: Option<Fingerprint>) -> Option<Option<Fingerprint>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = seen.get_mut(conn_id) {
            return Some(std::mem::replace(last, read));
        }
        // Beyond the cap, changes go untold.
        if read.is_some() && seen.len() < CAP {
            seen.insert(conn_id.clone(), read);
        }
        None
    }
}

impl Fetch for Reader {
    type Key = ConnId;
    type Value = Found;
    type Error = AwsError;

    fn fetch<'a>(
        &'a self,
        conn_id: &'a ConnId,
        _cache: &'a Arc<Cache<Self>>,
    ) -> BoxFuture<'a, Result<Found, AwsError>> {
        self.read(conn_id).boxed()
    }

    fn name(&self, conn_id: &ConnId) -> String {
        format!("the item of {conn_id}")
    }
}
