//! The parts of the proxy, each built from the configuration.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Handle;

use super::error::AppError;
use crate::admin::Face;
use crate::client_auth::Accounts;
use crate::clock::Clock;
use crate::config::{Config, Listen, Material};
use crate::credentials::Logins;
use crate::limits::ClientLimits;
use crate::limits::bans::Bans;
use crate::listener::{self, Bound, Entrance, Ports};
use crate::metrics::Metrics;
use crate::network::{Network, Probes};
use crate::operations::AdminAccess;
use crate::references::References;
use crate::relay;
use crate::secret::Secret;
use crate::session::{Live, Sessions, Shared};
use crate::spec::{Disabled, SpecTable, Specs};
use crate::startup::tls::{ListenerPem, ServerTls, fake_salt_key};
use crate::stream::KeepAlive;
use crate::telemetry::Repeats;
use crate::upstream::{ClientTls, Paths, Routes, Timeouts};

/// The parts that outlive a configuration.
///
/// # Errors
/// `ServerTls` of [`AppError`].
pub(super) fn shared(
    pem: &ListenerPem,
    network: &Network,
    metrics: Arc<Metrics>,
    repeats: &Arc<Repeats>,
) -> Result<Shared, AppError> {
    let (errors, outcomes) = (Arc::default(), Arc::default());
    Ok(Shared {
        sessions: Sessions::new(Arc::clone(repeats), Arc::clone(&errors), Arc::clone(&outcomes), Arc::clone(&metrics)),
        handshakes: Arc::default(),
        caps: Arc::default(),
        fake_salt_key: fake_salt_key(pem)?,
        bans: Bans::default(),
        disabled: Disabled::default(),
        outcomes,
        errors,
        tables: Arc::default(),
        cancels: Arc::default(),
        paths: Paths::new(Arc::clone(&network.look_up)),
        repeats: Arc::clone(repeats),
        metrics,
    })
}

/// The surroundings in which parts are made, which no configuration changes.
pub(super) struct Surroundings {
    /// The clock by which passwords, certificates and credentials expire.
    pub(super) clock: Arc<dyn Clock>,
    /// The control runtime.
    pub(super) control: Handle,
    /// How vanished peers are noticed.
    pub(super) probes: Probes,
}

/// The parts that a configuration makes. `pem` has the texts of the listener's TLS. What was read
/// under the configuration `before`, and what is held, is taken over where it is still the same.
///
/// # Errors
/// `ServerTls`, `Accounts` and `ClientTls` of [`AppError`].
pub(super) async fn live(
    config: Arc<Config>,
    pem: &ListenerPem,
    logins: Arc<Logins>,
    shared: &Shared,
    around: &Surroundings,
    before: Option<&Live>,
) -> Result<Live, AppError> {
    let Surroundings { clock, control, probes } = around;
    let tls = ServerTls::new(&config.listen, pem, Arc::clone(clock))?;
    tls.report_aging(true);
    let (any, salt_key) = (config.any_user.as_ref(), shared.fake_salt_key.clone());
    let known = before.map(|before| &before.accounts);
    let accounts = Accounts::new(&config.users, any, salt_key, Arc::clone(clock), known).await?;
    let relay = relay::SessionLimits {
        idle_timeout: config.limits.idle_timeout,
        session_lifetime: config.limits.session_lifetime,
        keepalive: keep_alive(&config, *probes),
    };
    Ok(Live {
        admin: admin_access(&config, before).into(),
        tls,
        balancers: config.listen.proxy_protocol_from.clone(),
        accounts,
        specs: specs(&config, &logins, clock, control, before),
        routes: routes_over(&config, *probes, &shared.paths, before)?,
        limits: ClientLimits::new(&config.limits, &config.admin),
        relay: Arc::new(relay),
        startup_timeout: config.limits.startup_timeout,
        login_timeout: config.upstream.login_timeout,
        drain_delay: config.limits.drain_delay,
        drain_timeout: config.limits.drain_timeout,
        logins,
        config,
    })
}

/// Binds the admin addresses.
///
/// # Errors
/// `Bind` of [`AppError`].
pub(super) fn admin_listeners(config: &Config) -> Result<Vec<(Face, TcpListener)>, AppError> {
    let addresses = [(Face::Full, config.admin.address), (Face::Health, config.admin.health_address)];
    let configured = addresses
        .into_iter()
        .filter_map(|(face, address)| Some((face, address?)));
    let bind = |(face, address)| match listener::bind(address, Ports::Own) {
        Ok(listener) => Ok((face, listener)),
        Err(source) => Err(AppError::Bind { address, source }),
    };
    configured.map(bind).collect()
}

/// Binds every address, before a client is accepted on any.
pub(super) fn listeners(config: &Config) -> Result<Vec<Bound>, AppError> {
    let ports = if config.listen.reuse_port { Ports::Shared } else { Ports::Own };
    let open = config
        .listen
        .addresses
        .iter()
        .map(|address| (None, *address));
    let of_connections = config
        .connections
        .values()
        .filter_map(|spec| Some((Some(Arc::new(spec.id.clone())), spec.listen?)));
    let bind = |(port_of, address)| match listener::bind(address, ports)
        .and_then(|listener| listener.local_addr().map(|address| (listener, address)))
    {
        Ok((listener, address)) => Ok(Bound { listener, entrance: Entrance { address, port_of } }),
        Err(source) => Err(AppError::Bind { address, source }),
    };
    open.chain(of_connections).map(bind).collect()
}

/// The time-out of one read of lava's table. A client waits for the read before it is let in, so
/// the read ends early enough for the client to be told why it failed.
pub(crate) fn table_timeout(config: &Config) -> Duration {
    config
        .credentials
        .timeout
        .min(config.limits.startup_timeout / 3)
}

/// Reads the texts that the listener's TLS is made of. Nothing can be served without them, so texts
/// that AWS keeps are waited for.
pub(super) async fn listener_pem(listen: &Listen, references: &References) -> ListenerPem {
    let read = async |key: &'static str, material: &Material| -> Result<Secret, Infallible> {
        match &material.text {
            Some(text) => Ok(text.clone()),
            None => Ok(references.wait_for(key, &material.from).await),
        }
    };
    let Ok(pem) = ListenerPem::read(listen, read).await;
    pem
}

/// The configuration's connections, and those of lava's table if there is one: the table of before,
/// where what it holds is of use under this configuration too.
fn specs(
    config: &Config,
    logins: &Arc<Logins>,
    clock: &Arc<dyn Clock>,
    control: &Handle,
    before: Option<&Live>,
) -> Specs {
    let table = config.specs.as_ref().map(|settings| {
        let same = before
            .filter(|before| Arc::ptr_eq(&before.logins, logins))
            .and_then(|before| before.specs.table())
            .filter(|table| table.suits(settings));
        match same {
            Some(table) => Arc::clone(table),
            None => Arc::new(SpecTable::new(settings.clone(), logins.calls(), clock, control, table_times(config))),
        }
    });
    Specs::new(config.connections.clone(), table, config.listen.sni_suffix.clone())
}

/// How long an error of lava's table is remembered, and how long a read of it may take.
pub(super) fn table_times(config: &Config) -> (Duration, Duration) {
    (config.credentials.negative_ttl, table_timeout(config))
}

/// Who may use the admin address. A token that AWS keeps is known as far as it has been read from
/// the same place before.
fn admin_access(config: &Config, before: Option<&Live>) -> AdminAccess {
    let place = |config: &Config| config.admin.token.as_ref().map(|token| token.from.clone());
    let same = before.filter(|before| place(&before.config) == place(config));
    AdminAccess::new(config, same.map(|same| &*same.admin))
}

/// How warehouses are reached, whichever connection they belong to; nothing is known of the ways to
/// them yet.
///
/// # Errors
/// `ClientTls` of [`AppError`].
pub(crate) fn routes(config: &Config, network: &Network) -> Result<Routes, AppError> {
    routes_over(config, network.probes, &Paths::new(Arc::clone(&network.look_up)), None)
}

/// How warehouses are reached, whichever connection they belong to. `paths` is what is known of the
/// ways to them already; TLS goes on as it was `before` where it trusts the same roots.
///
/// # Errors
/// `ClientTls` of [`AppError`].
fn routes_over(config: &Config, probes: Probes, paths: &Arc<Paths>, before: Option<&Live>) -> Result<Routes, AppError> {
    let of_their_own = config
        .connections
        .values()
        .filter_map(|spec| spec.ca.as_ref());
    let known = before.map(|before| &before.routes.tls);
    let tls = ClientTls::new(of_their_own.chain([&config.upstream.ca]), known)?;
    let timeouts = Arc::new(Timeouts {
        connect: config.upstream.connect_timeout,
        tls: config.upstream.tls_timeout,
        keepalive: keep_alive(config, probes),
    });
    Ok(Routes { tls, ca: config.upstream.ca.clone(), timeouts, paths: Arc::clone(paths) })
}

/// The settings by which vanished peers are noticed, on both sides.
fn keep_alive(config: &Config, probes: Probes) -> KeepAlive {
    KeepAlive { idle: config.upstream.keepalive, probes }
}
