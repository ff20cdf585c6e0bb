//! Sending a CancelRequest to the warehouse.

use std::net::SocketAddr;

use super::error::UpstreamError;
use super::route::Route;
use crate::wire;
use crate::wire::cancel_key::CancelKey;

impl Route {
    /// Sends a CancelRequest inside TLS to the server of the session, and waits until it is taken.
    pub(crate) async fn cancel(&self, address: SocketAddr, key: &CancelKey) -> Result<(), UpstreamError> {
        let mut wire = self.dial_address(address).await?;
        let request = wire::packet(&[&wire::CANCEL_REQUEST.to_be_bytes()[..], &key.to_bytes()].concat());
        wire.send_bytes(&request)
            .await
            .map_err(UpstreamError::Closed)?;
        // The server closes when it has dealt with it; how does not matter.
        let _ = tokio::time::timeout(self.timeouts.tls, wire.drain()).await;
        Ok(())
    }
}
