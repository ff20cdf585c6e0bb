//! Lava's table of connections in DynamoDB: one GetItem for all sessions that ask for a name, and
//! its result is used for a while.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tracing::{debug, info};

use super::error::SpecError;
use super::item::{Fingerprint, Found, MISSING_MAX_AGE, attributes};
use super::unknown_names::UnknownNames;
use crate::aws::{AwsError, Call, Calls, Operation};
use crate::cache::{Cache, Fetch, Policy, Refresh};
use crate::clock::Clock;
use crate::config::{Bounds, ConnId, ConnSpec, ItemValue, SpecsTable};
use crate::jitter::Jitter;
use crate::telemetry::AUDIT;

/// How long an item may still be used while the table cannot be read.
const STALE_FOR: Duration = Duration::from_secs(900);

/// The most names remembered, missing ones included: a user with the right `*` can ask for any
/// number of names.
const CAP: usize = 10_000;

/// Lava's table as sessions see it. `Specs` holds it. Reads run on the control thread, and go on
/// when the sessions that wait for them are gone.
pub(crate) struct SpecTable {
    name: String,
    bounds: Arc<Bounds>,
    items: Arc<Cache<Reader>>,
    reader: Arc<Reader>,
    unknown_names: UnknownNames,
}

/// The attributes of an item. `None`: there is no such item.
pub(super) type Item = Option<BTreeMap<String, ItemValue>>;

/// A source of items: DynamoDB, or a test's.
pub(super) trait Items: Send + Sync {
    /// Reads the item of this name, if there is one.
    fn item<'a>(&'a self, conn_id: &'a ConnId) -> BoxFuture<'a, Result<Item, AwsError>>;

    /// Sets the time-out of reads that begin from now on.
    fn set_timeout(&self, _timeout: Duration) {}
}

/// The items of a table in DynamoDB.
struct Dynamo {
    calls: Calls,
    table: String,
}

/// Reads items for the cache, and logs when one has changed.
struct Reader {
    items: Box<dyn Items>,
    settings: SpecsTable,
    clock: Arc<dyn Clock>,
    /// The hash of each item that was ever found; `None`: the item is gone since. The lock guards
    /// the map for one step.
    seen: Mutex<HashMap<ConnId, Option<Fingerprint>>>,
}

/// The memory that earlier reads have left of an item.
enum Seen {
    /// No read has found the item yet, or it is beyond the cap.
    Never,
    /// The item was found at some time. The hash is that of the last read; `None`: the last read
    /// found no such item.
    Before(Option<Fingerprint>),
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

    /// An empty cache over any source of items; tests bring their own.
    pub(super) fn over(
        items: Box<dyn Items>,
        settings: SpecsTable,
        clock: &Arc<dyn Clock>,
        control: &Handle,
        (negative_ttl, timeout): (Duration, Duration),
    ) -> Self {
        let (name, bounds) = (settings.dynamodb_table.clone(), Arc::clone(&settings.bounds));
        let policy = policy(settings.refresh, (negative_ttl, timeout));
        let reader = Arc::new(Reader { items, settings, clock: Arc::clone(clock), seen: Mutex::default() });
        let items = Cache::new(Arc::clone(&reader), Arc::clone(clock), control.clone(), policy, Jitter::random());
        Self { name, bounds, items, reader, unknown_names: UnknownNames::default() }
    }

    /// Whether what is held of the table is what these settings would make of it: the times alone
    /// may differ.
    pub(crate) fn suits(&self, settings: &SpecsTable) -> bool {
        let own = &self.reader.settings;
        (&own.dynamodb_table, own.password_duration, &own.bounds)
            == (&settings.dynamodb_table, settings.password_duration, &settings.bounds)
    }

    /// Puts other times in force. Items that are held stay held as far as they allow.
    pub(crate) fn adopt(&self, refresh: Duration, (negative_ttl, timeout): (Duration, Duration)) {
        self.reader.items.set_timeout(timeout);
        self.items
            .set_policy(policy(refresh, (negative_ttl, timeout)));
    }

    /// Whether the table may have an item of this name, by the bounds of the configuration.
    pub(super) fn covers(&self, conn_id: &ConnId) -> bool {
        self.bounds.cover(conn_id)
    }

    /// The specs of the items that are held, in no order.
    pub(super) fn held(&self) -> Vec<Arc<ConnSpec>> {
        let values = self.items.snapshots().into_iter();
        values
            .filter_map(|(_, snapshot)| match snapshot.value.as_deref() {
                Some(Found::Spec(spec)) => Some(Arc::clone(spec)),
                Some(Found::Unusable(_) | Found::Missing { .. }) | None => None,
            })
            .collect()
    }

    /// Looks this name up in the table, or in what was read of it a while ago. Cancel safe.
    ///
    /// # Errors
    /// The error of the call.
    pub(crate) async fn read(&self, conn_id: &ConnId) -> Result<Arc<Found>, Arc<AwsError>> {
        self.items.get(conn_id).await
    }

    /// Reads the item of this name, unless that was done within `max_age`. Cancel safe.
    ///
    /// # Errors
    /// The error of the call, or the one that is remembered of an earlier call.
    pub(super) async fn read_again(&self, conn_id: &ConnId, max_age: Duration) -> Result<Arc<Found>, Arc<AwsError>> {
        self.items.get_no_older(conn_id, max_age).await
    }

    /// The spec of this name, if the table has one. A user that has asked for too many unknown
    /// names is answered without a call, unless the name was found before. Cancel safe.
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

/// When items are read again and forgotten.
fn policy(refresh: Duration, (negative_ttl, timeout): (Duration, Duration)) -> Policy {
    Policy {
        refresh: Refresh::OnAccess { max_age: refresh, stale_if_error: STALE_FOR },
        margin: Duration::ZERO,
        min_life: Duration::ZERO,
        negative_ttl,
        timeout,
        cap: CAP,
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

    fn set_timeout(&self, timeout: Duration) {
        self.calls.set_wait(timeout);
    }
}

impl Reader {
    async fn read(&self, conn_id: &ConnId) -> Result<Found, AwsError> {
        let item = self.items.item(conn_id).await?;
        self.note(conn_id, item.as_ref().map(Fingerprint::of));
        Ok(match &item {
            Some(item) => Found::read(&self.settings, conn_id, item),
            None => {
                let until = self.clock.now() + MISSING_MAX_AGE;
                Found::Missing { until, uncharged: AtomicBool::new(true) }
            }
        })
    }

    /// Logs when an item is not the same as at the last read.
    fn note(&self, conn_id: &ConnId, read: Option<Fingerprint>) {
        let shown = |print: Option<Fingerprint>| print.map_or_else(|| "none".to_owned(), |print| print.to_string());
        let (table, new) = (self.settings.dynamodb_table.as_str(), shown(read));
        debug!(table, conn_id = conn_id.as_str(), hash = new.as_str(), "read an item");
        if let Seen::Before(last) = self.replace(conn_id, read)
            && last != read
        {
            info!(
                target: AUDIT,
                table,
                conn_id = conn_id.as_str(),
                hash_before = shown(last).as_str(),
                hash = new.as_str(),
                "config changed"
            );
        }
    }

    /// Whether the last read of this name found an item.
    fn knows(&self, conn_id: &ConnId) -> bool {
        let seen = self.seen.lock();
        seen.get(conn_id).is_some_and(Option::is_some)
    }

    /// Remembers the hash of an item, and returns what was remembered of it until now.
    fn replace(&self, conn_id: &ConnId, read: Option<Fingerprint>) -> Seen {
        let mut seen = self.seen.lock();
        if let Some(last) = seen.get_mut(conn_id) {
            return Seen::Before(std::mem::replace(last, read));
        }
        // Beyond the cap, changes are not logged.
        if read.is_some() && seen.len() < CAP {
            seen.insert(conn_id.clone(), read);
        }
        Seen::Never
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
