//! The way from a spec and its user to a warehouse's address and a login: all that a session asks
//! of AWS.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;

use super::DEFAULT_PORT;
use super::base::{BASE_MAX_AGE, BaseKey, CallerArn, WhoAmI};
use super::endpoint::{ENDPOINT_MAX_AGE, EndpointFinder, EndpointKey};
use super::in_use::InUse;
use super::login::{DbLogin, Owner};
use super::mint::Minter;
use super::opening::{LoginSource, Opening, WarehouseAddr};
use super::plan::{LoginPlan, Plan, StoredPassword};
use super::roles::Roles;
use super::secret_fields::{BadSecret, Fields};
use crate::aws::{AwsError, Base, Calls, Observer, STORED_MAX_AGE, StoreReader, StoredAt};
use crate::cache::{Cache, Fetch, Policy, Refresh};
use crate::clock::Clock;
use crate::config::{self, ConnId, ConnSpec, Credentials};
use crate::jitter::Jitter;
use crate::secret::Secret;

/// How long a value is served beyond its `max_age` while it cannot be read again.
const STALE_IF_ERROR: Duration = Duration::from_secs(3600);

/// The shortest life that AWS grants.
const SHORTEST_LIFE: Duration = Duration::from_secs(900);

/// How many times one opening is tried if the base identity becomes another on the way.
const IDENTITIES: usize = 3;

/// The most entries of each cache: `per-user` logins make one key for each user.
const CAP: usize = 10_000;

/// The caches of logins and of everything that logins are made from. All sessions hold it by `Arc`.
pub(crate) struct Logins {
    pub(super) calls: Arc<Calls>,
    pub(super) stored: Arc<Cache<StoreReader>>,
    base: Arc<Cache<WhoAmI>>,
    pub(super) sessions: Arc<Cache<Roles>>,
    pub(super) endpoints: Arc<Cache<EndpointFinder>>,
    pub(super) minted: Arc<Cache<Minter>>,
    /// Which of the minted logins each connection uses.
    pub(super) in_use: InUse,
}

impl Logins {
    /// Empty caches whose flights run on `control`. `observer` sees each call to AWS.
    pub(crate) fn new(
        base: Base,
        settings: &Credentials,
        clock: &Arc<dyn Clock>,
        control: &Handle,
        observer: Option<Arc<dyn Observer>>,
    ) -> Arc<Self> {
        Self::over(Calls::new(base, settings.timeout, observer), settings, clock, control)
    }

    /// Empty caches whose flights run on `control` and make these calls.
    pub(crate) fn over(calls: Calls, settings: &Credentials, clock: &Arc<dyn Clock>, control: &Handle) -> Arc<Self> {
        let calls = Arc::new(calls);
        let clock = &calls.correct(clock);
        let policies = Policies::of(settings);
        let stored = cache(StoreReader(Arc::clone(&calls)), policies.stored, clock, control);
        let base = cache(WhoAmI(Arc::clone(&calls)), policies.base, clock, control);
        let roles = Roles {
            calls: Arc::clone(&calls),
            stored: Arc::clone(&stored),
            base: Arc::clone(&base),
            clock: Arc::clone(clock),
        };
        let sessions = cache(roles, policies.sessions, clock, control);
        let finder = EndpointFinder { calls: Arc::clone(&calls), sessions: Arc::clone(&sessions) };
        let endpoints = cache(finder, policies.endpoints, clock, control);
        let minter = Minter { calls: Arc::clone(&calls), sessions: Arc::clone(&sessions) };
        let minted = cache(minter, policies.minted, clock, control);
        Arc::new(Self { calls, stored, base, sessions, endpoints, minted, in_use: InUse::default() })
    }

    /// Puts other time-outs and lifetimes in force. What is held stays held as far as they allow,
    /// and flights go on.
    pub(crate) fn adopt(&self, settings: &Credentials) {
        self.calls.set_flight(settings.timeout);
        let policies = Policies::of(settings);
        self.stored.set_policy(policies.stored);
        self.base.set_policy(policies.base);
        self.sessions.set_policy(policies.sessions);
        self.endpoints.set_policy(policies.endpoints);
        self.minted.set_policy(policies.minted);
    }

    /// The way to call AWS, for values that are read besides logins.
    pub(crate) fn calls(&self) -> &Arc<Calls> {
        &self.calls
    }

    /// The ARN of the base identity, asked for in the region where the spec's roles are assumed, or
    /// in the base identity's own if there is no spec yet.
    ///
    /// # Errors
    /// The error that ended the flight.
    pub(crate) async fn base_identity(&self, spec: Option<&ConnSpec>) -> Result<Arc<CallerArn>, Arc<AwsError>> {
        let region = spec.and_then(region_of);
        let region = self.calls.home(region.as_deref()).map(str::to_owned);
        self.base
            .get(&BaseKey { region, base: self.calls.identity_number() })
            .await
    }

    /// The names of two regions, if they are known before anything is looked up: the warehouse's,
    /// and the one where roles are assumed and their external ids are read.
    pub(crate) fn regions(&self, spec: Option<&ConnSpec>) -> (Option<String>, Option<String>) {
        let region = spec.and_then(region_of);
        let name = |region| self.calls.region_name(region).map(str::to_owned);
        (name(region.as_deref()), name(self.calls.home(region.as_deref())))
    }

    /// Everything that is needed to reach a warehouse for `owner`, fetched if need be by up to
    /// three steps: stored values, the endpoint, the login. Each may be a flight. Cancel safe: the
    /// flight under way goes on without its waiter, but the steps behind it are not begun.
    ///
    /// # Errors
    /// The spec is wrong, or the error that ended a flight.
    pub(crate) async fn open(&self, spec: &ConnSpec, owner: Owner<'_>) -> Result<Opening, Arc<AwsError>> {
        let mut base = self.calls.identity_number();
        for _ in 0..IDENTITIES {
            let opening = self.open_under(base, spec, owner).await;
            let now = self.calls.identity_number();
            if now == base {
                return opening;
            }
            // The base identity became another on the way: a part of this may have been fetched
            // under that one.
            base = now;
        }
        Err(AwsError::Lost.into())
    }

    /// [`Logins::open`] under the base identity of a number.
    async fn open_under(&self, base: u64, spec: &ConnSpec, owner: Owner<'_>) -> Result<Opening, Arc<AwsError>> {
        let plan = self.plan(spec, (owner, base)).await?;
        let (host, port, endpoint) = match (plan.host, plan.name) {
            (Some(host), _) => (host, plan.port.unwrap_or(DEFAULT_PORT), None),
            (None, Some(name)) => {
                let key = EndpointKey { caller: plan.caller, region: plan.region, name };
                let found = self.endpoints.get(&key).await?;
                (found.host.clone(), plan.port.unwrap_or(found.port), Some((key, found)))
            }
            (None, None) => return Err(AwsError::Spec("there is no host".to_owned()).into()),
        };
        if let Some(bounds) = &spec.bounds {
            bounds.check_host(&host).map_err(AwsError::from)?;
        }
        let (login, made_by) = match plan.login {
            LoginPlan::Stored { user, password, stored_at, stored } => {
                (Arc::new(DbLogin { user, password, expires_at: None }), LoginSource::Stored(stored_at, stored))
            }
            LoginPlan::Minted(key) => {
                let login = self.minted.get(&key);
                // The cache knows the key by now, and a flight that it has begun goes on without
                // us.
                self.in_use
                    .note(&spec.id, &key, |key| self.minted.knows(key));
                let login = login.await.map_err(|error| match spec.login.secret_id() {
                    Some(id) => error.of(format!("the secret {id} has no password, so that IAM is asked")),
                    None => error,
                })?;
                (login, LoginSource::Minted(key))
            }
        };
        let server_name = spec
            .tls_server_name
            .as_ref()
            .unwrap_or(&host)
            .trim_end_matches('.')
            .to_owned();
        Ok(Opening {
            addr: WarehouseAddr { host, port, server_name },
            database: plan.database,
            login,
            made_by,
            endpoint,
        })
    }

    /// When the first of the logins expires that are held for a connection. `None`: none is held,
    /// or its password is a stored one.
    pub(crate) fn expires(&self, conn_id: &ConnId) -> Option<SystemTime> {
        let mut first: Option<SystemTime> = None;
        self.in_use.each_of(conn_id, |key| {
            first = match (first, self.minted.expires_at(key)) {
                (Some(first), Some(at)) => Some(first.min(at)),
                (first, at) => first.or(at),
            };
        });
        first
    }

    /// Reports that the warehouse refused this login, which is not used again. Returns whether
    /// another one is worth asking for.
    pub(crate) fn refused(&self, opening: &Opening) -> bool {
        match &opening.made_by {
            LoginSource::Minted(key) => self.minted.reject(key, &opening.login),
            LoginSource::Stored(stored_at, stored) => self.stored.reject(stored_at, stored),
        }
    }

    /// Reports that the warehouse does not answer at the endpoint that AWS gave. Returns whether it
    /// is worth while to look the endpoint up again.
    pub(crate) fn moved(&self, opening: &Opening) -> bool {
        opening
            .endpoint
            .as_ref()
            .is_some_and(|(key, found)| self.endpoints.reject(key, found))
    }

    /// Merges the spec with the stored values that it refers to.
    async fn plan(&self, spec: &ConnSpec, owner: (Owner<'_>, u64)) -> Result<Plan, Arc<AwsError>> {
        if let Some(bounds) = &spec.bounds {
            bounds.check_names(spec).map_err(AwsError::from)?;
        }
        // Stored values are in the proxy's region, not in the warehouse's.
        let region = self.calls.home(spec.region.as_deref());
        let mut password = match spec.login.parameter() {
            Some(name) => Some(self.password(StoredAt::parameter(name, region)).await?),
            None => None,
        };
        let mut fields = Fields::default();
        if let Some(id) = spec.login.secret_id() {
            let stored_at = StoredAt::secret(id, region);
            let stored = self.stored.get(&stored_at).await?;
            let unusable = |BadSecret(what)| AwsError::Unusable { call: stored_at.call(), what };
            fields = Fields::parse(&stored.text, spec).map_err(unusable)?;
            match (&password, fields.password.take()) {
                (None, Some(found)) => password = Some(StoredPassword { password: found, stored_at, stored }),
                (None, None) => self
                    .calls
                    .note(&stored_at.call(), "it holds no password: IAM credentials are asked for"),
                (Some(_), _) => {}
            }
        }
        Ok(Plan::new(spec, owner, fields, password)?)
    }

    /// Reads a stored password, and checks that it is one.
    async fn password(&self, stored_at: StoredAt) -> Result<StoredPassword, Arc<AwsError>> {
        let stored = self
            .stored
            .get(&stored_at)
            .await
            .map_err(|error| error.of("password"))?;
        let judged = match stored.is_secure {
            true => config::warehouse_password(stored.text.expose()),
            false => Err("the parameter is a plain String: a password has to be a SecureString"),
        };
        let what = match judged {
            Ok(text) => {
                let password = Secret::new(text.to_owned());
                return Ok(StoredPassword { password, stored_at, stored });
            }
            Err(what) => what,
        };
        Err(AwsError::Unusable { call: stored_at.call(), what }.into())
    }
}

/// The policies of the caches, by `[credentials]`.
struct Policies {
    stored: Policy,
    base: Policy,
    sessions: Policy,
    endpoints: Policy,
    minted: Policy,
}

impl Policies {
    fn of(settings: &Credentials) -> Self {
        // A flight that another one waits for ends a little before that one, so that the error
        // names the call that was not answered.
        let policy = |refresh, tenths| Policy {
            refresh,
            margin: settings.refresh_margin,
            min_life: settings.refresh_margin.min(SHORTEST_LIFE / 4),
            negative_ttl: settings.negative_ttl,
            timeout: settings.timeout / 10 * tenths,
            cap: CAP,
        };
        let on_access = |max_age| Refresh::OnAccess { max_age, stale_if_error: STALE_IF_ERROR };
        Self {
            stored: policy(on_access(STORED_MAX_AGE), 8),
            base: policy(on_access(BASE_MAX_AGE), 8),
            sessions: policy(Refresh::Ahead, 9),
            endpoints: policy(on_access(ENDPOINT_MAX_AGE), 10),
            minted: policy(Refresh::Ahead, 10),
        }
    }
}

/// The warehouse's region, as far as the spec alone tells it.
fn region_of(spec: &ConnSpec) -> Option<String> {
    let of_host = || Some(config::endpoint(spec.host.as_deref()?)?.region().to_owned());
    spec.region.clone().or_else(of_host)
}

fn cache<S: Fetch>(source: S, policy: Policy, clock: &Arc<dyn Clock>, control: &Handle) -> Arc<Cache<S>> {
    Cache::new(Arc::new(source), Arc::clone(clock), control.clone(), policy, Jitter::random())
}
