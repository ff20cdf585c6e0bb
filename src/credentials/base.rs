//! Who the base identity is, as STS says.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityOutput;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::aws::{AwsError, Call, Calls};
use crate::cache::{Fetch, Perishable};

/// How long it is believed who the base identity is.
pub(crate) const BASE_BELIEVED: Duration = Duration::from_secs(300);

/// Who is asked for: the key of the cache of the base identity's ARN.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct BaseKey {
    /// Of STS.
    pub(crate) region: Option<String>,
    /// Which base identity.
    pub(crate) base: u64,
}

/// Who the base identity is.
#[derive(Debug)]
pub(crate) struct CallerArn(String);

/// Finds out who the base identity is.
pub(crate) struct WhoAmI(pub(crate) Arc<Calls>);

impl Perishable for CallerArn {
    fn expires_at(&self) -> Option<SystemTime> {
        None
    }
}

impl Fetch<BaseKey, CallerArn> for WhoAmI {
    fn fetch<'a>(&'a self, key: &'a BaseKey) -> BoxFuture<'a, Result<CallerArn, AwsError>> {
        async move {
            let call = who_am_i();
            let region = key.region.as_deref();
            let clients = self.0.clients(region);
            let send = || clients.sts().get_caller_identity().send();
            let read = |answer: GetCallerIdentityOutput| answer.arn.map(CallerArn).ok_or("the answer has no ARN");
            self.0.make(&call, (None, region), None, send, read).await
        }
        .boxed()
    }

    fn name(&self, _key: &BaseKey) -> String {
        who_am_i().to_string()
    }
}

fn who_am_i() -> Call {
    Call::new("GetCallerIdentity", "")
}

impl CallerArn {
    /// As GetCallerIdentity tells it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `caller` (`arn:P:sts::ACCOUNT:assumed-role/NAME/SESSION`) is a session of the role. The
/// path of a role is not in its sessions' ARNs; names are unique without it.
pub(super) fn is_session_of(caller: &str, role_arn: &str) -> bool {
    let name = |arn: &str, kind: &str| -> Option<(String, String, String)> {
        let mut parts = arn.splitn(6, ':').skip(1);
        let (partition, _service, _region, account) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let rest = parts.next()?.strip_prefix(kind)?;
        let name = if kind == "role/" { rest.rsplit('/').next()? } else { rest.split('/').next()? };
        Some((partition.to_owned(), account.to_owned(), name.to_owned()))
    };
    let role = name(role_arn, "role/");
    role.is_some() && name(caller, "assumed-role/") == role
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_known_by_partition_account_and_name() {
        let caller = "arn:aws:sts::123456789012:assumed-role/etl/eks-pod-1";
        for (role, want) in [
            ("arn:aws:iam::123456789012:role/etl", true),
            ("arn:aws:iam::123456789012:role/service/path/etl", true),
            ("arn:aws:iam::123456789012:role/etl/other", false),
            ("arn:aws:iam::210987654321:role/etl", false),
            ("arn:aws-cn:iam::123456789012:role/etl", false),
            ("arn:aws:iam::123456789012:role/eks-pod-1", false),
        ] {
            assert_eq!(is_session_of(caller, role), want, "{role}");
        }
        assert!(!is_session_of("arn:aws:iam::123456789012:user/etl", "arn:aws:iam::123456789012:role/etl"));
        assert!(!is_session_of("", "arn:aws:iam::123456789012:user/etl"));
    }
}
