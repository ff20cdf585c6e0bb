//! The cache of logins: what the engine is told about them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::{DbLogin, MintError, MintLogin, Order};
use crate::clock::Clock;
use crate::config::Credentials;
use crate::engine::jitter::Jitter;
use crate::engine::{Cache, Fetch, Freshness, Perishable, Policy};

/// The shortest life that AWS grants a login which is new.
const SHORTEST_GRANT: Duration = Duration::from_secs(900);

/// Most logins held.
const CAP: usize = 10_000;

/// All logins held or on their way, by what was ordered.
pub(crate) type Logins = Cache<Order, DbLogin>;

/// An empty cache whose flights run on `control`.
pub(crate) fn logins(
    mint: Arc<dyn MintLogin>,
    clock: Arc<dyn Clock>,
    control: Handle,
    settings: &Credentials,
) -> Arc<Logins> {
    let policy = Policy {
        freshness: Freshness::Ahead,
        margin: settings.refresh_margin,
        // A margin that is set too long is no reason to keep nothing.
        least_life: settings.refresh_margin.min(SHORTEST_GRANT / 4),
        negative_ttl: settings.negative_ttl,
        timeout: settings.timeout,
        cap: CAP,
    };
    Cache::new(Arc::new(Mint(mint)), clock, control, policy, Jitter::random())
}

struct Mint(Arc<dyn MintLogin>);

impl Fetch<Order, DbLogin> for Mint {
    fn fetch<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<DbLogin, MintError>> {
        self.0.mint(order)
    }

    fn name<'k>(&self, order: &'k Order) -> &'k str {
        &order.workgroup
    }
}

impl Perishable for DbLogin {
    fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }
}
