//! Role chains: the roles that lead from the base identity to the one that a call is made as.

use std::path::PathBuf;

use crate::aws::{Arn, Call, Operation};

/// The `RoleSessionName` of sessions that all users share: CloudTrail shows it as the caller's.
pub(crate) const ROLE_SESSION_NAME: &str = "redshift-iam-proxy";

/// The roles that lead to the identity of a call: each is assumed under the session of the one
/// before, the first under the base identity. Without hops it is the base identity.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Chain {
    /// The roles, in the order in which they are assumed.
    pub(crate) hops: Vec<Hop>,
    /// The number of the base identity that the chain begins with, so that nothing that was fetched
    /// under one base identity is served under another. Zero if the first hop needs none.
    pub(crate) base: u64,
}

/// A role to assume, under the session of the hop before.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Hop {
    /// The role: `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`.
    pub(crate) role_arn: String,
    /// The name of the SSM parameter that holds the external id.
    pub(crate) external_id_parameter: Option<String>,
    /// The `RoleSessionName`: 2–64 of `[\w+=,.@-]`.
    pub(crate) session_name: String,
    /// The STS session tags, in order of their keys.
    pub(crate) tags: Vec<(String, String)>,
    /// The file of a token to assume the role with (AssumeRoleWithWebIdentity). `None`: AssumeRole.
    pub(crate) token_file: Option<PathBuf>,
    /// The user that the session belongs to, by the raw name, since two names may become one
    /// `session_name`. `None`: all users share it.
    pub(crate) owner: Option<String>,
}

impl Chain {
    /// A chain that begins with the base identity of this number.
    pub(crate) fn from_base(hops: Vec<Hop>, base: u64) -> Self {
        let needs_none = hops.first().is_some_and(|hop| hop.token_file.is_some());
        Self { hops, base: if needs_none { 0 } else { base } }
    }

    /// The last hop, and the chain that leads to the identity which takes it.
    pub(crate) fn last(&self) -> Option<(&Hop, Self)> {
        let (last, before) = self.hops.split_last()?;
        Some((last, Self { hops: before.to_vec(), base: self.base }))
    }

    /// The account whose quota a call spends: the last role's. `None`: the base identity's.
    pub(crate) fn account(&self) -> Option<&str> {
        self.hops.last().and_then(Hop::account)
    }
}

impl Hop {
    /// The call that assumes the role.
    pub(super) fn call(&self) -> Call {
        let operation =
            if self.token_file.is_some() { Operation::AssumeRoleWithWebIdentity } else { Operation::AssumeRole };
        Call::new(operation, &self.role_arn)
    }

    /// The account of the role.
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
            external_id_parameter: None,
            session_name: ROLE_SESSION_NAME.into(),
            tags: Vec::new(),
            token_file: token_file.map(PathBuf::from),
            owner: None,
        };
        assert_ne!(Chain::from_base(Vec::new(), 0), Chain::from_base(Vec::new(), 1));
        let on_base = |base| Chain::from_base(vec![hop(None)], base);
        assert_ne!(on_base(0), on_base(1));
        assert_ne!(on_base(0).last().unwrap().1, on_base(1).last().unwrap().1);
        let by_token = |base| Chain::from_base(vec![hop(Some("/token")), hop(None)], base);
        assert_eq!(by_token(0), by_token(1));
    }

    #[test]
    fn the_account_of_a_chain_is_that_of_its_last_role() {
        let hop = |account: &str| Hop {
            role_arn: format!("arn:aws:iam::{account}:role/r"),
            external_id_parameter: None,
            session_name: ROLE_SESSION_NAME.into(),
            tags: Vec::new(),
            token_file: None,
            owner: None,
        };
        assert_eq!(Chain::from_base(Vec::new(), 0).account(), None);
        let chain = Chain::from_base(vec![hop("111111111111"), hop("222222222222")], 0);
        assert_eq!(chain.account(), Some("222222222222"));
    }
}
