//! Items of lava's table: a connection, a fault, or nothing.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use aws_sdk_dynamodb::types::AttributeValue;
use thiserror::Error;

use crate::cache::Perishable;
use crate::config::{BoundsError, ConnId, ConnSpec, ItemValue, Problems, SpecsTable, connection_from_item};

/// How long a name counts as missing after a look-up, so that an item just made is soon found.
pub(super) const MISSING_MAX_AGE: Duration = Duration::from_secs(10);

/// The longest description of an item's faults, in characters: the item's writer chooses how many
/// faults there are.
const MAX_TOLD: usize = 1000;

/// The result of a look-up in the table. The cache shares it among all sessions.
#[derive(Debug)]
pub(crate) enum Found {
    /// The item is a spec within its bounds. A host that its secret names is checked at the login.
    Spec(Arc<ConnSpec>),
    /// The item has a fault.
    Unusable(Flaw),
    /// There is no item. Unlike the others, this is not used beyond `until` while the table cannot
    /// be read. `uncharged`: no user has been charged yet for the look-up that found this missing.
    Missing { until: SystemTime, uncharged: AtomicBool },
}

/// The fault of an item.
#[derive(Clone, Debug, Error)]
pub(crate) enum Flaw {
    /// Some attributes cannot be used: each is named with the reason, never with its value.
    #[error("{0}")]
    Item(Told),
    /// The item asks for more than its writer may have.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
}

/// Faults in one line.
#[derive(Clone, Debug)]
pub(crate) struct Told(String);

/// A short hash of an item, by which a change of its content is noticed.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) struct Fingerprint([u8; 4]);

impl Found {
    /// Interprets an item and checks that it stays within its bounds. A host that comes from its
    /// secret or from AWS is checked at the login.
    pub(crate) fn read(table: &SpecsTable, conn_id: &ConnId, item: &BTreeMap<String, ItemValue>) -> Self {
        let name = &table.dynamodb_table;
        let checked = connection_from_item(name, conn_id, item, &table.bounds, table.password_duration)
            .map_err(|faults| Flaw::Item(Told::new(&faults)))
            .and_then(|spec| {
                table.bounds.check_names(&spec)?;
                spec.host
                    .as_ref()
                    .map_or(Ok(()), |host| table.bounds.check_host(host))?;
                Ok(spec)
            });
        match checked {
            Ok(spec) => Self::Spec(Arc::new(spec)),
            Err(flaw) => Self::Unusable(flaw),
        }
    }
}

impl Perishable for Found {
    fn expires_at(&self) -> Option<SystemTime> {
        match self {
            Self::Spec(_) | Self::Unusable(_) => None,
            Self::Missing { until, .. } => Some(*until),
        }
    }

    fn max_age(&self, usual: Duration) -> Duration {
        match self {
            Self::Spec(_) | Self::Unusable(_) => usual,
            Self::Missing { .. } => MISSING_MAX_AGE,
        }
    }
}

impl Told {
    fn new(faults: &Problems) -> Self {
        let each = faults
            .iter()
            .map(|fault| format!("{}: {}", fault.key, fault.message));
        let all = each.collect::<Vec<_>>().join("; ");
        Self(
            all.char_indices()
                .nth(MAX_TOLD)
                .map_or(all.clone(), |(end, _)| format!("{}…", all.split_at(end).0)),
        )
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Fingerprint {
    /// Hashes all attributes of an item, in the order of their names.
    pub(super) fn of(item: &BTreeMap<String, ItemValue>) -> Self {
        let hash = digest(&SHA256, format!("{item:?}").as_bytes());
        Self(hash.as_ref().first_chunk().copied().unwrap_or_default())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Turns an item of DynamoDB's into values as the configuration reads them.
pub(crate) fn attributes(item: HashMap<String, AttributeValue>) -> BTreeMap<String, ItemValue> {
    item.into_iter()
        .map(|(name, attribute)| (name, value(attribute)))
        .collect()
}

/// Turns one attribute into a value. It calls itself for lists and maps, which DynamoDB nests no
/// deeper than 32 levels.
fn value(attribute: AttributeValue) -> ItemValue {
    match attribute {
        AttributeValue::S(text) => ItemValue::Text(text),
        AttributeValue::N(number) => ItemValue::Number(number),
        AttributeValue::Bool(is) => ItemValue::Bool(is),
        AttributeValue::M(map) => ItemValue::Map(attributes(map)),
        AttributeValue::L(list) => ItemValue::List(list.into_iter().map(value).collect()),
        AttributeValue::Null(_) => ItemValue::Other("NULL"),
        AttributeValue::B(_) => ItemValue::Other("B"),
        AttributeValue::Ss(_) => ItemValue::Other("SS"),
        AttributeValue::Ns(_) => ItemValue::Other("NS"),
        AttributeValue::Bs(_) => ItemValue::Other("BS"),
        _ => ItemValue::Other("an unknown type"),
    }
}
