//! The words of the SDK's error chains: its types do not come this far.

use std::error::Error;

use crate::fault;

/// Whether the text is about fetching base credentials, and not about the call itself.
pub(super) fn is_about_credentials(text: &str) -> bool {
    ["credential provider", "in chain provided credentials", "credentials provider", "loading credentials"]
        .iter()
        .any(|mark| text.contains(mark))
}

/// Whether the SDK knows no Region to send the call to.
pub(super) fn is_about_region(text: &str) -> bool {
    text.to_lowercase().contains("region must be set") || text.contains("Missing Region")
}

/// The innermost cause of the SDK's chain.
pub(super) fn last_cause(chain: &str) -> &str {
    chain.rsplit(": ").next().unwrap_or(chain)
}

/// The chain without the layers of the SDK and its HTTP client.
pub(super) fn plain(chain: &str) -> String {
    const LAYERS: [&str; 6] = [
        "dispatch failure: ",
        "io error: ",
        "client error (Connect): ",
        "client error (SendRequest): ",
        "service error: ",
        "other: ",
    ];
    let text = LAYERS
        .iter()
        .fold(chain.to_owned(), |text, layer| text.replace(layer, ""));
    text.trim_end_matches(": no message").to_owned()
}

/// An error with its causes, without the layers of the SDK.
pub(crate) fn causes(error: &dyn Error) -> String {
    plain(&fault::chain(error))
}
