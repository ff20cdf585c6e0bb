//! What is asked of AWS for a login: the cache's keys.

use std::path::PathBuf;
use std::time::Duration;

use crate::aws::{Arn, Call, Operation};

/// What CloudTrail shows as the caller's session, where it is nobody's in particular.
pub(crate) const ROLE_SESSION_NAME: &str = "redshift-iam-proxy";

/// Everything that shapes a login, and nothing else: the key of the cache of logins.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Order {
    /// Who asks.
    pub(crate) caller: Chain,
    /// Of the warehouse. `None`: the base's own.
    pub(crate) region: Option<String>,
    pub(crate) call: LoginCall,
    /// 900–3600 s, the range of the API (configuration has checked it).
    pub(crate) password_duration: Duration,
    /// The user of a `per-user` login, by its raw name: what is made of it for AWS may be another's
    /// too.
    pub(crate) principal: Option<String>,
}

/// The call that mints.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum LoginCall {
    /// Redshift Serverless GetCredentials.
    Workgroup { workgroup: String, database: String },
    /// GetClusterCredentials.
    Cluster { cluster_id: String, database: String, user: String, auto_create: bool, groups: Vec<String> },
    /// GetClusterCredentialsWithIAM: the database user is the caller.
    ClusterByIam { cluster_id: String, database: String },
}

impl LoginCall {
    /// As logs name it.
    pub(crate) fn call(&self) -> Call {
        match self {
            Self::Workgroup { workgroup, .. } => Call::new(Operation::GetCredentials, workgroup),
            Self::Cluster { cluster_id, .. } => Call::new(Operation::GetClusterCredentials, cluster_id),
            Self::ClusterByIam { cluster_id, .. } => Call::new(Operation::GetClusterCredentialsWithIam, cluster_id),
        }
    }
}

/// The identity that a call is made under: the role sessions taken one from the other. Empty: the
/// base identity's own.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Chain {
    pub(crate) hops: Vec<Hop>,
    /// Which base identity the first is taken under, or all is asked by: what was got under one is
    /// not another's. Zero where the first hop needs none.
    pub(crate) base: u64,
}

/// One role session to take, under the session before.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Hop {
    /// `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`
    pub(crate) role_arn: String,
    /// The name of the SSM parameter that holds the external id.
    pub(crate) external_id: Option<String>,
    /// `RoleSessionName`: 2–64 of `[\w+=,.@-]`.
    pub(crate) session_name: String,
    /// STS session tags, in order of their keys.
    pub(crate) tags: Vec<(String, String)>,
    /// By AssumeRoleWithWebIdentity with this file's token.
    pub(crate) token_file: Option<PathBuf>,
    /// The user whose own session it is, by the raw name: what `session_name` makes of two may be
    /// one.
    pub(crate) owner: Option<String>,
}

impl Chain {
    /// The hops under the base identity of this number.
    pub(crate) fn under(hops: Vec<Hop>, base: u64) -> Self {
        let needs_none = hops.first().is_some_and(|hop| hop.token_file.is_some());
        Self { hops, base: if needs_none { 0 } else { base } }
    }

    /// The last hop, and the chain that takes it.
    pub(crate) fn last(&self) -> Option<(&Hop, Self)> {
        let (last, before) = self.hops.split_last()?;
        Some((last, Self { hops: before.to_vec(), base: self.base }))
    }

    /// The account whose quota is spent: the last role's. `None`: the base identity's.
    pub(crate) fn account(&self) -> Option<&str> {
        self.hops.last().and_then(Hop::account)
    }
}

impl Hop {
    /// The role's.
    pub(crate) fn account(&self) -> Option<&str> {
        Arn::parse(&self.role_arn).map(|arn| arn.account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_chains_on_different_base_identities_have_different_keys() {
        let hop = |token_file: Option<&str>| Hop {
            role_arn: "arn:aws:iam::111111111111:role/r".into(),
            external_id: None,
            session_name: ROLE_SESSION_NAME.into(),
            tags: Vec::new(),
            token_file: token_file.map(PathBuf::from),
            owner: None,
        };
        assert_ne!(Chain::under(Vec::new(), 0), Chain::under(Vec::new(), 1));
        let on_base = |base| Chain::under(vec![hop(None)], base);
        assert_ne!(on_base(0), on_base(1));
        assert_ne!(on_base(0).last().unwrap().1, on_base(1).last().unwrap().1);
        let by_token = |base| Chain::under(vec![hop(Some("/token")), hop(None)], base);
        assert_eq!(by_token(0), by_token(1));
    }

    #[test]
    fn the_account_is_the_last_roles() {
        let hop = |account: &str| Hop {
            role_arn: format!("arn:aws:iam::{account}:role/r"),
            external_id: None,
            session_name: ROLE_SESSION_NAME.into(),
            tags: Vec::new(),
            token_file: None,
            owner: None,
        };
        assert_eq!(Chain::default().account(), None);
        let chain = Chain::under(vec![hop("111111111111"), hop("222222222222")], 0);
        assert_eq!(chain.account(), Some("222222222222"));
    }
}
