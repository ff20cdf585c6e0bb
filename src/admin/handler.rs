//! Answers requests: finds the route, decides whether it is allowed, and asks the running proxy.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::ACCEPT;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing::{Level, warn};

use super::action;
use super::answer::{self, Answer, JSON, TEXT};
use super::guard::{self, Denied};
use super::json::ToJson;
use super::places::Place;
use super::progress::Progress;
use super::route::{Face, NoRoute, Route};
use super::status::Status;
use crate::coalesce::Coalesced;
use crate::operations::SharedOperations;
use crate::telemetry::{LineKind, Repeats, Verdict};

/// The most bytes of a request's body, which no route reads.
const MAX_BODY: usize = 1024;

/// The pause after the status was made, in times of how long it took: a crowd that asks for it gets
/// a tenth of a processor at most.
const REST: u32 = 10;

/// The body of the answer to `GET /`: the list of routes.
const INDEX: &str = "redshift-iam-proxy\n\n\
    GET  /healthz      whether every thread is alive\n\
    GET  /readyz       whether new clients are welcome\n\
    GET  /metrics      for Prometheus\n\
    GET  /status.json  sessions, connections, users, limits and more\n\
    GET  /version\n\
    POST /reload       read the configuration again\n\
    POST /drain        let sessions end, and refuse new ones\n\
    POST /shutdown     drain, and end the process\n";

/// The running proxy, once it has been built.
pub(super) type Built = OnceLock<SharedOperations>;

/// Answers the requests of one admin address. Its connections share it.
pub(super) struct Handler {
    face: Face,
    /// Empty while the proxy starts.
    operations: Arc<Built>,
    /// Which lines of the log stand for others of their kind.
    repeats: Arc<Repeats>,
    /// The status, which all who ask for it at the same time share. `None` of it: it panicked.
    status: Coalesced<Option<Bytes>>,
}

impl Handler {
    /// Answers for this address, on the runtime that calls this.
    pub(super) fn new(face: Face, operations: Arc<Built>, repeats: Arc<Repeats>) -> Self {
        Self { face, operations, repeats, status: Coalesced::new(Handle::current(), REST) }
    }

    /// Answers one request. `progress` hears when lines of the answer are still to come.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        from: IpAddr,
        place: &Place,
        progress: watch::Sender<Progress>,
    ) -> Answer {
        let (head, body) = request.into_parts();
        if let Err(refusal) = read(body).await {
            return refusal;
        }
        let route = Route::of(self.face, &head.method, head.uri.path());
        let Some(operations) = self.operations.get() else { return while_starting(route) };
        // Before the route is judged: a page of another site learns nothing at all.
        let needs = route.map_or(super::route::Needs::Nothing, |route| route.needs(self.face));
        let caller = match guard::check(
            self.face,
            (needs, route == Ok(Route::Metrics)),
            &head,
            from,
            &operations.admin_access(),
        ) {
            Ok(caller) => caller,
            Err(denied) => return self.refuse(denied, from),
        };
        let route = match route {
            Ok(route) => route,
            Err(NoRoute::NotFound) => return answer::line(StatusCode::NOT_FOUND, "not found"),
            Err(NoRoute::Method(allowed)) => return answer::not_allowed(allowed),
        };
        if route.is_heavy() && !place.keep(caller) {
            return answer::busy("too many requests at once");
        }
        match route {
            Route::Index => answer::whole(StatusCode::OK, TEXT, INDEX),
            Route::Health => probed(operations.health()),
            Route::Ready => probed(operations.readiness()),
            Route::Version => answer::whole(StatusCode::OK, JSON, operations.version().to_json()),
            Route::Metrics => Self::metrics(operations, &head).await,
            Route::Status => self.status(operations).await,
            Route::Reload => action::reload(operations, from, &progress).await,
            Route::Drain => action::drain(operations, from, action::Ending::Drain, progress),
            Route::Shutdown => action::drain(operations, from, action::Ending::Shutdown, progress),
        }
    }

    async fn metrics(operations: &SharedOperations, head: &Parts) -> Answer {
        let accepts = head.headers.get_all(ACCEPT).iter();
        let accepts: Vec<_> = accepts.filter_map(|value| value.to_str().ok()).collect();
        let accept = accepts.join(",");
        let metrics = operations.metrics(Some(&accept)).await;
        // Some are always there.
        if metrics.text.is_empty() {
            failed()
        } else {
            answer::whole(StatusCode::OK, metrics.content_type, metrics.text)
        }
    }

    async fn status(&self, operations: &SharedOperations) -> Answer {
        let operations = Arc::clone(operations);
        let made = self.status.run(move || async move {
            let made = spawn_blocking(move || Status::of(&*operations).to_json().into());
            made.await.ok()
        });
        made.await
            .flatten()
            .map_or_else(failed, |status| answer::whole(StatusCode::OK, JSON, status))
    }

    /// Answers a request that is not allowed, and logs it: once a second for each address.
    fn refuse(&self, denied: Denied, from: IpAddr) -> Answer {
        const EVENT: &str = "admin request refused";
        let kind = LineKind {
            level: Level::WARN,
            event: EVENT,
            class: denied.class(),
            client: Some(from),
            conn_id: None,
            is_proven: false,
        };
        if let Verdict::Write(left_out) = self.repeats.judge(kind) {
            let client_addr = from.to_string();
            warn!(client_addr = client_addr.as_str(), reason = denied.class(), left_out, "{EVENT}");
        }
        let text = denied.text();
        match denied {
            Denied::BadHost => answer::line(StatusCode::BAD_REQUEST, text),
            Denied::OtherHost | Denied::Origin | Denied::CrossSite | Denied::NoTokenConfigured => {
                answer::line(StatusCode::FORBIDDEN, text)
            }
            Denied::TokenUnread => answer::busy(text),
            Denied::TokenMissing | Denied::TokenWrong => answer::unauthorized(text),
        }
    }
}

impl Denied {
    /// A word for the log.
    fn class(self) -> &'static str {
        match self {
            Self::BadHost => "bad_host",
            Self::OtherHost => "other_host",
            Self::Origin => "origin",
            Self::CrossSite => "cross_site",
            Self::NoTokenConfigured => "no_token_configured",
            Self::TokenUnread => "token_unread",
            Self::TokenMissing => "token_missing",
            Self::TokenWrong => "token_wrong",
        }
    }

    /// A line for the client.
    fn text(self) -> &'static str {
        match self {
            Self::BadHost => "the request needs one Host header",
            Self::OtherHost => "the Host is not this proxy's: use its IP address, localhost or listen.public_name",
            Self::Origin | Self::CrossSite => "a page of another site sent the request",
            Self::NoTokenConfigured => "this needs admin.token, and none is configured",
            Self::TokenUnread => "admin.token has not been read yet",
            Self::TokenMissing => "this needs admin.token: Authorization: Bearer TOKEN",
            Self::TokenWrong => "the token is not admin.token",
        }
    }
}

/// Reads the body of a request, which means nothing, so that the connection can be closed in order.
///
/// # Errors
/// The answer to a request whose body is too large or is broken off.
async fn read(body: Incoming) -> Result<(), Answer> {
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(answer::line(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"));
    }
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(_) => Ok(()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(answer::line(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"))
        }
        Err(_broken_off) => Err(answer::line(StatusCode::BAD_REQUEST, "the body is broken off")),
    }
}

/// The answer to a request that comes before the proxy is built.
fn while_starting(route: Result<Route, NoRoute>) -> Answer {
    match route {
        Ok(Route::Health) => probed(Ok(())),
        _ => answer::busy("starting"),
    }
}

/// The answer of a probe, which says why in one line.
fn probed(probed: Result<(), String>) -> Answer {
    match probed {
        Ok(()) => answer::line(StatusCode::OK, "ok"),
        Err(why) => answer::line(StatusCode::SERVICE_UNAVAILABLE, &why),
    }
}

fn failed() -> Answer {
    answer::line(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
}
