//! What the machine itself hands out to who runs on it: sessions of one role, without being asked
//! who wants them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::identity::{Caller, RoleArn, SessionTags};
use super::server::Server;
use super::timestamp::extended;

/// What EKS and EC2 give.
const LIFE: Duration = Duration::from_secs(6 * 3600);

/// Any free port.
pub(super) const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

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

    /// From now on sessions live so long.
    pub(super) fn set_life(&self, life: Duration) {
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = life;
    }

    /// How many sessions there have been.
    pub(super) fn granted(&self) -> usize {
        self.granted.load(Ordering::Relaxed)
    }

    /// How many requests have been refused.
    pub(super) fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    pub(super) fn account(&self) -> &str {
        self.owner.account()
    }

    /// The sessions' ARN.
    pub(super) fn arn(&self) -> String {
        self.owner.arn()
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
