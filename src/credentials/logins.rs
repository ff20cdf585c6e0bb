//! From a spec and its user to a login and the place to use it: everything of AWS's that a session
//! needs.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::DEFAULT_PORT;
use super::base::{BASE_BELIEVED, BaseKey, CallerArn, WhoAmI};
use super::endpoint::{FOUND_BELIEVED, FoundAt, Wanted};
use super::login::{DbLogin, Owner};
use super::mint::Minter;
use super::opening::{LoginSource, Opening, WarehouseAddr};
use super::order::Order;
use super::plan::{LoginPlan, Plan, StoredPassword};
use super::roles::Roles;
use super::secret_fields::{BadSecret, Fields};
use crate::aws::{AwsError, BELIEVED, Base, Calls, Observer, StoreReader, Stored, StoredAt};
use crate::cache::{Cache, Fetch, Freshness, Perishable, Policy};
use crate::clock::Clock;
use crate::config::{self, ConnSpec, Credentials};
use crate::jitter::Jitter;
use crate::secret::Secret;

/// How long a value goes on being used while it cannot be read again.
const STALE_FOR: Duration = Duration::from_secs(3600);

/// The least that AWS grants.
const LEAST_LIFE: Duration = Duration::from_secs(900);

/// How many base identities one opening is tried under, should they become others on the way.
const IDENTITIES: usize = 3;

/// Most logins held, and as many of each other kind: `per-user` logins make one key for each user.
const CAP: usize = 10_000;

/// All logins, and what they are made of.
pub(crate) struct Logins {
    calls: Arc<Calls>,
    stored: Arc<Cache<StoredAt, Stored>>,
    base: Arc<Cache<BaseKey, CallerArn>>,
    found: Arc<Cache<Wanted, FoundAt>>,
    minted: Arc<Cache<Order, DbLogin>>,
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
        let calls = Arc::new(Calls::new(base, settings.timeout, observer));
        let clock = &calls.correct(clock);
        // What is needed for something else ends a little before it, so that the error names what
        // did not come.
        let policy = |freshness, tenths| Policy {
            freshness,
            margin: settings.refresh_margin,
            least_life: settings.refresh_margin.min(LEAST_LIFE / 4),
            negative_ttl: settings.negative_ttl,
            timeout: settings.timeout / 10 * tenths,
            cap: CAP,
        };
        let within = |believed, tenths| policy(Freshness::Within { believed, stale_for: STALE_FOR }, tenths);
        let stored = cache(Arc::new(StoreReader(Arc::clone(&calls))), within(BELIEVED, 8), clock, control);
        let base = cache(Arc::new(WhoAmI(Arc::clone(&calls))), within(BASE_BELIEVED, 8), clock, control);
        let roles = Roles::new(Arc::clone(&calls), Arc::clone(&stored), Arc::clone(&base), Arc::clone(clock));
        let sessions = cache(Arc::clone(&roles), policy(Freshness::Ahead, 9), clock, control);
        roles.fills(&sessions);
        let minter = Arc::new(Minter { calls: Arc::clone(&calls), sessions });
        let found = cache(Arc::clone(&minter), within(FOUND_BELIEVED, 10), clock, control);
        let minted = cache(minter, policy(Freshness::Ahead, 10), clock, control);
        Arc::new(Self { calls, stored, base, found, minted })
    }

    /// How AWS is called, for what is read besides logins.
    pub(crate) fn calls(&self) -> &Arc<Calls> {
        &self.calls
    }

    /// Who the base identity is, asked where the spec's roles are taken; at home, where there is no
    /// spec yet.
    ///
    /// # Errors
    /// What ended the flight.
    pub(crate) async fn base_identity(&self, spec: Option<&ConnSpec>) -> Result<Arc<CallerArn>, Arc<AwsError>> {
        let region = spec.and_then(region_of);
        let region = self.calls.home(region.as_deref()).map(str::to_owned);
        self.base
            .get(&BaseKey { region, base: self.calls.identity_number() })
            .await
    }

    /// The names of two regions, where they are known before anything is looked up: the
    /// warehouse's, and the one where roles and their external ids are.
    pub(crate) fn regions(&self, spec: Option<&ConnSpec>) -> (Option<String>, Option<String>) {
        let region = spec.and_then(region_of);
        let name = |region| self.calls.region_name(region).map(str::to_owned);
        (name(region.as_deref()), name(self.calls.home(region.as_deref())))
    }

    /// Everything that is needed to dial for `owner`, fetched where need be. Cancel safe: flights
    /// go on without their waiters.
    ///
    /// # Errors
    /// What is wrong with the spec, or what ended a flight.
    pub(crate) async fn open(&self, spec: &ConnSpec, owner: Owner<'_>) -> Result<Opening, Arc<AwsError>> {
        let mut base = self.calls.identity_number();
        for _ in 0..IDENTITIES {
            let opening = self.open_under(base, spec, owner).await;
            let now = self.calls.identity_number();
            if now == base {
                return opening;
            }
            // The base identity became another on the way: some of it may have been got under that
            // one.
            base = now;
        }
        Err(AwsError::Lost.into())
    }

    /// [`Logins::open`] under the base identity of a number.
    async fn open_under(&self, base: u64, spec: &ConnSpec, owner: Owner<'_>) -> Result<Opening, Arc<AwsError>> {
        let plan = self.plan(spec, (owner, base)).await?;
        let (host, port, found) = match (plan.host, plan.name) {
            (Some(host), _) => (host, plan.port.unwrap_or(DEFAULT_PORT), None),
            (None, Some(name)) => {
                let wanted = Wanted { caller: plan.caller, region: plan.region, name };
                let found = self.found.get(&wanted).await?;
                (found.host.clone(), plan.port.unwrap_or(found.port), Some((wanted, found)))
            }
            (None, None) => return Err(AwsError::Spec("there is no host".to_owned()).into()),
        };
        if let Some(bounds) = &spec.bounds {
            bounds.check_host(&host).map_err(AwsError::from)?;
        }
        let (login, source) = match plan.login {
            LoginPlan::Stored { user, password, place, stored } => {
                (Arc::new(DbLogin { user, password, expires_at: None }), LoginSource::Stored(place, stored))
            }
            LoginPlan::Minted(order) => {
                let login = self
                    .minted
                    .get(&order)
                    .await
                    .map_err(|error| match spec.login.secret_id() {
                        Some(id) => error.of(format!("the secret {id} has no password, so that IAM is asked")),
                        None => error,
                    })?;
                (login, LoginSource::Minted(order))
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
            source,
            endpoint: found,
        })
    }

    /// The warehouse refused this login: whether another one is worth asking for.
    pub(crate) fn refused(&self, opening: &Opening) -> bool {
        match &opening.source {
            LoginSource::Minted(order) => self.minted.refused(order, &opening.login),
            LoginSource::Stored(place, stored) => self.stored.refused(place, stored),
        }
    }

    /// The warehouse is not where AWS said it was: whether it is worth asking again.
    pub(crate) fn moved(&self, opening: &Opening) -> bool {
        opening
            .endpoint
            .as_ref()
            .is_some_and(|(wanted, found)| self.found.refused(wanted, found))
    }

    /// The spec merged with what it refers to.
    async fn plan(&self, spec: &ConnSpec, owner: (Owner<'_>, u64)) -> Result<Plan, Arc<AwsError>> {
        if let Some(bounds) = &spec.bounds {
            bounds.check_names(spec).map_err(AwsError::from)?;
        }
        // What is stored is where the proxy is, not where the warehouse is.
        let region = self.calls.home(spec.region.as_deref());
        let mut password = match spec.login.parameter() {
            Some(name) => Some(self.password(StoredAt::parameter(name, region)).await?),
            None => None,
        };
        let mut fields = Fields::default();
        if let Some(id) = spec.login.secret_id() {
            let place = StoredAt::secret(id, region);
            let stored = self.stored.get(&place).await?;
            let unusable = |BadSecret(what)| AwsError::Unusable { call: place.call(), what };
            fields = Fields::parse(&stored.text, spec).map_err(unusable)?;
            match (&password, fields.password.take()) {
                (None, Some(found)) => password = Some(StoredPassword { password: found, place, stored }),
                (None, None) => self
                    .calls
                    .note(&place.call(), "it holds no password: IAM credentials are asked for"),
                (Some(_), _) => {}
            }
        }
        Ok(Plan::new(spec, owner, fields, password)?)
    }

    async fn password(&self, place: StoredAt) -> Result<StoredPassword, Arc<AwsError>> {
        let stored = self
            .stored
            .get(&place)
            .await
            .map_err(|error| error.of("password"))?;
        let judged = match stored.is_secure {
            true => config::warehouse_password(stored.text.expose()),
            false => Err("the parameter is a plain String: a password has to be a SecureString"),
        };
        let what = match judged {
            Ok(text) => {
                let password = Secret::new(text.to_owned());
                return Ok(StoredPassword { password, place, stored });
            }
            Err(what) => what,
        };
        Err(AwsError::Unusable { call: place.call(), what }.into())
    }
}

/// Of the warehouse, as far as the spec alone tells.
fn region_of(spec: &ConnSpec) -> Option<String> {
    let of_host = || Some(config::endpoint(spec.host.as_deref()?)?.region().to_owned());
    spec.region.clone().or_else(of_host)
}

fn cache<K, V>(
    source: Arc<impl Fetch<K, V> + 'static>,
    policy: Policy,
    clock: &Arc<dyn Clock>,
    control: &Handle,
) -> Arc<Cache<K, V>>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Perishable + Send + Sync + 'static,
{
    Cache::new(source, Arc::clone(clock), control.clone(), policy, Jitter::random())
}
