//! The identity that a call to AWS is signed by.

use aws_sdk_sts::config::Credentials;

/// The identity that a call is signed by. It has no default: where a role session cannot be had the
/// call fails, and is never made as the base identity instead.
#[derive(Clone, Debug)]
pub(crate) enum Signer {
    /// The base identity, which the SDK's clients sign by unless they are told otherwise.
    Base,
    /// The keys of a role session.
    Session(Credentials),
}

/// Makes the closure that sends an SDK's request, signed by a [`Signer`]. Keys of role sessions are
/// not kept in a cache of the SDK's.
macro_rules! send_as {
    ($sdk:ident, $request:ident, $signer:expr) => {
        || {
            let config = match $signer {
                $crate::credentials::signer::Signer::Base => $sdk::config::Builder::new(),
                $crate::credentials::signer::Signer::Session(keys) => $sdk::config::Builder::new()
                    .credentials_provider(keys.clone())
                    .identity_cache($sdk::config::IdentityCache::no_cache()),
            };
            $request.clone().customize().config_override(config).send()
        }
    };
}

pub(super) use send_as;
