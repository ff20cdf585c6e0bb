//! The texts that the listener's TLS is made of.

use crate::config::{Listen, Material};
use crate::secret::Secret;

/// The texts that `[listen.tls]` refers to, all of them read.
#[derive(Clone)]
pub(crate) struct ListenerPem {
    /// The certificate chain and its key. `None`: there are none, and one is made for loopback
    /// names.
    pub(crate) identity: Option<IdentityPem>,
    /// The texts that clients' certificates are verified by. `None`: clients are not asked for any.
    pub(crate) clients: Option<ClientCaPem>,
}

/// The certificate chain, and the key that belongs to it.
#[derive(Clone)]
pub(crate) struct IdentityPem {
    /// The text of `listen.tls.cert`: the chain in PEM, the proxy's own certificate first.
    pub(crate) cert: Secret,
    /// The text of `listen.tls.key`: the private key in PEM.
    pub(crate) key: Secret,
}

/// The CA bundle of clients, and the revocation lists where there are any.
#[derive(Clone)]
pub(crate) struct ClientCaPem {
    /// The text of `listen.tls.client_ca`: a bundle of certificates in PEM.
    pub(crate) ca: Secret,
    /// The text of `listen.tls.client_crl`: revocation lists in PEM. `None`: there are none.
    pub(crate) crl: Option<Secret>,
}

impl ListenerPem {
    /// The keys whose texts are others than in `before`, as they are named where they are read again.
    pub(crate) fn changed_since(&self, before: &Self) -> Vec<&'static str> {
        let identity = |pem: &Self| {
            pem.identity
                .as_ref()
                .map(|pem| (pem.cert.clone(), pem.key.clone()))
        };
        let ca = |pem: &Self| pem.clients.as_ref().map(|clients| clients.ca.clone());
        let crl = |pem: &Self| pem.clients.as_ref().and_then(|clients| clients.crl.clone());
        [
            ("listen.tls", identity(self) != identity(before)),
            ("listen.tls.client_ca", ca(self) != ca(before)),
            ("listen.tls.client_crl", crl(self) != crl(before)),
        ]
        .into_iter()
        .filter_map(|(key, is_another)| is_another.then_some(key))
        .collect()
    }

    /// Collects the texts. `read` is asked for each in turn, with its key in the configuration.
    ///
    /// # Errors
    /// The first error of `read`.
    pub(crate) async fn read<E>(
        listen: &Listen,
        mut read: impl AsyncFnMut(&'static str, &Material) -> Result<Secret, E>,
    ) -> Result<Self, E> {
        let identity = match &listen.identity {
            Some(identity) => Some(IdentityPem {
                cert: read("listen.tls.cert", &identity.cert).await?,
                key: read("listen.tls.key", &identity.key).await?,
            }),
            None => None,
        };
        let clients = match &listen.clients {
            Some(clients) => Some(ClientCaPem {
                ca: read("listen.tls.client_ca", &clients.ca).await?,
                crl: match &clients.crl {
                    Some(crl) => Some(read("listen.tls.client_crl", crl).await?),
                    None => None,
                },
            }),
            None => None,
        };
        Ok(Self { identity, clients })
    }

    /// Replaces the CA bundle of clients, if they are asked for certificates.
    pub(super) fn trust(&mut self, ca: &Secret) {
        if let Some(clients) = &mut self.clients {
            clients.ca = ca.clone();
        }
    }

    /// Replaces the revocation lists, if clients are asked for certificates.
    pub(super) fn revoke(&mut self, crl: &Secret) {
        if let Some(clients) = &mut self.clients {
            clients.crl = Some(crl.clone());
        }
    }
}
