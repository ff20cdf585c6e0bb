//! Notices to a client that is not refused: why it has to wait, and which parameters have no
//! effect.

use bytes::BytesMut;
use pgwire::messages::response::NoticeResponse;

use crate::wire;

/// The SQLSTATE of a notice that is no warning: successful completion.
const NO_ERROR: &str = "00000";

/// The SQLSTATE of a warning.
const WARNING: &str = "01000";

/// A NoticeResponse before it is bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Notice {
    severity: &'static str,
    sqlstate: &'static str,
    message: String,
    detail: Option<&'static str>,
}

impl Notice {
    /// Tells the client that its login waits for AWS.
    pub(crate) fn waiting_for_credential(conn_id: &str) -> Self {
        Self::waiting(format!("waiting for a credential for \"{conn_id}\""))
    }

    /// Tells the client that its login waits for the warehouse.
    pub(crate) fn waiting_for_warehouse(conn_id: &str) -> Self {
        Self::waiting(format!("waiting for the warehouse of \"{conn_id}\": an idle one takes a while to wake"))
    }

    /// Warns of time-outs that the client has asked for and Redshift does not have.
    pub(crate) fn missing_timeouts(names: &[&str]) -> Self {
        Self {
            severity: "WARNING",
            sqlstate: WARNING,
            message: format!("startup parameters without effect: {}", names.join(", ")),
            detail: Some("Redshift has no such time-outs, so the proxy left them out; it has statement_timeout."),
        }
    }

    fn waiting(message: String) -> Self {
        Self { severity: "NOTICE", sqlstate: NO_ERROR, message, detail: None }
    }

    /// Encodes the notice as a NoticeResponse, type and length included.
    pub(crate) fn encode(self) -> BytesMut {
        let Self { severity, sqlstate, message, detail } = self;
        let mut fields = vec![
            (b'S', severity.to_owned()),
            (b'V', severity.to_owned()),
            (b'C', sqlstate.to_owned()),
            (b'M', message),
        ];
        fields.extend(detail.map(|detail| (b'D', detail.to_owned())));
        wire::encode(&NoticeResponse::new(fields))
    }
}
