//! The instance metadata service of EC2, version 2 alone ("Use the Instance Metadata Service",
//! Amazon EC2 User Guide): a token by PUT, and with it the role's name, its credentials and the
//! Region.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::identity::SessionTags;
use super::reply::request_id;
use super::server::Server;
use super::timestamp::extended;
use super::vending::{Door, Endpoint, Vending, respond};

const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";
const MAX_TTL_SECS: u64 = 21_600;

const TOKEN_PATH: &str = "/latest/api/token";
const REGION_PATH: &str = "/latest/meta-data/placement/region";
const ROLE_PATH: &str = "/latest/meta-data/iam/security-credentials/";

/// How many tokens are known; the oldest go.
const KEPT: usize = 1000;

/// A running instance metadata service.
pub type InstanceMetadata = Endpoint<MetadataDoor>;

/// Hands out sessions for a token that it has given out before.
pub struct MetadataDoor {
    vending: Arc<Vending>,
    role: String,
    /// Each with its end.
    tokens: Mutex<VecDeque<(String, SystemTime)>>,
}

impl InstanceMetadata {
    pub(super) async fn start(server: Arc<Server>, role_arn: &str) -> io::Result<Self> {
        let vending = Vending::new(server, role_arn, "i-0123456789abcdef0", SessionTags::default())?;
        let role = role_arn.rsplit('/').next().unwrap_or_default().to_owned();
        let door = MetadataDoor { vending: Arc::clone(&vending), role, tokens: Mutex::default() };
        Self::serve(vending, door).await
    }

    /// The value for `AWS_EC2_METADATA_SERVICE_ENDPOINT`.
    #[must_use]
    pub fn url(&self) -> String {
        self.base()
    }

    /// Forgets all tokens: with them requests are refused, and new ones have to be fetched.
    pub fn forget_tokens(&self) {
        self.door.tokens().clear();
    }
}

impl Door for MetadataDoor {
    fn answer(&self, head: &Parts) -> Response<Full<Bytes>> {
        let path = head.uri.path();
        match (&head.method, path) {
            (&Method::PUT, TOKEN_PATH) => return self.token(head),
            (&Method::GET, _) => {}
            _ => {
                return self.vending.refuse(StatusCode::METHOD_NOT_ALLOWED, "");
            }
        }
        if !self.knows(head) {
            return self.vending.refuse(StatusCode::UNAUTHORIZED, "");
        }
        if path == REGION_PATH {
            return respond(StatusCode::OK, "text/plain", self.vending.server.world.region.clone());
        }
        // With or without the slash at its end, the folder is its list.
        let below = path
            .strip_prefix(ROLE_PATH)
            .or_else(|| (path == ROLE_PATH.trim_end_matches('/')).then_some(""));
        match below {
            Some("") => respond(StatusCode::OK, "text/plain", self.role.clone()),
            Some(name) if name == self.role => self.credentials(),
            Some(_) | None => self.vending.refuse(StatusCode::NOT_FOUND, ""),
        }
    }
}

impl MetadataDoor {
    fn token(&self, head: &Parts) -> Response<Full<Bytes>> {
        let asked = head
            .headers
            .get(TTL)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let Some(secs) = asked.filter(|secs| (1..=MAX_TTL_SECS).contains(secs)) else {
            return self.vending.refuse(StatusCode::BAD_REQUEST, "");
        };
        let token = request_id();
        let mut tokens = self.tokens();
        tokens.push_back((token.clone(), self.now() + Duration::from_secs(secs)));
        if tokens.len() > KEPT {
            tokens.pop_front();
        }
        let mut response = respond(StatusCode::OK, "text/plain", token);
        response
            .headers_mut()
            .insert(HeaderName::from_static(TTL), HeaderValue::from(secs));
        response
    }

    /// Whether the request has a token of ours that has not ended.
    fn knows(&self, head: &Parts) -> bool {
        let given = head
            .headers
            .get(TOKEN)
            .and_then(|value| value.to_str().ok());
        let now = self.now();
        self.tokens()
            .iter()
            .any(|(token, end)| Some(token.as_str()) == given && *end > now)
    }

    fn credentials(&self) -> Response<Full<Bytes>> {
        let mut credentials = self.vending.grant();
        if let Some(members) = credentials.as_object_mut() {
            let updated = extended(self.now());
            for (name, value) in [("Code", "Success"), ("Type", "AWS-HMAC"), ("LastUpdated", &updated)] {
                members.insert(name.to_owned(), value.into());
            }
        }
        respond(StatusCode::OK, "text/plain", credentials.to_string())
    }

    fn now(&self) -> SystemTime {
        self.vending.server.world.now()
    }

    fn tokens(&self) -> MutexGuard<'_, VecDeque<(String, SystemTime)>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
