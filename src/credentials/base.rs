//! Who the base identity is, as STS says.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityOutput;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::aws::{Arn, AwsError, Call, Calls, Operation};
use crate::cache::{Cache, Fetch, Perishable};

/// How long the base identity's ARN is used before it is asked for again.
pub(crate) const BASE_MAX_AGE: Duration = Duration::from_secs(300);

/// Everything that shapes the base identity's ARN: the key of its cache.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct BaseKey {
    /// The region where STS is asked. `None`: the base identity's own.
    pub(crate) region: Option<String>,
    /// The number of the base identity, which changes with the identity.
    pub(crate) base: u64,
}

/// The base identity's ARN.
#[derive(Debug)]
pub(crate) struct CallerArn(String);

/// The source of the base identity's ARN: GetCallerIdentity.
pub(crate) struct WhoAmI(pub(crate) Arc<Calls>);

impl Perishable for CallerArn {
    fn expires_at(&self) -> Option<SystemTime> {
        None
    }
}

impl Fetch for WhoAmI {
    type Key = BaseKey;
    type Value = CallerArn;
    type Error = AwsError;

    fn fetch<'a>(
        &'a self,
        key: &'a BaseKey,
        _cache: &'a Arc<Cache<Self>>,
    ) -> BoxFuture<'a, Result<CallerArn, AwsError>> {
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
    Call::new(Operation::GetCallerIdentity, "")
}

impl CallerArn {
    /// The ARN as GetCallerIdentity tells it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether the caller is a session of the role.
pub(super) fn is_session_of(caller: &str, role_arn: &str) -> bool {
    match (Arn::parse(caller), Arn::parse(role_arn)) {
        (Some(caller), Some(role)) => caller.is_session_of(&role),
        _ => false,
    }
}
