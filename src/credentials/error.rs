//! The error of a login that could not be had.

use std::sync::Arc;

use thiserror::Error;

use crate::aws::AwsError;
use crate::config::ConnId;
use crate::fault::{Fault, Kind};
use crate::wire::refusal::Refusal;

/// There is no login for a connection. The cause is shared by all who waited for the same flight.
#[derive(Debug, Error)]
#[error("connection {conn_id}: no credential")]
pub(crate) struct CredentialError {
    /// The connection that was to be opened.
    pub(crate) conn_id: ConnId,
    /// The error that left the connection without a login.
    pub(crate) source: Arc<AwsError>,
}

impl Fault for CredentialError {
    fn kind(&self) -> Kind {
        self.source.kind()
    }

    fn refusal(&self) -> Option<Refusal> {
        Some(self.source.refusal(self.conn_id.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_lost_flight_is_an_internal_error_and_a_deadline_unavailability() {
        let told = |error| {
            let error = CredentialError { conn_id: ConnId::new("x").unwrap(), source: Arc::new(error) };
            (error.kind(), error.refusal())
        };
        assert_eq!(told(AwsError::Lost), (Kind::Internal, Some(Refusal::internal())));
        let deadline = AwsError::Deadline { name: "GetCredentials x".into(), after: Duration::from_secs(20) };
        assert_eq!(told(deadline), (Kind::Unavailable, Some(Refusal::not_now("x"))));
        let spec = || AwsError::Spec("no database".into());
        assert_eq!(told(spec()), (Kind::Operator, Some(Refusal::not_available("x"))));
        assert_eq!(told(AwsError::Needed(Arc::new(spec()))), (Kind::Operator, Some(Refusal::not_available("x"))));
        assert_eq!(told(AwsError::Of { what: "password".into(), source: Arc::new(spec()) }).0, Kind::Operator);
    }
}
