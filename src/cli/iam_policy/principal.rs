//! The proxy's own IAM identity, and the parts of a role's ARN.

use super::scope::PROXY_ACCOUNT;
use crate::aws::Arn;

/// An identity that can be named in a trust policy: the ARN of a role or a user, its parts checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IamPrincipal {
    /// The ARN of the role or user.
    pub(super) arn: String,
    /// The partition that the ARN names, as `aws`.
    pub(super) partition: String,
    /// The number of the account that the ARN names.
    pub(super) account: String,
    /// Whether the ARN names a role or a user.
    pub(super) kind: PrincipalKind,
    /// The name without its path.
    pub(super) name: String,
    /// Whether the ARN was that of a session, which does not tell the role's path.
    pub(super) path_unknown: bool,
}

/// The kind of an [`IamPrincipal`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum PrincipalKind {
    /// The identity is an IAM role.
    Role,
    /// The identity is an IAM user.
    User,
}

/// The text is not the ARN of a role, of a user, or of a role's session.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be the ARN of a role, of a user, or of an assumed role's session (see aws sts get-caller-identity)")]
pub struct BadPrincipal;

impl IamPrincipal {
    /// Reads `arn:PARTITION:iam::ACCOUNT:role/…`, `…:user/…`, or what GetCallerIdentity tells of a
    /// role's session, `arn:PARTITION:sts::ACCOUNT:assumed-role/ROLE/SESSION`, which becomes its
    /// role.
    ///
    /// # Errors
    /// The text is none of these.
    pub fn parse(text: &str) -> Result<Self, BadPrincipal> {
        let Arn { partition, service, region, account, resource } = Arn::parse(text).ok_or(BadPrincipal)?;
        let account_known = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let named = |text: &str| {
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&b))
        };
        if !region.is_empty() || !account_known || !named(resource) || !is_partition(partition) {
            return Err(BadPrincipal);
        }
        let (kind, path) = resource.split_once('/').ok_or(BadPrincipal)?;
        let (kind, name, path_unknown) = match (service, kind) {
            ("iam", "role") => (PrincipalKind::Role, path.rsplit('/').next(), false),
            ("iam", "user") => (PrincipalKind::User, path.rsplit('/').next(), false),
            ("sts", "assumed-role") => (PrincipalKind::Role, path.split_once('/').map(|(role, _session)| role), true),
            _ => return Err(BadPrincipal),
        };
        let name = name.filter(|name| !name.is_empty()).ok_or(BadPrincipal)?;
        let arn = if path_unknown { format!("arn:{partition}:iam::{account}:role/{name}") } else { text.to_owned() };
        Ok(Self {
            arn,
            partition: partition.to_owned(),
            account: account.to_owned(),
            kind,
            name: name.to_owned(),
            path_unknown,
        })
    }

    /// The ARN that policies are attached to.
    pub(crate) fn arn(&self) -> &str {
        &self.arn
    }

    /// The permission set of IAM Identity Center that this role was made for:
    /// `AWSReservedSSO_SET_0123456789abcdef`, below the path `aws-reserved/sso.amazonaws.com/`.
    pub(crate) fn permission_set(&self) -> Option<&str> {
        permission_set(&self.name).filter(|_| self.kind == PrincipalKind::Role)
    }

    /// The ARN by which a trust policy's `Principal` names the identity. The role of a permission
    /// set has another name each time the set is assigned anew, so that its account is named, and
    /// [`IamPrincipal::pattern`] narrows that.
    pub(crate) fn trusted(&self) -> String {
        match self.permission_set() {
            Some(_) => format!("arn:{}:iam::{}:root", self.partition, self.account),
            None => self.arn.clone(),
        }
    }

    /// The pattern of `aws:PrincipalArn` that goes beside the account ("Referencing permission sets
    /// in resource policies", IAM Identity Center User Guide): with a Region in the path or
    /// without, and any end of the name.
    pub(crate) fn pattern(&self) -> Option<String> {
        let (partition, account, set) = (&self.partition, &self.account, self.permission_set()?);
        Some(format!("arn:{partition}:iam::{account}:role/aws-reserved/sso.amazonaws.com*/AWSReservedSSO_{set}_*"))
    }

    /// Whether this is that role. Within an account a role's name is unique, whatever its path.
    pub(super) fn is_role(&self, arn: &str) -> bool {
        self.kind == PrincipalKind::Role && account_of(arn) == self.account && role_name(arn) == self.name
    }
}

/// The name of a role: its ARN's end, without the path.
pub(super) fn role_name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The permission set in a role's name.
pub(crate) fn permission_set(role_name: &str) -> Option<&str> {
    role_name
        .strip_prefix("AWSReservedSSO_")?
        .rsplit_once('_')
        .map(|(set, _)| set)
}

/// The account of an ARN.
pub(super) fn account_of(arn: &str) -> &str {
    Arn::parse(arn).map_or(PROXY_ACCOUNT, |arn| arn.account)
}

/// The partition of an ARN.
pub(super) fn partition_of(arn: &str) -> Option<&str> {
    Arn::parse(arn).map(|arn| arn.partition)
}

fn is_partition(text: &str) -> bool {
    let rest = text.strip_prefix("aws").unwrap_or("?");
    rest.is_empty() || (rest.starts_with('-') && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_users_and_sessions_are_principals() {
        for (text, arn, kind, name) in [
            (
                "arn:aws:iam::123456789012:role/proxy",
                "arn:aws:iam::123456789012:role/proxy",
                PrincipalKind::Role,
                "proxy",
            ),
            (
                "arn:aws-cn:iam::123456789012:user/a/b",
                "arn:aws-cn:iam::123456789012:user/a/b",
                PrincipalKind::User,
                "b",
            ),
            (
                "arn:aws-us-gov:sts::123456789012:assumed-role/pod/eks-x@1",
                "arn:aws-us-gov:iam::123456789012:role/pod",
                PrincipalKind::Role,
                "pod",
            ),
        ] {
            let principal = IamPrincipal::parse(text).unwrap();
            assert_eq!((principal.arn.as_str(), principal.kind, principal.name.as_str()), (arn, kind, name));
        }
        for text in [
            "",
            "proxy",
            "arn:aws:iam::123456789012:root",
            "arn:aws:iam::12345:role/x",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:group/x",
            "arn:aws:sts::123456789012:assumed-role/x",
            "arn:aws:sts::123456789012:federated-user/x",
            "arn:aws:iam::123456789012:role/*",
            "arn:gcp:iam::123456789012:role/x",
        ] {
            assert_eq!(IamPrincipal::parse(text), Err(BadPrincipal), "{text:?}");
        }
    }

    #[test]
    fn a_permission_sets_role_is_trusted_by_what_of_it_stays() {
        for text in [
            "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Data_Admin_0123456789abcdef/me@example.com",
            "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Data_Admin_0123456789abcdef",
        ] {
            let principal = IamPrincipal::parse(text).unwrap();
            assert_eq!(principal.permission_set(), Some("Data_Admin"));
            assert_eq!(principal.trusted(), "arn:aws:iam::123456789012:root");
            let pattern = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com*/AWSReservedSSO_Data_Admin_*";
            assert_eq!(principal.pattern().as_deref(), Some(pattern));
        }
        let other = IamPrincipal::parse("arn:aws:iam::123456789012:role/proxy").unwrap();
        assert_eq!((other.trusted(), other.pattern()), (other.arn.clone(), None));
    }

    #[test]
    fn a_role_is_known_again_without_its_path() {
        let session = IamPrincipal::parse("arn:aws:sts::123456789012:assumed-role/pod/s").unwrap();
        assert!(session.is_role("arn:aws:iam::123456789012:role/eks/pod"));
        assert!(!session.is_role("arn:aws:iam::210987654321:role/pod"));
        let user = IamPrincipal::parse("arn:aws:iam::123456789012:user/pod").unwrap();
        assert!(!user.is_role("arn:aws:iam::123456789012:role/pod"));
    }
}
