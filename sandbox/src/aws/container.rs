//! The endpoint that containers get their credentials from: the EKS Pod Identity Agent's, or that
//! of the ECS agent ("Container credential provider", AWS SDKs and Tools Reference Guide).

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::http::Serving;
use super::identity::SessionTags;
use super::server::Server;
use super::vending::{ADDRESS, Vending, respond};

const PATH: &str = "/v1/credentials";

/// The tags of every Pod Identity session; all of them are transitive.
const POD_TAGS: [(&str, &str); 6] = [
    ("eks-cluster-arn", "arn:aws:eks:ap-southeast-2:123456789012:cluster/sandbox"),
    ("eks-cluster-name", "sandbox"),
    ("kubernetes-namespace", "default"),
    ("kubernetes-service-account", "redshift-iam-proxy"),
    ("kubernetes-pod-name", "redshift-iam-proxy-0"),
    ("kubernetes-pod-uid", "5f0c6d1e-0000-4000-8000-000000000000"),
];

/// Whose endpoint it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Agent {
    /// Its sessions carry tags.
    PodIdentity,
    Ecs,
}

/// A running endpoint. Dropping it ends it; its sessions stay valid.
pub struct ContainerCredentials {
    serving: Serving,
    door: Arc<Door>,
}

struct Door {
    vending: Arc<Vending>,
    /// What `Authorization` must be.
    token: Mutex<String>,
}

impl ContainerCredentials {
    pub(super) async fn start(server: Arc<Server>, agent: Agent, role_arn: &str, token: &str) -> io::Result<Self> {
        let (session, tags) = match agent {
            Agent::PodIdentity => {
                let all = POD_TAGS
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into();
                let transitive = POD_TAGS.map(|(key, _)| key.to_owned()).into();
                ("eks-sandbox-redshift-iam-proxy-0-5f0c6d1e", SessionTags { all, transitive })
            }
            Agent::Ecs => ("5f0c6d1e000040008000000000000000", SessionTags::default()),
        };
        let vending = Vending::new(server, role_arn, session, tags)?;
        let door = Arc::new(Door { vending, token: Mutex::new(token.to_owned()) });
        let at = Arc::clone(&door);
        let serving = Serving::start(ADDRESS, move |request| {
            let at = Arc::clone(&at);
            async move { Ok(at.answer(&request.into_parts().0)) }
        });
        Ok(Self { serving: serving.await?, door })
    }

    /// What `AWS_CONTAINER_CREDENTIALS_FULL_URI` has to be.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.serving.address)
    }

    /// The ARN of its sessions, as callers: `arn:aws:sts::…:assumed-role/ROLE/SESSION`.
    #[must_use]
    pub fn caller(&self) -> String {
        self.door.vending.arn()
    }

    /// From now on this token is wanted: what the file of `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`
    /// holds.
    pub fn set_token(&self, token: &str) {
        *self
            .door
            .token
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = token.to_owned();
    }

    /// From now on sessions live so long; six hours unless told otherwise.
    pub fn set_life(&self, life: Duration) {
        self.door.vending.set_life(life);
    }

    /// How many sessions have been handed out.
    #[must_use]
    pub fn granted(&self) -> usize {
        self.door.vending.granted()
    }

    /// How many requests were refused, for a token that is missing or wrong, or a path that is not
    /// there.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.door.vending.refused()
    }
}

impl fmt::Debug for ContainerCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerCredentials")
            .field("address", &self.serving.address)
            .finish_non_exhaustive()
    }
}

impl Door {
    fn answer(&self, head: &Parts) -> Response<Full<Bytes>> {
        if head.method != Method::GET || head.uri.path() != PATH {
            return self
                .vending
                .refuse(StatusCode::NOT_FOUND, "404 page not found");
        }
        let Some(given) = head.headers.get(AUTHORIZATION) else {
            return self
                .vending
                .refuse(StatusCode::BAD_REQUEST, "Service account token cannot be empty");
        };
        let wanted = self
            .token
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if verify_slices_are_equal(given.as_bytes(), wanted.as_bytes()).is_err() {
            let message = "AccessDeniedException: Unauthorized Exception! The token is not valid";
            return self.vending.refuse(StatusCode::UNAUTHORIZED, message);
        }
        let mut credentials = self.vending.grant();
        if let Some(members) = credentials.as_object_mut() {
            members.insert("AccountId".to_owned(), self.vending.account().into());
        }
        respond(StatusCode::OK, "application/json", credentials.to_string())
    }
}
