//! Answers: their headers, and their bodies, which are whole or come line by line.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use tokio::sync::mpsc;

/// The media type of plain text.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
/// The media type of JSON.
pub(super) const JSON: &str = "application/json";

/// The answer to a request.
pub(super) type Answer = Response<AnswerBody>;

/// The body of an answer.
pub(super) enum AnswerBody {
    /// All of it. `None`: it has been sent.
    Whole(Option<Bytes>),
    /// Lines that are still being written; the end of the channel is that of the body.
    Lines(mpsc::Receiver<Bytes>),
}

/// An answer with a whole body.
pub(super) fn whole(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    with_body(status, content_type, AnswerBody::Whole(Some(body.into())))
}

/// An answer of one line of plain text.
pub(super) fn line(status: StatusCode, text: &str) -> Answer {
    whole(status, TEXT, format!("{text}\n"))
}

/// An answer whose lines are sent as they come.
pub(super) fn lines(lines: mpsc::Receiver<Bytes>) -> Answer {
    with_body(StatusCode::OK, TEXT, AnswerBody::Lines(lines))
}

/// A refusal for now.
pub(super) fn busy(text: &str) -> Answer {
    with_header(line(StatusCode::SERVICE_UNAVAILABLE, text), RETRY_AFTER, "1")
}

/// A refusal of a method; `allowed` are those that the path takes.
pub(super) fn not_allowed(allowed: &'static str) -> Answer {
    with_header(line(StatusCode::METHOD_NOT_ALLOWED, &format!("only {allowed}")), ALLOW, allowed)
}

/// A refusal for want of a right token.
pub(super) fn unauthorized(text: &str) -> Answer {
    with_header(line(StatusCode::UNAUTHORIZED, text), WWW_AUTHENTICATE, "Bearer")
}

fn with_header(mut answer: Answer, name: HeaderName, value: &'static str) -> Answer {
    answer
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
    answer
}

fn with_body(status: StatusCode, content_type: &'static str, body: AnswerBody) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match self.get_mut() {
            Self::Whole(body) => Poll::Ready(body.take()),
            Self::Lines(lines) => lines.poll_recv(cx),
        };
        next.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.as_ref().is_none_or(Bytes::is_empty),
            Self::Lines(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64)),
            Self::Lines(_) => SizeHint::default(),
        }
    }
}
