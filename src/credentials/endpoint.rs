//! Where a warehouse is, as AWS says.

use std::time::{Duration, SystemTime};

use super::order::Chain;
use crate::aws::{Call, Operation};
use crate::cache::Perishable;

/// What to look an endpoint up by: the key of their cache.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) caller: Chain,
    pub(crate) region: Option<String>,
    pub(crate) name: WarehouseName,
}

/// A warehouse's name at AWS.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum WarehouseName {
    /// `workgroupName`
    Workgroup(String),
    /// `ClusterIdentifier`
    Cluster(String),
}

/// Where a warehouse is, as AWS says.
#[derive(Debug)]
pub(crate) struct FoundAt {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl WarehouseName {
    /// The call that finds it.
    pub(super) fn call(&self) -> Call {
        match self {
            Self::Workgroup(name) => Call::new(Operation::GetWorkgroup, name),
            Self::Cluster(name) => Call::new(Operation::DescribeClusters, name),
        }
    }
}

/// How long an endpoint is believed.
pub(crate) const FOUND_BELIEVED: Duration = Duration::from_secs(600);

impl Perishable for FoundAt {
    fn expires_at(&self) -> Option<SystemTime> {
        None
    }
}
