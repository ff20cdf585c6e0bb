//! An answer before it is HTTP, and the turning of it into HTTP.

use std::time::SystemTime;

use aws_lc_rs::rand;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::operation::Operation;
use super::service::{Protocol, Service};
use super::timestamp::http_date;

/// Status, body and what goes into the headers.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    /// The error's code, for errors. Only the JSON protocol puts it into a header.
    pub(super) error_type: Option<&'static str>,
    pub(super) service: Service,
    pub(super) body: String,
}

impl Reply {
    /// A 200 with this body.
    pub(super) fn ok(service: Service, body: String) -> Self {
        Self { status: StatusCode::OK, error_type: None, service, body }
    }

    /// A 200 whose body no client can read.
    pub(super) fn garbage(service: Service) -> Self {
        Self::ok(service, "<<{ neither JSON nor XML".to_owned())
    }

    /// A Query operation's result in its envelope. `result` is XML already.
    pub(super) fn xml_result(operation: Operation, result: &str, request_id: &str) -> Self {
        let (service, name) = (operation.service(), operation.name());
        let xmlns = service.xmlns();
        let body = format!(
            "<{name}Response xmlns=\"{xmlns}\"><{name}Result>{result}</{name}Result>\
             <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>"
        );
        Self::ok(service, body)
    }

    /// The HTTP response. Its `Date` is the endpoint's time, which clients correct theirs by.
    pub(super) fn into_response(self, request_id: &str, now: SystemTime) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.service.content_type()));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
        }
        if let Ok(date) = HeaderValue::from_str(&http_date(now)) {
            headers.insert(DATE, date);
        }
        if let (Protocol::Json, Some(code)) = (self.service.protocol(), self.error_type) {
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
