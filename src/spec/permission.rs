//! Whether a session that was let in may stay: its connection is looked for as it is now.

use std::sync::Arc;
use std::time::Duration;

use super::item::{Flaw, Found};
use super::specs::Specs;
use crate::aws::AwsError;
use crate::config::{ConnId, Holder};

/// What has become of the right to a connection that a session was opened on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Permission {
    /// The user may open the connection, which is enabled.
    Granted,
    /// The connection is gone or disabled, or the user may not open it any more.
    Lost,
    /// The user may open a connection of this name, and lava's table says what there is.
    InTable,
}

impl Specs {
    /// What has become of a user's right to a connection. Only names are compared, and the table is
    /// not asked.
    pub(crate) fn permission(&self, holder: &Holder, conn_id: &ConnId) -> Permission {
        let is_granted = match self.file.get(conn_id.as_str()) {
            Some(spec) => spec.enabled && holder.may_open(spec),
            None => {
                let is_tables = self.file.in_any_case(conn_id.as_str()).is_empty()
                    && self.table().is_some_and(|table| table.covers(conn_id))
                    && holder.rights().may_open(conn_id);
                return if is_tables { Permission::InTable } else { Permission::Lost };
            }
        };
        if is_granted { Permission::Granted } else { Permission::Lost }
    }

    /// Reads the table's item of this name, unless that was done within `max_age`. `None`: there is
    /// no table.
    pub(crate) async fn read_again(
        &self,
        conn_id: &ConnId,
        max_age: Duration,
    ) -> Option<Result<Arc<Found>, Arc<AwsError>>> {
        Some(self.table()?.read_again(conn_id, max_age).await)
    }
}

impl Found {
    /// What has become of a user's right to the connection of this item. An item that cannot be
    /// understood says nothing of that: sessions stay, and new ones are refused.
    pub(crate) fn permission(&self, holder: &Holder) -> Permission {
        match self {
            Self::Spec(spec) if spec.enabled && holder.may_open(spec) => Permission::Granted,
            Self::Unusable(Flaw::Item(_)) => Permission::InTable,
            Self::Spec(_) | Self::Missing { .. } | Self::Unusable(Flaw::Bounds(_)) => Permission::Lost,
        }
    }
}
