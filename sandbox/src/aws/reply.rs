//! An answer before it is HTTP, and the turning of it into HTTP.

use aws_lc_rs::rand;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::operation::Protocol;

/// The namespace of STS's answers (service model, `xmlNamespace`).
pub(super) const XMLNS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Status, body and what goes into the headers.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// The error's code, for errors. Only the JSON protocol puts it into a header.
    pub(super) error_type: Option<&'static str>,
    pub(super) protocol: Protocol,
    pub(super) body: String,
}

impl Reply {
    /// A 200 with this body.
    pub(super) fn ok(protocol: Protocol, body: String) -> Self {
        Self { status: StatusCode::OK, error_type: None, protocol, body }
    }

    /// A 200 whose body no client can read.
    pub(super) fn garbage(protocol: Protocol) -> Self {
        Self::ok(protocol, "<<{ neither JSON nor XML".to_owned())
    }

    /// A Query operation's result in its envelope. `result` is XML already.
    pub(super) fn xml_result(operation: &str, result: &str, request_id: &str) -> Self {
        let body = format!(
            "<{operation}Response xmlns=\"{XMLNS}\"><{operation}Result>{result}</{operation}Result>\
             <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
        );
        Self::ok(Protocol::Query, body)
    }

    /// The HTTP response.
    pub(super) fn into_response(self, request_id: &str) -> Response<Full<Bytes>> {
        let content_type = match self.protocol {
            Protocol::Json => "application/x-amz-json-1.1",
            Protocol::Query => "text/xml",
        };
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
        }
        if let (Protocol::Json, Some(code)) = (self.protocol, self.error_type) {
            headers.insert(HeaderName::from_static("x-amzn-errortype"), HeaderValue::from_static(code));
        }
        response
    }
}

/// A fresh id in the form of a UUID, as AWS gives each request.
pub(super) fn request_id() -> String {
    let mut bytes = [0; 16];
    // Fails only where the system has no entropy source; ids would repeat, nothing else.
    let _ = rand::fill(&mut bytes);
    uuid(&bytes)
}

/// The first sixteen bytes in the form of a UUID; the rest is left out.
pub(super) fn uuid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().take(16).enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_look_like_uuids_and_differ() {
        let id = request_id();
        assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_ne!(id, request_id());
    }
}
