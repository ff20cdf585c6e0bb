//! The identities that calls are made under: role sessions, each taken under the one before, shared
//! by all who need it.

use std::sync::{Arc, OnceLock, Weak};
use std::time::SystemTime;

use aws_sdk_sts::config::Credentials;
use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityOutput;
use aws_sdk_sts::types::Tag;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::base::{BASE_BELIEVED, BaseKey, CallerArn, is_session_of};
use super::order::{Chain, Hop};
use super::token::token;
use crate::aws::{AwsError, Call, Calls, Code, Operation, Stored, StoredAt};
use crate::cache::{Cache, Fetch, Perishable};
use crate::clock::Clock;
use crate::secret::Secret;

/// Life of a role session, the least there is: it is used for few calls, and a chained one may not
/// live over an hour.
const SESSION_SECS: i32 = 900;

/// What a role session stands on: the key of their cache.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct SessionKey {
    chain: Chain,
    /// Of STS.
    region: Option<String>,
}

/// An identity to call under.
#[derive(Debug)]
pub(crate) enum Identity {
    /// The base identity: it already is the role, as far as is known until then.
    Base { until: SystemTime },
    /// A role session.
    Session(Credentials),
}

/// Takes role sessions.
pub(crate) struct Roles {
    calls: Arc<Calls>,
    stored: Arc<Cache<StoredAt, Stored>>,
    base: Arc<Cache<BaseKey, CallerArn>>,
    clock: Arc<dyn Clock>,
    /// Where the sessions before are found: the cache that this fills.
    sessions: OnceLock<Weak<Cache<SessionKey, Identity>>>,
}

impl SessionKey {
    /// `region`: where to call STS, where the base has no region of its own.
    pub(crate) fn new(chain: &Chain, region: Option<&str>) -> Self {
        Self { chain: chain.clone(), region: region.map(str::to_owned) }
    }
}

impl Hop {
    /// The call that takes it.
    fn call(&self) -> Call {
        let operation =
            if self.token_file.is_some() { Operation::AssumeRoleWithWebIdentity } else { Operation::AssumeRole };
        Call::new(operation, &self.role_arn)
    }
}

impl Identity {
    /// `None`: the base's own.
    pub(crate) fn keys(&self) -> Option<&Credentials> {
        match self {
            Self::Base { .. } => None,
            Self::Session(keys) => Some(keys),
        }
    }
}

impl Perishable for Identity {
    fn expires_at(&self) -> Option<SystemTime> {
        match self {
            Self::Base { until } => Some(*until),
            Self::Session(keys) => keys.expiry(),
        }
    }
}

impl Roles {
    pub(crate) fn new(
        calls: Arc<Calls>,
        stored: Arc<Cache<StoredAt, Stored>>,
        base: Arc<Cache<BaseKey, CallerArn>>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Self { calls, stored, base, clock, sessions: OnceLock::new() })
    }

    /// Says which cache this fills.
    pub(crate) fn fills(&self, sessions: &Arc<Cache<SessionKey, Identity>>) {
        // A second call would change nothing.
        let _ = self.sessions.set(Arc::downgrade(sessions));
    }

    async fn take(&self, key: &SessionKey) -> Result<Identity, AwsError> {
        let base = || Identity::Base { until: self.clock.now() + BASE_BELIEVED };
        let Some((hop, before)) = key.chain.last() else { return Ok(base()) };
        let region = key.region.as_deref();
        if let Some(file) = &hop.token_file {
            let since = Instant::now();
            let token = token(file).await;
            self.calls
                .report_token_read(file, since, token.as_ref().map(|_| ()));
            let token = token.map_err(|source| AwsError::TokenFile { path: file.clone(), source })?;
            return self.by_web_identity(hop, &token, region).await;
        }
        if before.hops.is_empty() && self.is_base(hop, region, before.base).await? {
            let call = Call::new(Operation::AssumeRole, &hop.role_arn);
            self.calls
                .note(&call, "skipped: the base identity already is this role");
            return Ok(base());
        }
        let external_id = match &hop.external_id {
            Some(name) => Some(self.external_id(name, region).await?),
            None => None,
        };
        self.under(before, region, |keys| self.assume(hop, keys, external_id.as_ref(), region))
            .await
            .map_err(|error| {
                match &hop.external_id {
                    // A wrong one gets the same answer as a role that does not trust us.
                    Some(name) if error.is_final() && !error.is_needed() => {
                        AwsError::Of { what: format!("with external_id {name}"), source: Arc::new(error) }
                    }
                    _ => error,
                }
            })
    }

    /// Asks under the session that a chain leads to, as [`under_session`] does.
    async fn under<T, F>(
        &self,
        chain: Chain,
        region: Option<&str>,
        ask: impl Fn(Option<Credentials>) -> F,
    ) -> Result<T, AwsError>
    where
        F: Future<Output = Result<T, AwsError>>,
    {
        if chain.hops.is_empty() {
            return ask(None).await;
        }
        // Without its cache the chain's session cannot be had. The base identity is no substitute:
        // it would assume the role where the chain might not.
        let sessions = self
            .sessions
            .get()
            .and_then(Weak::upgrade)
            .ok_or(AwsError::Lost)?;
        under_session(&sessions, &SessionKey { chain, region: region.map(str::to_owned) }, ask).await
    }

    /// Whether there is nothing to assume: the base identity is a session of the role already, and
    /// neither tags nor a session name of somebody's own are asked for.
    async fn is_base(&self, hop: &Hop, region: Option<&str>, base: u64) -> Result<bool, AwsError> {
        if !hop.tags.is_empty() || hop.owner.is_some() {
            return Ok(false);
        }
        let base = self
            .base
            .get(&BaseKey { region: region.map(str::to_owned), base })
            .await
            .map_err(AwsError::Needed)?;
        Ok(is_session_of(base.as_str(), &hop.role_arn))
    }

    async fn external_id(&self, name: &str, region: Option<&str>) -> Result<Secret, AwsError> {
        let place = StoredAt::parameter(name, region);
        let unread =
            |source| AwsError::Of { what: "external_id".to_owned(), source: Arc::new(AwsError::Needed(source)) };
        let stored = self.stored.get(&place).await.map_err(unread)?;
        if is_external_id(stored.text.expose()) {
            return Ok(stored.text.clone());
        }
        Err(AwsError::Unusable {
            call: place.call(),
            what: "the parameter's value is no external id (2-1224 of A-Z a-z 0-9 _ + = , . @ : / -)",
        })
    }

    async fn assume(
        &self,
        hop: &Hop,
        under: Option<Credentials>,
        external_id: Option<&Secret>,
        region: Option<&str>,
    ) -> Result<Identity, AwsError> {
        let call = hop.call();
        let clients = self.calls.clients(region);
        let tags = hop
            .tags
            .iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build());
        let unbuilt = |_unset| AwsError::Unusable { call: call.clone(), what: "a session tag cannot be built" };
        let tags = tags.collect::<Result<Vec<_>, _>>().map_err(unbuilt)?;
        let send = || {
            let request = clients
                .sts()
                .assume_role()
                .role_arn(&hop.role_arn)
                .role_session_name(&hop.session_name)
                .duration_seconds(SESSION_SECS)
                .set_external_id(external_id.map(|id| id.expose().to_owned()))
                .set_tags(Some(tags.clone()).filter(|tags| !tags.is_empty()));
            request
                .customize()
                .config_override(under!(aws_sdk_sts, under.as_ref()))
                .send()
        };
        let read = |answer: AssumeRoleOutput| session(answer.credentials);
        self.calls
            .make(&call, (hop.account(), region), external_id, send, read)
            .await
    }

    /// The token is the caller: nothing is signed.
    async fn by_web_identity(&self, hop: &Hop, token: &Secret, region: Option<&str>) -> Result<Identity, AwsError> {
        let call = hop.call();
        let clients = self.calls.clients(region);
        let send = || {
            let request = clients
                .sts()
                .assume_role_with_web_identity()
                .role_arn(&hop.role_arn);
            request
                .role_session_name(&hop.session_name)
                .web_identity_token(token.expose())
                .duration_seconds(SESSION_SECS)
                .send()
        };
        let read = |answer: AssumeRoleWithWebIdentityOutput| session(answer.credentials);
        self.calls
            .make(&call, (hop.account(), region), Some(token), send, read)
            .await
    }
}

/// Codes that say that a role session, or the base's keys, have run out before their time.
const EXPIRED: [&str; 4] =
    ["ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"];

/// Asks under a role session; once more under a new one where the one there was has run out early.
pub(crate) async fn under_session<T, F>(
    sessions: &Arc<Cache<SessionKey, Identity>>,
    key: &SessionKey,
    ask: impl Fn(Option<Credentials>) -> F,
) -> Result<T, AwsError>
where
    F: Future<Output = Result<T, AwsError>>,
{
    let identity = sessions.get(key).await.map_err(AwsError::Needed)?;
    let has_run_out = |error: &AwsError| {
        error
            .code()
            .and_then(Code::aws)
            .is_some_and(|code| EXPIRED.contains(&code))
    };
    match ask(identity.keys().cloned()).await {
        Err(error) if has_run_out(&error) && sessions.refused(key, &identity) => {
            let identity = sessions.get(key).await.map_err(AwsError::Needed)?;
            ask(identity.keys().cloned()).await
        }
        outcome => outcome,
    }
}

impl Fetch<SessionKey, Identity> for Roles {
    fn fetch<'a>(&'a self, key: &'a SessionKey) -> BoxFuture<'a, Result<Identity, AwsError>> {
        self.take(key).boxed()
    }

    fn name(&self, key: &SessionKey) -> String {
        key.chain
            .hops
            .last()
            .map_or_else(String::new, |hop| hop.call().to_string())
    }
}

fn session(session: Option<aws_sdk_sts::types::Credentials>) -> Result<Identity, &'static str> {
    let session = session.ok_or("the answer has no credentials")?;
    let expires_at = SystemTime::try_from(session.expiration).map_err(|_range| "an expiration out of range")?;
    let token = Some(session.session_token);
    let keys = Credentials::new(session.access_key_id, session.secret_access_key, token, Some(expires_at), "role");
    Ok(Identity::Session(keys))
}

/// `ExternalId` of AssumeRole: 2–1224 of these (STS API reference). Checked here, since STS's
/// refusal would quote it.
fn is_external_id(text: &str) -> bool {
    (2..=1224).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::aws::{Base, StoreReader};
    use crate::cache::{Freshness, Policy};
    use crate::clock::SystemClock;
    use crate::config::Aws;
    use crate::credentials::base::WhoAmI;
    use crate::jitter::Jitter;

    #[test]
    fn external_ids_are_checked_before_they_are_sent() {
        assert!(is_external_id("ab"));
        assert!(is_external_id("0123-Ab_+=,.@:/"));
        for bad in ["", "a", "with space", "new\nline", "ü1", &"x".repeat(1225)] {
            assert!(!is_external_id(bad), "{bad:?}");
        }
    }

    /// The role of the second hop may trust the base identity too, and is not to be had that way.
    #[tokio::test]
    async fn a_chain_whose_first_session_cannot_be_had_is_not_taken_under_the_base_identity() {
        let nowhere = Aws { region: Some("eu-west-1".to_owned()), endpoint_url: Some("http://127.0.0.1:9".to_owned()) };
        let base = Base::with_keys(&nowhere, "AKIA", "secret").await;
        let seconds = Duration::from_secs(5);
        let calls = Arc::new(Calls::new(base, seconds, None));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let freshness = Freshness::Within { believed: seconds, stale_for: seconds };
        let (margin, least_life, negative_ttl, timeout) = (seconds, seconds, seconds, seconds);
        let policy = Policy { freshness, margin, least_life, negative_ttl, timeout, cap: 8 };
        let control = tokio::runtime::Handle::current();
        let store = Arc::new(StoreReader(Arc::clone(&calls)));
        let stored = Cache::new(store, Arc::clone(&clock), control.clone(), policy, Jitter::random());
        let who = Arc::new(WhoAmI(Arc::clone(&calls)));
        let who = Cache::new(who, Arc::clone(&clock), control, policy, Jitter::random());
        // Nothing says which cache it fills.
        let roles = Roles::new(calls, stored, who, clock);
        let hop = |name: &str| Hop {
            role_arn: format!("arn:aws:iam::123456789012:role/{name}"),
            external_id: None,
            session_name: "s".to_owned(),
            tags: Vec::new(),
            token_file: None,
            owner: None,
        };
        let key = SessionKey::new(&Chain::under(vec![hop("hub"), hop("inner")], 0), None);
        assert!(matches!(roles.take(&key).await, Err(AwsError::Lost)));
    }
}
