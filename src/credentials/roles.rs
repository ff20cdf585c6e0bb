//! Role sessions: each is assumed under the one before it, and shared by all who need it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_sts::config::Credentials;
use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityOutput;
use aws_sdk_sts::types::Tag;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::base::{BASE_MAX_AGE, BaseKey, WhoAmI, is_session_of};
use super::chain::{Chain, Hop};
use super::signer::{Signer, send_as};
use super::token::token;
use crate::aws::{AwsError, Calls, Code, StoreReader, StoredAt, has_run_out};
use crate::cache::{Cache, Fetch, Perishable};
use crate::clock::Clock;
use crate::secret::Secret;

/// The life that is asked for a role session, in seconds: the shortest that AssumeRole grants. A
/// session is used for few calls, and a chained one may not live over an hour (STS API reference).
const SESSION_SECS: i32 = 900;

/// Everything that shapes a role session: the key of the cache of sessions.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct SessionKey {
    /// The role to assume.
    hop: Hop,
    /// The chain that leads to the identity which assumes it.
    before: Chain,
    /// The region where STS is called. `None`: the base identity's own.
    region: Option<String>,
}

/// The identity that assuming a role led to.
#[derive(Debug)]
pub(crate) struct RoleSession {
    /// The session; or the base identity, where that is a session of the role already.
    signer: Signer,
    expires_at: Option<SystemTime>,
}

/// The source of role sessions: STS.
pub(crate) struct Roles {
    /// The way to call AWS.
    pub(crate) calls: Arc<Calls>,
    /// Where external ids are read.
    pub(crate) stored: Arc<Cache<StoreReader>>,
    /// Where the base identity's ARN is found out.
    pub(crate) base: Arc<Cache<WhoAmI>>,
    /// The wall clock, by which sessions expire.
    pub(crate) clock: Arc<dyn Clock>,
}

impl SessionKey {
    /// The role of the session.
    pub(crate) fn role_arn(&self) -> &str {
        &self.hop.role_arn
    }

    /// The roles that lead from the base identity to the session, its own at the end.
    pub(super) fn roles(&self) -> Vec<String> {
        let hops = self.before.hops.iter().chain([&self.hop]);
        hops.map(|hop| hop.role_arn.clone()).collect()
    }

    /// The role under whose session this one is assumed. `None`: the base identity assumes it.
    pub(super) fn caller(&self) -> Option<&str> {
        self.before.hops.last().map(|hop| hop.role_arn.as_str())
    }

    /// The user that the session belongs to. `None`: all users share it.
    pub(crate) fn owner(&self) -> Option<&str> {
        self.hop.owner.as_deref()
    }

    /// The session that a chain leads to. `None`: it has no hops, and leads to the base identity.
    pub(crate) fn of(chain: &Chain, region: Option<&str>) -> Option<Self> {
        let (hop, before) = chain.last()?;
        Some(Self { hop: hop.clone(), before, region: region.map(str::to_owned) })
    }
}

impl Perishable for RoleSession {
    fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }
}

impl Roles {
    /// Assumes the role of a key. `sessions` is the cache that holds the sessions of the hops
    /// before.
    async fn assume(&self, key: &SessionKey, sessions: &Arc<Cache<Self>>) -> Result<RoleSession, AwsError> {
        let SessionKey { hop, before, region } = key;
        let region = region.as_deref();
        if let Some(file) = &hop.token_file {
            return self.assume_by_token(hop, file, region).await;
        }
        if before.hops.is_empty() && self.is_base(hop, region, before.base).await? {
            self.calls
                .note(&hop.call(), "skipped: the base identity already is this role");
            return Ok(RoleSession { signer: Signer::Base, expires_at: Some(self.clock.now() + BASE_MAX_AGE) });
        }
        let external_id = match &hop.external_id_parameter {
            Some(parameter) => Some(self.read_external_id(parameter, region).await?),
            None => None,
        };
        let ask = |signer| self.assume_as(signer, hop, external_id.as_ref(), region);
        as_caller(sessions, before, region, ask)
            .await
            .map_err(|error| match &hop.external_id_parameter {
                // A wrong one gets the same answer as a role that does not trust us.
                Some(parameter) if error.is_final() && !error.is_needed() => {
                    AwsError::Of { what: format!("with external_id {parameter}"), source: Arc::new(error) }
                }
                _ => error,
            })
    }

    /// Whether there is nothing to assume: the base identity is a session of the role already, and
    /// the hop asks neither for tags nor for a session of one user's own.
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

    /// Reads an external id from the parameter that holds it.
    async fn read_external_id(&self, parameter: &str, region: Option<&str>) -> Result<Secret, AwsError> {
        let stored_at = StoredAt::parameter(parameter, region);
        let unread =
            |source| AwsError::Of { what: "external_id".to_owned(), source: Arc::new(AwsError::Needed(source)) };
        let stored = self.stored.get(&stored_at).await.map_err(unread)?;
        if is_external_id(stored.text.expose()) {
            return Ok(stored.text.clone());
        }
        Err(AwsError::Unusable {
            call: stored_at.call(),
            what: "the parameter's value is no external id (2-1224 of A-Z a-z 0-9 _ + = , . @ : / -)",
        })
    }

    /// Calls AssumeRole.
    async fn assume_as(
        &self,
        signer: Signer,
        hop: &Hop,
        external_id: Option<&Secret>,
        region: Option<&str>,
    ) -> Result<RoleSession, AwsError> {
        let call = hop.call();
        let clients = self.calls.clients(region);
        let tags = hop
            .tags
            .iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build());
        let unbuilt = |_unset| AwsError::Unusable { call: call.clone(), what: "a session tag cannot be built" };
        let tags = tags.collect::<Result<Vec<_>, _>>().map_err(unbuilt)?;
        let request = clients
            .sts()
            .assume_role()
            .role_arn(&hop.role_arn)
            .role_session_name(&hop.session_name)
            .duration_seconds(SESSION_SECS)
            .set_external_id(external_id.map(|id| id.expose().to_owned()))
            .set_tags(Some(tags).filter(|tags| !tags.is_empty()));
        let send = send_as!(aws_sdk_sts, request, &signer);
        let read = |answer: AssumeRoleOutput| session(answer.credentials);
        self.calls
            .make(&call, (hop.account(), region), external_id, send, read)
            .await
    }

    /// Calls AssumeRoleWithWebIdentity with the token in a file, which is the caller: nothing is
    /// signed.
    async fn assume_by_token(&self, hop: &Hop, file: &Path, region: Option<&str>) -> Result<RoleSession, AwsError> {
        let since = Instant::now();
        let token = token(file).await;
        self.calls
            .report_token_read(file, since, token.as_ref().map(|_| ()));
        let token = token.map_err(|source| AwsError::TokenFile { path: file.to_owned(), source })?;
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
            .make(&call, (hop.account(), region), Some(&token), send, read)
            .await
    }
}

/// Makes a call as the identity that a chain leads to: the base identity if it has no hops, or else
/// a role session, whose error is the call's if it cannot be had. If the session turns out to have
/// run out early, the call is made once more under a new one. `region`: where STS is called.
pub(crate) async fn as_caller<T, F>(
    sessions: &Arc<Cache<Roles>>,
    chain: &Chain,
    region: Option<&str>,
    call: impl Fn(Signer) -> F,
) -> Result<T, AwsError>
where
    F: Future<Output = Result<T, AwsError>>,
{
    let Some(key) = SessionKey::of(chain, region) else { return call(Signer::Base).await };
    let session = sessions.get(&key).await.map_err(AwsError::Needed)?;
    let has_run_out = |error: &AwsError| error.code().and_then(Code::aws).is_some_and(has_run_out);
    match call(session.signer.clone()).await {
        Err(error) if has_run_out(&error) && sessions.reject(&key, &session) => {
            let session = sessions.get(&key).await.map_err(AwsError::Needed)?;
            call(session.signer.clone()).await
        }
        outcome => outcome,
    }
}

impl Fetch for Roles {
    type Key = SessionKey;
    type Value = RoleSession;
    type Error = AwsError;

    fn fetch<'a>(
        &'a self,
        key: &'a SessionKey,
        sessions: &'a Arc<Cache<Self>>,
    ) -> BoxFuture<'a, Result<RoleSession, AwsError>> {
        self.assume(key, sessions).boxed()
    }

    /// A session that others stand on ends a little before theirs, so that the error names the hop
    /// that does not answer.
    fn timeout(&self, key: &SessionKey, usual: Duration) -> Duration {
        let hops = u32::try_from(key.before.hops.len())
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        usual - usual / 20 / hops
    }

    fn name(&self, key: &SessionKey) -> String {
        key.hop.call().to_string()
    }
}

/// Reads the keys of a role session out of an answer of STS.
///
/// # Errors
/// What is missing or wrong in it.
fn session(session: Option<aws_sdk_sts::types::Credentials>) -> Result<RoleSession, &'static str> {
    let session = session.ok_or("the answer has no credentials")?;
    let expires_at = SystemTime::try_from(session.expiration).map_err(|_range| "an expiration out of range")?;
    let token = Some(session.session_token);
    let keys = Credentials::new(session.access_key_id, session.secret_access_key, token, Some(expires_at), "role");
    Ok(RoleSession { signer: Signer::Session(keys), expires_at: Some(expires_at) })
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
    use std::sync::Mutex;

    use super::*;
    use crate::aws::{Base, Call, Observer};
    use crate::cache::{Policy, Refresh};
    use crate::clock::SystemClock;
    use crate::config::Aws;
    use crate::jitter::Jitter;

    #[test]
    fn external_ids_are_checked_before_they_are_sent() {
        assert!(is_external_id("ab"));
        assert!(is_external_id("0123-Ab_+=,.@:/"));
        for bad in ["", "a", "with space", "new\nline", "ü1", &"x".repeat(1225)] {
            assert!(!is_external_id(bad), "{bad:?}");
        }
    }

    /// Remembers the calls that were made.
    #[derive(Default)]
    struct Made(Mutex<Vec<String>>);

    impl Observer for Made {
        fn called(&self, call: &Call, _took: Duration, _outcome: Result<(), &AwsError>) {
            self.0.lock().unwrap().push(call.to_string());
        }
    }

    fn hop(name: &str) -> Hop {
        Hop {
            role_arn: format!("arn:aws:iam::123456789012:role/{name}"),
            external_id_parameter: None,
            session_name: "s".to_owned(),
            tags: Vec::new(),
            token_file: None,
            // A hop of one user's own is taken in any case: nobody asks who the base identity is.
            owner: Some("alice".to_owned()),
        }
    }

    /// Role sessions of an AWS that nobody reaches.
    async fn unreachable(made: Arc<Made>) -> (Arc<Roles>, Arc<Cache<Roles>>) {
        let nowhere = Aws { region: Some("eu-west-1".to_owned()), endpoint_url: Some("http://127.0.0.1:9".to_owned()) };
        let base = Base::with_keys(&nowhere, "AKIA", "secret").await;
        let seconds = Duration::from_secs(20);
        let calls = Arc::new(Calls::new(base, seconds, Some(made)));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let refresh = Refresh::OnAccess { max_age: seconds, stale_if_error: seconds };
        let (margin, min_life, negative_ttl, timeout) = (seconds, seconds, seconds, seconds);
        let policy = Policy { refresh, margin, min_life, negative_ttl, timeout, cap: 8 };
        let control = tokio::runtime::Handle::current();
        let store = Arc::new(StoreReader(Arc::clone(&calls)));
        let stored = Cache::new(store, Arc::clone(&clock), control.clone(), policy, Jitter::random());
        let who = Arc::new(WhoAmI(Arc::clone(&calls)));
        let base = Cache::new(who, Arc::clone(&clock), control.clone(), policy, Jitter::random());
        let roles = Arc::new(Roles { calls, stored, base, clock: Arc::clone(&clock) });
        (Arc::clone(&roles), Cache::new(roles, clock, control, policy, Jitter::random()))
    }

    /// The role of the second hop may trust the base identity too, and is not to be had that way.
    #[tokio::test]
    async fn a_chain_whose_first_session_cannot_be_had_is_not_taken_under_the_base_identity() {
        let made = Arc::new(Made::default());
        let (_, sessions) = unreachable(Arc::clone(&made)).await;
        let chain = Chain::from_base(vec![hop("hub"), hop("inner")], 0);
        let error = sessions
            .get(&SessionKey::of(&chain, None).unwrap())
            .await
            .unwrap_err();
        assert!(error.is_needed() && error.to_string().contains(":role/hub"), "{error}");
        assert_eq!(*made.0.lock().unwrap(), ["AssumeRole arn:aws:iam::123456789012:role/hub"]);
    }

    #[tokio::test]
    async fn the_session_of_an_earlier_hop_has_the_shorter_deadline() {
        let (roles, _) = unreachable(Arc::default()).await;
        let usual = Duration::from_secs(18);
        let hops = ["a", "b", "c", "d", "e"].map(hop);
        let deadlines = (1..=hops.len()).map(|count| {
            let chain = Chain::from_base(hops[..count].to_vec(), 0);
            roles.timeout(&SessionKey::of(&chain, None).unwrap(), usual)
        });
        let deadlines = deadlines.collect::<Vec<_>>();
        assert!(deadlines.is_sorted_by(|earlier, later| earlier < later), "{deadlines:?}");
        // Stored values and the base identity's ARN, which a session may need, have 16.
        assert!(
            deadlines
                .iter()
                .all(|deadline| (Duration::from_secs(17)..usual).contains(deadline)),
            "{deadlines:?}"
        );
    }
}
