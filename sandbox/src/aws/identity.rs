//! The callers of requests: IAM users and role sessions, under their various names.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};

/// The owner of an access key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Caller {
    /// The owner of the base keys.
    User { account: String, name: String },
    /// Someone who has assumed a role.
    RoleSession { role: RoleArn, session: String, tags: SessionTags },
    /// Someone who did not sign, for operations that do without.
    Anonymous,
}

/// The tags of a role session.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct SessionTags {
    pub(super) all: BTreeMap<String, String>,
    /// The keys of those that go on to the sessions of roles that are assumed from here.
    pub(super) transitive: BTreeSet<String>,
}

/// A role's ARN, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct RoleArn {
    /// The ARN as it was given.
    pub(super) arn: String,
    partition: String,
    account: String,
    /// The name of the role, without its path.
    name: String,
}

impl RoleArn {
    /// Reads `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`. `None` for anything else.
    pub(super) fn parse(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let ("arn", partition, "iam", "") = (parts.next()?, parts.next()?, parts.next()?, parts.next()?) else {
            return None;
        };
        let (account, resource) = (parts.next()?, parts.next()?);
        let name = resource.strip_prefix("role/")?.rsplit('/').next()?;
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) || name.is_empty() {
            return None;
        }
        Some(Self { arn: arn.to_owned(), partition: partition.into(), account: account.into(), name: name.into() })
    }
}

impl Caller {
    /// A session without tags of this role.
    #[cfg(test)]
    pub(super) fn session(role_arn: &str, session: &str) -> Self {
        let role = RoleArn::parse(role_arn).expect("a role's ARN");
        Self::RoleSession { role, session: session.to_owned(), tags: SessionTags::default() }
    }

    /// The ARN in GetCallerIdentity and AWS's refusals: a session's ARN has its role's name,
    /// without the path.
    pub(super) fn arn(&self) -> String {
        match self {
            Self::User { .. } | Self::Anonymous => self.policy_arn(),
            Self::RoleSession { role: RoleArn { partition, account, name, .. }, session, .. } => {
                format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session}")
            }
        }
    }

    /// The ARN in policies: for a session, the role's.
    pub(super) fn policy_arn(&self) -> String {
        match self {
            Self::User { account, name } => format!("arn:aws:iam::{account}:user/{name}"),
            Self::RoleSession { role, .. } => role.arn.clone(),
            Self::Anonymous => String::new(),
        }
    }

    /// The account that it belongs to.
    pub(super) fn account(&self) -> &str {
        match self {
            Self::User { account, .. } => account,
            Self::RoleSession { role, .. } => &role.account,
            Self::Anonymous => "",
        }
    }

    /// The unique id: `AIDA…`, or `AROA…:SESSION`. The same for the same ARN.
    pub(super) fn id(&self) -> String {
        match self {
            Self::User { .. } => unique_id("AIDA", &self.policy_arn()),
            Self::RoleSession { role, session, .. } => format!("{}:{session}", unique_id("AROA", &role.arn)),
            Self::Anonymous => String::new(),
        }
    }

    /// The database user that Redshift derives from the caller (GetCredentials, "dbUser").
    pub(super) fn database_user(&self) -> String {
        match self {
            Self::User { name, .. } => format!("IAM:{name}"),
            Self::RoleSession { role, .. } => format!("IAMR:{}", role.name),
            Self::Anonymous => String::new(),
        }
    }

    /// The tags of its session.
    pub(super) fn tags(&self) -> SessionTags {
        match self {
            Self::RoleSession { tags, .. } => tags.clone(),
            Self::User { .. } | Self::Anonymous => SessionTags::default(),
        }
    }

    /// Whether assuming a role from here is role chaining.
    pub(super) fn is_role_session(&self) -> bool {
        matches!(self, Self::RoleSession { .. })
    }
}

/// `bytes` in the alphabet of IAM's ids, one character each.
pub(super) fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    bytes
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)))
        .map(|&letter| char::from(letter))
        .collect()
}

fn unique_id(prefix: &str, arn: &str) -> String {
    let hash = digest(&SHA256, arn.as_bytes());
    let mut id = format!("{prefix}{}", base32(hash.as_ref()));
    id.truncate(21);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_session_goes_by_the_last_element_of_its_role() {
        let caller = Caller::session("arn:aws:iam::123456789012:role/team/data/rs01", "s1");
        assert_eq!(caller.arn(), "arn:aws:sts::123456789012:assumed-role/rs01/s1");
        assert_eq!(caller.policy_arn(), "arn:aws:iam::123456789012:role/team/data/rs01");
        assert_eq!(caller.database_user(), "IAMR:rs01");
        assert!(caller.id().starts_with("AROA") && caller.id().ends_with(":s1"));
    }

    #[test]
    fn arns_that_are_not_roles_are_not_parsed_as_roles() {
        for arn in [
            "",
            "rs01",
            "arn:aws:iam::123456789012:user/rs01",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::12345:role/rs01",
            "arn:aws:iam:eu-west-1:123456789012:role/rs01",
        ] {
            assert_eq!(RoleArn::parse(arn), None, "{arn}");
        }
    }
}
