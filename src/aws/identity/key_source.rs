//! Where the base identity's keys come from, as its holder sees that.

use std::fmt;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use futures_util::future::BoxFuture;

use super::files::FileMark;

/// The longest that one load may take: as long as in the SDK's own cache and a little more, for a
/// `credential_process` may be slow.
pub(in crate::aws) const LOAD_TIMEOUT: Duration = Duration::from_secs(8);

/// Where keys come from.
pub(in crate::aws) trait KeySource: fmt::Debug + Send + Sync {
    /// Finds the keys anew.
    fn load(&self) -> BoxFuture<'_, Loaded>;

    /// Marks the present state of the files that keys may be read from. Another mark may mean other
    /// keys.
    fn file_marks(&self) -> BoxFuture<'_, Vec<FileMark>>;

    /// Asks AWS whose keys these are. `None`: AWS does not say.
    fn principal<'a>(&'a self, keys: &'a Credentials) -> BoxFuture<'a, Option<String>>;
}

/// The outcome of one load: the keys, or why the source has none.
pub(in crate::aws) type Loaded = Result<Credentials, CredentialsError>;
