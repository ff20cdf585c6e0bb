//! The endpoint that containers get their credentials from: the EKS Pod Identity Agent's, or that
//! of the ECS agent ("Container credential provider", AWS SDKs and Tools Reference Guide).

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::identity::SessionTags;
use super::server::Server;
use super::vending::{Door, Endpoint, Vending, respond};

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

/// The agent whose endpoint it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Agent {
    /// Its sessions carry tags.
    PodIdentity,
    Ecs,
}

/// A running endpoint of an agent.
pub type ContainerCredentials = Endpoint<TokenDoor>;

/// Hands out sessions for the right token.
pub struct TokenDoor {
    vending: Arc<Vending>,
    /// The value that `Authorization` must have.
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
        let door = TokenDoor { vending: Arc::clone(&vending), token: Mutex::new(token.to_owned()) };
        Self::serve(vending, door).await
    }

    /// The value for `AWS_CONTAINER_CREDENTIALS_FULL_URI`.
    #[must_use]
    pub fn url(&self) -> String {
        self.base() + PATH
    }

    /// Changes the token that is required: the one that the file of
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` holds.
    pub fn set_token(&self, token: &str) {
        *self
            .door
            .token
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = token.to_owned();
    }
}

impl Door for TokenDoor {
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
