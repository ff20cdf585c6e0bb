//! A load of keys under way, which all who need its keys wait for.

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use tokio::sync::watch;
use tokio::time::Instant;

use super::key_source::Loaded;
use crate::aws::redact::SharedError;

/// The outcome of a load, as each of its waiters is given it: the keys, or why there are none.
pub(super) type Landed = Result<Credentials, SharedError>;

/// A load of keys under way. Clones wait for the same load; dropping them does not end it.
#[derive(Clone)]
pub(super) struct KeyLoad {
    /// The time at which the load began.
    pub(super) began: Instant,
    landed: watch::Receiver<Option<Landed>>,
}

impl KeyLoad {
    /// A load that begins now. The load reports its end by the sender.
    pub(super) fn begin() -> (watch::Sender<Option<Landed>>, Self) {
        let (report, landed) = watch::channel(None);
        (report, Self { began: Instant::now(), landed })
    }

    /// Whether the load still runs. `false` also where it ended with the runtime that it ran on.
    pub(super) fn is_under_way(&self) -> bool {
        self.landed.has_changed().is_ok()
    }

    /// Waits for the load's end.
    pub(super) async fn landing(mut self) -> Loaded {
        match self.landed.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Ok(keys))) => Ok(keys.clone()),
            Ok(Some(Err(error))) => Err(error.to_error()),
            Ok(None) | Err(_) => Err(CredentialsError::provider_error("the load was broken off")),
        }
    }
}
