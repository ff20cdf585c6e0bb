//! A session with the warehouse that is ready for queries.

use std::net::SocketAddr;

use bytes::BytesMut;

use super::status;
use crate::stream::Leg;
use crate::wire::cancel_key::CancelKey;
use crate::wire::{self, Wire};

/// A session that is ready for queries, and what the warehouse said on the way.
pub(crate) struct UpstreamConn {
    pub(super) wire: Wire,
    /// The server that answered.
    pub(crate) address: SocketAddr,
    /// ParameterStatus and NoticeResponse messages, as they came.
    pub(crate) greeting: BytesMut,
    /// The warehouse's pid and key, where it sent any.
    pub(crate) key: Option<CancelKey>,
    /// ParameterStatus `session_id`, which joins SYS_QUERY_HISTORY.
    pub(crate) session_id: Option<String>,
}

impl UpstreamConn {
    /// The warehouse's pid; 0 where it sent none.
    pub(crate) fn pid(&self) -> u32 {
        self.key.as_ref().map_or(0, |key| key.pid)
    }

    /// The value of a ParameterStatus of this name; the last one where there are several.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let (mut rest, mut found) = (&self.greeting[..], None);
        while let Some((&tag, behind)) = rest.split_first() {
            let length = usize::try_from(wire::peek_u32(behind, 0)).unwrap_or(usize::MAX);
            let (message, next) = behind.split_at_checked(length)?;
            if tag == b'S' {
                found = status::parameter(message.get(4..).unwrap_or_default(), name).or(found);
            }
            rest = next;
        }
        found
    }

    /// Ends the session as clients do.
    pub(crate) async fn terminate(mut self) {
        self.wire.farewell(&wire::message(b'X', &[])).await;
    }

    /// The leg, and what the warehouse sent behind ReadyForQuery.
    pub(crate) fn into_parts(self) -> (Leg, BytesMut) {
        self.wire.into_parts()
    }
}
