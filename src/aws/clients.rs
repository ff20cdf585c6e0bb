//! The SDK's clients.

use std::sync::{Arc, OnceLock};

use aws_config::SdkConfig;

use super::endpoints::Endpoints;
use super::skew::Skew;

/// The SDK's clients of one Region, under the base identity. A client takes long to make, and most
/// configurations need few of them, so that each is made at its first call.
#[derive(Debug)]
pub(crate) struct Clients {
    config: SdkConfig,
    endpoints: Arc<Endpoints>,
    skew: Skew,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    redshift: OnceLock<aws_sdk_redshift::Client>,
    redshift_serverless: OnceLock<aws_sdk_redshiftserverless::Client>,
    secrets_manager: OnceLock<aws_sdk_secretsmanager::Client>,
    ssm: OnceLock<aws_sdk_ssm::Client>,
    sts: OnceLock<aws_sdk_sts::Client>,
}

/// Defines the method that gives a service's client, and makes it at its first call.
macro_rules! client {
    ($service:ident, $sdk:ident) => {
        /// The client of this service.
        pub(crate) fn $service(&self) -> &$sdk::Client {
            self.$service.get_or_init(|| {
                let mut config = $sdk::config::Builder::from(&self.config).interceptor(self.skew.clone());
                if let Some(url) = &self.endpoints.$service {
                    config.set_endpoint_url(Some(url.clone()));
                }
                $sdk::Client::from_conf(config.build())
            })
        }
    };
}

impl Clients {
    /// The clients that these settings make.
    pub(super) fn new(config: SdkConfig, endpoints: Arc<Endpoints>, skew: Skew) -> Self {
        Self {
            config,
            endpoints,
            skew,
            dynamodb: OnceLock::new(),
            redshift: OnceLock::new(),
            redshift_serverless: OnceLock::new(),
            secrets_manager: OnceLock::new(),
            ssm: OnceLock::new(),
            sts: OnceLock::new(),
        }
    }

    client!(dynamodb, aws_sdk_dynamodb);
    client!(redshift, aws_sdk_redshift);
    client!(redshift_serverless, aws_sdk_redshiftserverless);
    client!(secrets_manager, aws_sdk_secretsmanager);
    client!(ssm, aws_sdk_ssm);
    client!(sts, aws_sdk_sts);
}
