//! The three calls that mint a login.

use std::sync::Arc;

use aws_sdk_sts::primitives::DateTime;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::login::DbLogin;
use super::login_key::{LoginCall, LoginKey};
use super::roles::{Roles, as_caller};
use super::signer::{Signer, send_as};
use crate::aws::{AwsError, Calls};
use crate::cache::{Cache, Fetch};
use crate::secret::Secret;

/// The source of logins: AWS, which mints a new one with each call.
pub(crate) struct Minter {
    /// The way to call AWS.
    pub(crate) calls: Arc<Calls>,
    /// The role sessions to call as.
    pub(crate) sessions: Arc<Cache<Roles>>,
}

/// Makes one call that mints, and reads the login from its answer: the three answers have the same
/// fields, and no type in common.
macro_rules! mint {
    ($calls:expr, $call:expr, $quota:expr, $send:expr) => {
        $calls
            .make($call, $quota, None, $send, |answer| login(answer.db_user, answer.db_password, answer.expiration))
            .await
    };
}

impl Minter {
    async fn mint(&self, key: &LoginKey, signer: Signer) -> Result<DbLogin, AwsError> {
        let region = key.region.as_deref();
        let clients = self.calls.clients(region);
        let quota = (key.caller.account(), region);
        // 900–3600 fits.
        let secs = i32::try_from(key.password_duration.as_secs()).unwrap_or(900);
        let (calls, call, signer) = (&self.calls, &key.call.call(), &signer);
        match &key.call {
            LoginCall::Workgroup { workgroup, database } => {
                let request = clients.redshift_serverless().get_credentials();
                let request = request
                    .workgroup_name(workgroup)
                    .db_name(database)
                    .duration_seconds(secs);
                mint!(calls, call, quota, send_as!(aws_sdk_redshiftserverless, request, signer))
            }
            LoginCall::Cluster { cluster_id, database, user, auto_create, groups } => {
                let request = clients.redshift().get_cluster_credentials();
                let request = request
                    .cluster_identifier(cluster_id)
                    .db_name(database)
                    .db_user(user)
                    .auto_create(*auto_create)
                    .set_db_groups(Some(groups.clone()).filter(|groups| !groups.is_empty()))
                    .duration_seconds(secs);
                mint!(calls, call, quota, send_as!(aws_sdk_redshift, request, signer))
            }
            LoginCall::ClusterByIam { cluster_id, database } => {
                let request = clients.redshift().get_cluster_credentials_with_iam();
                let request = request
                    .cluster_identifier(cluster_id)
                    .db_name(database)
                    .duration_seconds(secs);
                mint!(calls, call, quota, send_as!(aws_sdk_redshift, request, signer))
            }
        }
    }
}

/// Checks the login of an answer.
fn login(user: Option<String>, password: Option<String>, until: Option<DateTime>) -> Result<DbLogin, &'static str> {
    let until = until.ok_or("the answer has no expiration")?;
    Ok(DbLogin {
        user: user.ok_or("the answer has no database user")?,
        password: Secret::new(password.ok_or("the answer has no password")?),
        expires_at: Some(
            until
                .try_into()
                .map_err(|_range| "an expiration out of range")?,
        ),
    })
}

impl Fetch for Minter {
    type Key = LoginKey;
    type Value = DbLogin;
    type Error = AwsError;

    fn fetch<'a>(
        &'a self,
        key: &'a LoginKey,
        _cache: &'a Arc<Cache<Self>>,
    ) -> BoxFuture<'a, Result<DbLogin, AwsError>> {
        let region = self.calls.home(key.region.as_deref());
        as_caller(&self.sessions, &key.caller, region, |signer| self.mint(key, signer)).boxed()
    }

    fn name(&self, key: &LoginKey) -> String {
        key.call.call().to_string()
    }
}
