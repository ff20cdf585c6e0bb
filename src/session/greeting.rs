//! The messages that the client reads between its proof and its first query.

use bytes::BytesMut;
use pgwire::messages::startup::NegotiateProtocolVersion;

use crate::startup::request::StartupParams;
use crate::upstream::UpstreamConn;
use crate::wire;
use crate::wire::cancel_key::CancelKey;
use crate::wire::notice::Notice;

/// The message AuthenticationOk, whole.
pub(super) const AUTHENTICATION_OK: &[u8] = b"R\0\0\0\x08\0\0\0\0";

const READY_FOR_QUERY: &[u8] = b"Z\0\0\0\x05I";

/// NegotiateProtocolVersion, for a client that asked for more than 3.0. A client that asked for 3.0
/// never gets it, since AWS's drivers take it for an error; its protocol options are ignored.
pub(super) fn negotiate(startup: &StartupParams) -> Option<BytesMut> {
    (startup.minor > 0).then(|| {
        let unsupported = startup.protocol_options().map(str::to_owned).collect();
        wire::encode(&NegotiateProtocolVersion::new(wire::PROTOCOL_3_0.cast_signed(), unsupported))
    })
}

/// ParameterStatus messages as the warehouse sent them, a warning about time-outs that the
/// warehouse does not have, BackendKeyData with a key of ours, and ReadyForQuery, for one write.
pub(super) fn greeting(upstream: &UpstreamConn, missing_timeouts: &[&str], key: Option<&CancelKey>) -> BytesMut {
    let mut greeting = upstream.greeting.clone();
    if !missing_timeouts.is_empty() {
        greeting.extend_from_slice(&Notice::missing_timeouts(missing_timeouts).encode());
    }
    if let Some(key) = key {
        greeting.extend_from_slice(&wire::message(b'K', &key.to_bytes()));
    }
    greeting.extend_from_slice(READY_FOR_QUERY);
    greeting
}

#[cfg(test)]
mod tests {
    use super::*;

    fn startup(minor: u16, pairs: &[(&str, &str)]) -> StartupParams {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        StartupParams { minor, pairs }
    }

    #[test]
    fn version_negotiation_is_sent_only_to_clients_that_ask_for_more() {
        assert!(negotiate(&startup(0, &[("user", "u"), ("_pq_.compression", "zstd")])).is_none());
        let negotiated = negotiate(&startup(9999, &[("user", "u"), ("_pq_.grease", "x")])).unwrap();
        assert_eq!(negotiated, b"v\0\0\0\x18\0\x03\0\0\0\0\0\x01_pq_.grease\0"[..]);
    }
}
