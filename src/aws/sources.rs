//! Where the base identity's keys can come from: the SDK's providers, in the order of its default
//! chain.
//!
//! The SDK's chain ends at the first provider that fails. Ours passes over a `default` profile that
//! can never be used, because one that somebody has left on an instance must not hide the
//! instance's role. A profile that `AWS_PROFILE` names, one that fails for now, and one that has
//! had keys are never passed over: to become somebody else is worse than to have no keys.

use std::fmt;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::config::SharedHttpClient;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use self::chain::ProviderChain;
pub(super) use self::principal::PrincipalLookup;
use super::identity::{FileMark, KeySource, Loaded};
use crate::blocking::Lanes;

mod chain;
mod principal;

/// The sources of the base identity's keys. They read files in place, and such reads may hang, so
/// that the sources are asked on threads of their own.
pub(super) struct Sources {
    chain: Arc<ProviderChain>,
    principals: PrincipalLookup,
    /// Lets one load run at a time. One that hangs keeps its thread, and no other begins.
    loads: Lanes<()>,
    /// Lets one look at the files run at a time, with the same end to one that hangs.
    looks: Lanes<()>,
}

impl Sources {
    /// The sources that the environment names. `client` is for them alone, for its connections end
    /// with each load.
    pub(super) fn new(
        client: SharedHttpClient,
        principals: PrincipalLookup,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Self {
        let config = principals.config.to_builder().http_client(client).build();
        let lanes = |name| Lanes::new(name, 1, 1);
        let chain = Arc::new(ProviderChain::new(config, env));
        Self { chain, principals, loads: lanes("aws-keys"), looks: lanes("aws-files") }
    }
}

impl KeySource for Sources {
    fn load(&self) -> BoxFuture<'_, Loaded> {
        let chain = Arc::clone(&self.chain);
        let unfinished = |error| Err(CredentialsError::provider_error(error));
        async move {
            self.loads
                .run((), move || chain.load())
                .await
                .unwrap_or_else(unfinished)
        }
        .boxed()
    }

    fn file_marks(&self) -> BoxFuture<'_, Vec<FileMark>> {
        let chain = Arc::clone(&self.chain);
        // Without a thread there is nothing to be seen.
        async move {
            self.looks
                .run((), move || chain.file_marks())
                .await
                .unwrap_or_default()
        }
        .boxed()
    }

    fn principal<'a>(&'a self, keys: &'a Credentials) -> BoxFuture<'a, Option<String>> {
        self.principals.principal(keys).boxed()
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chain.fmt(f)
    }
}
