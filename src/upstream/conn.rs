//! A session with the warehouse that is ready for queries.

use std::net::SocketAddr;

use bytes::BytesMut;

use super::status;
use crate::stream::Leg;
use crate::wire::cancel_key::CancelKey;
use crate::wire::{self, Wire};

/// A session that is ready for queries, with the messages that the warehouse sent on the way.
/// Dropping it closes the connection without a goodbye.
pub(crate) struct UpstreamConn {
    /// The connection inside TLS.
    pub(super) wire: Wire,
    /// The address of the server that answered; cancel requests go to it.
    pub(crate) address: SocketAddr,
    /// ParameterStatus and NoticeResponse messages, as they came.
    pub(crate) greeting: BytesMut,
    /// The process id and key for cancel requests, where the warehouse sent any.
    pub(crate) key: Option<CancelKey>,
    /// The value of ParameterStatus `session_id`, by which SYS_QUERY_HISTORY knows the session.
    pub(crate) session_id: Option<String>,
}

impl UpstreamConn {
    /// The warehouse's process id; 0 where it sent none.
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

    /// Ends the session as clients do, by Terminate.
    pub(crate) async fn terminate(mut self) {
        self.wire.farewell(&wire::message(b'X', &[])).await;
    }

    /// Gives the connection to the relay, with the bytes that came behind ReadyForQuery.
    pub(crate) fn into_parts(self) -> (Leg, BytesMut) {
        self.wire.into_parts()
    }
}
