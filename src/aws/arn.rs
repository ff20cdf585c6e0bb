//! Amazon Resource Names, cut into their parts.

/// The parts of `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE` (IAM User Guide, "Amazon Resource
/// Names"), borrowed from the text.
///
/// Parsing checks the shape alone. Region and account may be empty, and any part may hold anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Arn<'a> {
    /// The ARN's partition: `aws`, `aws-cn`, `aws-us-gov`, …
    pub(crate) partition: &'a str,
    /// The name of the service whose resource the ARN names, as `iam` or `secretsmanager`.
    pub(crate) service: &'a str,
    /// The Region of the resource; empty where the service has none, as IAM.
    pub(crate) region: &'a str,
    /// The number of the account that owns the resource; empty where the ARN names none.
    pub(crate) account: &'a str,
    /// The rest of the ARN after the account, colons included: what names the resource.
    pub(crate) resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Cuts a text. `None`: it has not the shape of an ARN.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.strip_prefix("arn:")?.splitn(5, ':');
        let mut part = || parts.next();
        Some(Self { partition: part()?, service: part()?, region: part()?, account: part()?, resource: part()? })
    }

    /// The resource's type and name: what stands before and behind its first `/`.
    pub(crate) fn typed(&self) -> Option<(&'a str, &'a str)> {
        self.resource.split_once('/')
    }

    /// The name of the role that this is the ARN of, or of a session of. Role ARNs have a path
    /// before the name (`role/PATH/NAME`) and session ARNs do not (`assumed-role/NAME/SESSION`),
    /// but a name is unique in its account without the path.
    pub(crate) fn role_name(&self) -> Option<&'a str> {
        match (self.service, self.typed()?) {
            ("iam", ("role", path)) => path.rsplit('/').next(),
            ("sts", ("assumed-role", session)) => session.split('/').next(),
            _ => None,
        }
    }

    /// Whether this is the ARN of a role's session, not of a role or user.
    pub(crate) fn is_session(&self) -> bool {
        self.typed().is_some_and(|(kind, _)| kind == "assumed-role")
    }

    /// Whether this is the ARN of a session of the role.
    pub(crate) fn is_session_of(&self, role: &Self) -> bool {
        self.is_session()
            && !role.is_session()
            && role.role_name().is_some()
            && (self.partition, self.account, self.role_name()) == (role.partition, role.account, role.role_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(text: &str) -> Arn<'_> {
        Arn::parse(text).unwrap()
    }

    #[test]
    fn an_arn_is_cut_at_its_first_five_colons() {
        let secret = arn("arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:prod/x-AbCdEf");
        assert_eq!((secret.partition, secret.service), ("aws-cn", "secretsmanager"));
        assert_eq!((secret.region, secret.account), ("cn-north-1", "123456789012"));
        assert_eq!(secret.resource, "secret:prod/x-AbCdEf");
        assert_eq!(arn("arn:::::").resource, "");
        for text in ["", "arn", "arn:aws", "arn:aws:ssm:eu-west-1:1", "/arn:a:b:c:d:e", "ARN:a:b:c:d:e"] {
            assert_eq!(Arn::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_session_is_known_by_partition_account_and_name() {
        let caller = arn("arn:aws:sts::123456789012:assumed-role/etl/eks-pod-1");
        for (role, want) in [
            ("arn:aws:iam::123456789012:role/etl", true),
            ("arn:aws:iam::123456789012:role/service/path/etl", true),
            ("arn:aws:iam::123456789012:role/etl/other", false),
            ("arn:aws:iam::210987654321:role/etl", false),
            ("arn:aws-cn:iam::123456789012:role/etl", false),
            ("arn:aws:iam::123456789012:role/eks-pod-1", false),
            ("arn:aws:sts::123456789012:assumed-role/etl/eks-pod-1", false),
        ] {
            assert_eq!(caller.is_session_of(&arn(role)), want, "{role}");
        }
        let (user, role) = (arn("arn:aws:iam::123456789012:user/etl"), arn("arn:aws:iam::123456789012:role/etl"));
        assert!(!user.is_session_of(&role) && !caller.is_session_of(&user));
    }
}
