//! What a client reads that is no refusal: why it has to wait.

use bytes::BytesMut;
use pgwire::messages::response::NoticeResponse;

use crate::wire;

/// The SQLSTATE of what is no error: successful completion.
const NO_ERROR: &str = "00000";

/// A NoticeResponse before it is bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Notice {
    message: String,
}

impl Notice {
    pub(crate) fn waiting_for_credential(conn_id: &str) -> Self {
        Self { message: format!("waiting for a credential for \"{conn_id}\"") }
    }

    pub(crate) fn waiting_for_warehouse(conn_id: &str) -> Self {
        Self { message: format!("waiting for the warehouse of \"{conn_id}\": an idle one takes a while to wake") }
    }

    pub(crate) fn encode(self) -> BytesMut {
        let severity = || "NOTICE".to_owned();
        let fields = vec![(b'S', severity()), (b'V', severity()), (b'C', NO_ERROR.to_owned()), (b'M', self.message)];
        wire::encode(&NoticeResponse::new(fields))
    }
}
