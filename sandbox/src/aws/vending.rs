//! Sessions of one role that the machine itself hands out to the programs on it, and the endpoint
//! that they are had from.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::http::Serving;
use super::identity::{Caller, RoleArn, SessionTags};
use super::server::Server;
use super::timestamp::extended;

/// The life of the sessions that EKS and EC2 give.
const LIFE: Duration = Duration::from_secs(6 * 3600);

/// Any free port.
const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A running endpoint for the credentials of a role. Dropping it ends it; its sessions stay valid.
pub struct Endpoint<D> {
    serving: Serving,
    pub(super) door: Arc<D>,
    vending: Arc<Vending>,
}

/// The rules of one kind of endpoint: which requests get a session.
pub(super) trait Door: Send + Sync + 'static {
    fn answer(&self, head: &Parts) -> Response<Full<Bytes>>;
}

impl<D> Endpoint<D> {
    /// Starts to serve, on a free port of loopback.
    pub(super) async fn serve(vending: Arc<Vending>, door: D) -> io::Result<Self>
    where
        D: Door,
    {
        let door = Arc::new(door);
        let at = Arc::clone(&door);
        let serving = Serving::start(ADDRESS, move |request| {
            let at = Arc::clone(&at);
            async move { Ok(at.answer(&request.into_parts().0)) }
        });
        Ok(Self { serving: serving.await?, door, vending })
    }

    /// The base of its URLs.
    pub(super) fn base(&self) -> String {
        format!("http://{}", self.serving.address)
    }

    /// The ARN of its sessions, as callers: `arn:aws:sts::…:assumed-role/ROLE/SESSION`.
    #[must_use]
    pub fn caller(&self) -> String {
        self.vending.owner.arn()
    }

    /// Sets the life of the sessions that are handed out from now on; before, it is six hours.
    pub fn set_life(&self, life: Duration) {
        *self
            .vending
            .life
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = life;
    }

    /// How many sessions have been handed out.
    #[must_use]
    pub fn granted(&self) -> usize {
        self.vending.granted.load(Ordering::Relaxed)
    }

    /// How many requests were refused, for a token that is missing or wrong, or a path that is not
    /// there.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.vending.refused.load(Ordering::Relaxed)
    }
}

impl<D> fmt::Debug for Endpoint<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("address", &self.serving.address)
            .finish_non_exhaustive()
    }
}

/// Hands out sessions of one role; each time a new one, though AWS repeats them until they are
/// about to end.
pub(super) struct Vending {
    pub(super) server: Arc<Server>,
    owner: Caller,
    life: Mutex<Duration>,
    granted: AtomicUsize,
    refused: AtomicUsize,
}

impl Vending {
    /// # Errors
    /// `InvalidInput` if it is no role's ARN.
    pub(super) fn new(server: Arc<Server>, role_arn: &str, session: &str, tags: SessionTags) -> io::Result<Arc<Self>> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidInput, format!("{role_arn} is not the ARN of a role"));
        let role = RoleArn::parse(role_arn).ok_or_else(wrong)?;
        let owner = Caller::RoleSession { role, session: session.to_owned(), tags };
        let (granted, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Ok(Arc::new(Self { server, owner, life: Mutex::new(LIFE), granted, refused }))
    }

    pub(super) fn account(&self) -> &str {
        self.owner.account()
    }

    /// The keys of a new session, under the names that both kinds of endpoint have for them.
    pub(super) fn grant(&self) -> Value {
        self.granted.fetch_add(1, Ordering::Relaxed);
        let life = *self.life.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, key) = self.server.world.issue(self.owner.clone(), life);
        let (token, end) = key
            .session
            .map(|session| (session.token, session.expires_at))
            .unzip();
        json!({
            "AccessKeyId": id,
            "SecretAccessKey": key.secret,
            "Token": token,
            "Expiration": end.map(extended),
        })
    }

    pub(super) fn refuse(&self, status: StatusCode, message: &str) -> Response<Full<Bytes>> {
        self.refused.fetch_add(1, Ordering::Relaxed);
        respond(status, "text/plain", message.to_owned())
    }
}

/// An answer with this body.
pub(super) fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests;
