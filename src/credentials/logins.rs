//! From a spec and its user to a login and the place to use it: everything of AWS's that a session needs.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::calls::{Calls, Observer};
use super::error::MintError;
use super::mint::{FOUND_BELIEVED, FoundAt, Minter, Wanted};
use super::order::Order;
use super::plan::{LoginPlan, Plan, StoredPassword};
use super::roles::{BASE_BELIEVED, CallerArn, Identity, Roles, SessionKey, WhoAmI};
use super::secret_fields::{BadSecret, Fields};
use super::stored::{BELIEVED, Place, StoreReader, Stored};
use super::{DEFAULT_PORT, DbLogin};
use crate::aws::Base;
use crate::client_auth::Principal;
use crate::clock::Clock;
use crate::config::{ConnSpec, Credentials};
use crate::engine::jitter::Jitter;
use crate::engine::{Cache, Fetch, Freshness, Perishable, Policy};
use crate::upstream::Target;

/// How long a value goes on being used while it cannot be read again.
const STALE_FOR: Duration = Duration::from_secs(3600);

/// The least that AWS grants.
const LEAST_LIFE: Duration = Duration::from_secs(900);

/// Most logins held, and as many of each other kind: `per-user` logins make one key for each user.
const CAP: usize = 10_000;

/// All logins, and what they are made of.
pub(crate) struct Logins {
    reader: Arc<StoreReader>,
    stored: Arc<Cache<Place, Stored>>,
    base: Arc<Cache<Option<String>, CallerArn>>,
    sessions: Arc<Cache<SessionKey, Identity>>,
    found: Arc<Cache<Wanted, FoundAt>>,
    minted: Arc<Cache<Order, DbLogin>>,
}

/// What a session dials, and as whom.
pub(crate) struct Opening {
    pub(crate) target: Target,
    pub(crate) database: String,
    pub(crate) login: Arc<DbLogin>,
    origin: Origin,
}

/// What to ask again when the warehouse refuses the login.
enum Origin {
    Minted(Order),
    Stored(Place, Arc<Stored>),
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
        let policy = |freshness| Policy {
            freshness,
            margin: settings.refresh_margin,
            least_life: settings.refresh_margin.min(LEAST_LIFE / 4),
            negative_ttl: settings.negative_ttl,
            timeout: settings.timeout,
            cap: CAP,
        };
        let within = |believed| policy(Freshness::Within { believed, stale_for: STALE_FOR });
        let reader = Arc::new(StoreReader(Arc::clone(&calls)));
        let stored = cache(Arc::clone(&reader), within(BELIEVED), clock, control);
        let base = cache(Arc::new(WhoAmI(Arc::clone(&calls))), within(BASE_BELIEVED), clock, control);
        let roles = Roles::new(Arc::clone(&calls), Arc::clone(&stored), Arc::clone(&base));
        let sessions = cache(Arc::clone(&roles), policy(Freshness::Ahead), clock, control);
        roles.fills(&sessions);
        let minter = Arc::new(Minter { calls, sessions: Arc::clone(&sessions) });
        let found = cache(Arc::clone(&minter), within(FOUND_BELIEVED), clock, control);
        let minted = cache(minter, policy(Freshness::Ahead), clock, control);
        Arc::new(Self { reader, stored, base, sessions, found, minted })
    }

    /// Everything that is needed to dial for `principal`, fetched where need be. Cancel safe: flights go on without
    /// their waiters.
    ///
    /// # Errors
    /// What is wrong with the spec, or what ended a flight.
    pub(crate) async fn open(&self, spec: &ConnSpec, principal: &Principal) -> Result<Opening, Arc<MintError>> {
        let plan = self.plan(spec, principal).await?;
        let (found, port);
        let host = match (&plan.host, plan.name) {
            (Some(host), _) => {
                port = plan.port.unwrap_or(DEFAULT_PORT);
                host.clone()
            }
            (None, Some(name)) => {
                found = self.found.get(&Wanted { caller: plan.caller, region: plan.region, name }).await?;
                port = plan.port.unwrap_or(found.port);
                found.host.clone()
            }
            (None, None) => return Err(MintError::Spec("there is no host".to_owned()).into()),
        };
        if let Some(bounds) = &spec.bounds {
            bounds.check_host(&host).map_err(MintError::from)?;
        }
        let (login, origin) = match plan.login {
            LoginPlan::Stored { user, password, place, stored } => {
                (Arc::new(DbLogin { user, password, expires_at: None }), Origin::Stored(place, stored))
            }
            LoginPlan::Minted(order) => (self.minted.get(&order).await?, Origin::Minted(order)),
        };
        let server_name = spec.tls_server_name.clone().unwrap_or_else(|| host.trim_end_matches('.').to_owned());
        Ok(Opening { target: Target { host, port, server_name }, database: plan.database, login, origin })
    }

    /// Reads what is stored at AWS, past all caches.
    pub(crate) fn reader(&self) -> &Arc<StoreReader> {
        &self.reader
    }

    /// The warehouse refused this login: whether another one is worth asking for.
    pub(crate) fn refused(&self, opening: &Opening) -> bool {
        match &opening.origin {
            Origin::Minted(order) => self.minted.refused(order, &opening.login),
            Origin::Stored(place, stored) => self.stored.refused(place, stored),
        }
    }

    /// The spec merged with what it refers to.
    async fn plan(&self, spec: &ConnSpec, principal: &Principal) -> Result<Plan, Arc<MintError>> {
        if let Some(bounds) = &spec.bounds {
            bounds.check_names(spec).map_err(MintError::from)?;
        }
        // What is stored is where the proxy is, not where the warehouse is.
        let region = self.reader.0.home(spec.region.as_deref());
        let mut password = match &spec.password {
            Some(name) => Some(self.password(Place::parameter(name, region)).await?),
            None => None,
        };
        let mut fields = Fields::default();
        if let Some(id) = &spec.secret_id {
            let place = Place::secret(id, region);
            let stored = self.stored.get(&place).await?;
            let unusable = |BadSecret(what)| MintError::Unusable { call: place.call(), what };
            fields = Fields::parse(&stored.text).map_err(unusable)?;
            if let (None, Some(found)) = (&password, fields.password.take()) {
                password = Some(StoredPassword { password: found, place, stored });
            }
        }
        Ok(Plan::new(spec, principal, fields, password)?)
    }

    async fn password(&self, place: Place) -> Result<StoredPassword, Arc<MintError>> {
        let stored = self.stored.get(&place).await?;
        let what = match stored.text.expose() {
            _ if !stored.is_secure => "the parameter is a plain String: a password has to be a SecureString",
            "" => "the parameter holds no password",
            text if text.contains('\0') => "the parameter's password holds a NUL",
            _ => return Ok(StoredPassword { password: stored.text.clone(), place, stored }),
        };
        Err(MintError::Unusable { call: place.call(), what }.into())
    }
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
