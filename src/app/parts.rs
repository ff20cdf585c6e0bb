//! Single parts of the proxy, each built from the configuration.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::error::AppError;
use crate::clock::Clock;
use crate::config::{Config, Listen, Material};
use crate::credentials::Logins;
use crate::listener::{self, Bound, Ports};
use crate::network::{Network, Probes};
use crate::references::References;
use crate::secret::Secret;
use crate::spec::{SpecTable, Specs};
use crate::startup::tls::ListenerPem;
use crate::stream::KeepAlive;
use crate::upstream::{ClientTls, Paths, Routes, Timeouts};

/// Every address is bound before a client is accepted on any.
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
    let bind = |(port_of, address)| match listener::bind(address, ports) {
        Ok(listener) => Ok(Bound { listener, port_of }),
        Err(source) => Err(AppError::Bind { address, source }),
    };
    open.chain(of_connections).map(bind).collect()
}

/// For one read of the table: a client waits for it before it is let in, and is to hear why when it
/// comes to nothing.
pub(crate) fn table_timeout(config: &Config) -> Duration {
    config
        .credentials
        .timeout
        .min(config.limits.startup_timeout / 3)
}

/// The texts that the listener's TLS is made of. Without them nothing can be served, so that those
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

/// The configuration's connections, and the table's if there is one.
pub(super) fn specs(config: &Config, logins: &Logins, clock: &Arc<dyn Clock>, control: &Handle) -> Specs {
    let times = (config.credentials.negative_ttl, table_timeout(config));
    let table = config
        .specs
        .as_ref()
        .map(|of| SpecTable::new(of.clone(), logins.calls(), clock, control, times));
    Specs::new(config.connections.clone(), table, config.listen.sni_suffix.clone())
}

/// How warehouses are reached, whichever connection they belong to.
pub(crate) fn routes(config: &Config, network: &Network) -> Result<Routes, AppError> {
    let of_their_own = config
        .connections
        .values()
        .filter_map(|spec| spec.ca.as_ref());
    let tls = ClientTls::new(of_their_own.chain([&config.upstream.ca]))?;
    let timeouts = Arc::new(Timeouts {
        connect: config.upstream.connect_timeout,
        tls: config.upstream.tls_timeout,
        keepalive: keep_alive(config, network.probes),
    });
    let paths = Paths::new(Arc::clone(&network.look_up));
    Ok(Routes { tls, ca: config.upstream.ca.clone(), timeouts, paths })
}

/// How vanished peers are noticed, on both sides.
pub(super) fn keep_alive(config: &Config, probes: Probes) -> KeepAlive {
    KeepAlive { idle: config.upstream.keepalive, probes }
}
