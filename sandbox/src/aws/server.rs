//! The endpoint's own state, and the reading of its requests. What one is answered is decided in
//! `dispatch`.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use tracing::debug;

use super::call::Call;
use super::dispatch::Ended;
use super::faults::Faults;
use super::http::Closed;
use super::journal::Journal;
use super::refusal::Refusal;
use super::reply::request_id;
use super::service::Service;
use super::world::World;

/// The largest request body that is read. AWS's limits for these services are lower.
const MAX_BODY_BYTES: usize = 1 << 20;

/// The state that all connections share.
pub(super) struct Server {
    pub(super) world: World,
    pub(super) faults: Faults,
    pub(super) journal: Journal,
}

impl Server {
    pub(super) async fn respond(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Closed> {
        let id = request_id();
        let (head, body) = request.into_parts();
        let body = match Limited::new(body, MAX_BODY_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                let refusal = Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", "");
                return Ok(refusal
                    .reply(Service::of(&head.headers, ""), &id)
                    .into_response(&id, self.world.now()));
            }
            Err(_) => return Err(Closed), // the client went away
        };
        let call = Call::read(&head.headers, head.uri.query().unwrap_or_default(), &body);
        let reply = match self.answer(&head, &body, &call, &id).await {
            Ok(reply) => reply,
            Err(Ended::Refused(refusal)) => refusal.reply(call.service, &id),
            Err(Ended::Closed) => return Err(Closed),
        };
        debug!(operation = call.name, status = reply.status.as_u16(), code = reply.error_type, "answered");
        Ok(reply.into_response(&id, self.world.now()))
    }
}
