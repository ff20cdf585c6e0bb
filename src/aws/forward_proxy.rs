//! The HTTP client of all calls to AWS, and the forward proxy that the environment may name for it.
//!
//! Only `https` goes through the forward proxy, inside a CONNECT tunnel. Plain http goes to a
//! metadata service, the agent of a container or an endpoint on loopback. It carries tokens and
//! secret keys in clear, and never goes through another machine.

use std::fmt;

use aws_sdk_sts::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use tracing::warn;

/// The environment variables that name a proxy for `https`, as curl and the SDKs read them; the
/// first that is set wins.
const NAMES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Hosts that are never asked through a proxy, whatever the environment says: loopback, and the
/// link-local addresses of the metadata services (EC2's `fd00:ec2::254` and EKS's `fd00:ec2::23`
/// are unique local ones).
const NEVER: &str = "localhost,127.0.0.0/8,::1,169.254.0.0/16,fe80::/10,fd00:ec2::/32";

/// The forward proxy that the environment names.
#[derive(Clone)]
pub(super) struct ForwardProxy {
    /// The address of the forward proxy as `check` and logs show it, without user and password.
    pub(super) address: String,
    /// The variable that names it.
    pub(super) variable: &'static str,
    config: ProxyConfig,
}

impl ForwardProxy {
    /// Reads the environment. `None`: it names no forward proxy, or one that cannot be used, which
    /// is logged.
    pub(super) fn of(env: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let set = |name: &str| env(name).filter(|value| !value.trim().is_empty());
        let (variable, url) = NAMES.iter().find_map(|name| Some((*name, set(name)?)))?;
        // As curl does.
        let url = if url.contains("://") { url } else { format!("http://{url}") };
        // The error says no more than this, and might quote a password.
        let Ok(config) = ProxyConfig::https(url.trim()) else {
            warn!(
                event = "forward proxy ignored",
                variable,
                "{variable} is not used: it has to be the URL of an HTTP proxy, http://[USER:PASSWORD@]HOST:PORT"
            );
            return None;
        };
        let own = ["NO_PROXY", "no_proxy"].iter().find_map(|name| set(name));
        let never = own.map_or_else(|| NEVER.to_owned(), |own| format!("{own},{NEVER}"));
        Some(Self { address: address(&url), variable, config: config.no_proxy(never) })
    }
}

/// Leaves out the settings, which may hold a password.
impl fmt::Debug for ForwardProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardProxy")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Makes an HTTP client. Its connections belong to the runtime that calls.
pub(super) fn http_client(proxy: Option<&ForwardProxy>) -> SharedHttpClient {
    let config = proxy.map_or_else(ProxyConfig::disabled, |proxy| proxy.config.clone());
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().proxy_config(config.clone());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build()
    })
}

/// `HOST:PORT` of a URL.
fn address(url: &str) -> String {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    authority
        .rsplit_once('@')
        .map_or(authority, |(_, address)| address)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(env: &[(&str, &str)]) -> Option<ForwardProxy> {
        let find = |name: &str| {
            env.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        ForwardProxy::of(&find)
    }

    #[test]
    fn a_proxy_is_named_without_its_password() {
        for (env, want) in [
            (&[][..], None),
            (&[("HTTPS_PROXY", "")], None),
            (&[("HTTP_PROXY", "http://proxy:3128")], None),
            (&[("HTTPS_PROXY", "http://proxy:3128")], Some(("proxy:3128", "HTTPS_PROXY"))),
            (&[("HTTPS_PROXY", ""), ("https_proxy", "proxy:3128")], Some(("proxy:3128", "https_proxy"))),
            (&[("ALL_PROXY", "http://u:s3cret@proxy:3128/x")], Some(("proxy:3128", "ALL_PROXY"))),
            (&[("HTTPS_PROXY", "https://[fd00::1]:3128")], Some(("[fd00::1]:3128", "HTTPS_PROXY"))),
            (&[("HTTPS_PROXY", "socks5://u:s3cret@proxy:1080")], None),
            (&[("HTTPS_PROXY", "http://u:s3 cret@proxy:1080")], None),
        ] {
            let proxy = of(env);
            assert_eq!(
                proxy
                    .as_ref()
                    .map(|proxy| (&*proxy.address, proxy.variable)),
                want,
                "{env:?}"
            );
            assert!(!format!("{proxy:?}").contains("cret"));
        }
    }
}
