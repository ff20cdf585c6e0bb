//! Codes of failed calls, and what AWS's own codes mean. They are compared as text, since the SDK's
//! types do not tell.
//!
//! Throttling codes are usually not among an operation's declared errors, and Redshift Serverless
//! models ThrottlingException as non-throttling (docs/protocol/aws-api.md 0 and 1).

use std::fmt;

/// Codes by which AWS asks for fewer calls (the throttling codes of the SDKs' standard retry mode).
const THROTTLING: &[&str] = &[
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "RequestThrottled",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
];

/// Codes by which AWS fails for now (the SDKs' standard retry mode, and AWS's common errors).
const TRANSIENT: &[&str] = &[
    "RequestTimeout",
    "RequestTimeoutException",
    "InternalFailure",
    "InternalServerError",
    "InternalServerException",
    "InternalServiceError",
    "ServiceUnavailable",
    "ServiceUnavailableException",
];

/// Codes by which AWS says that a session, or the token that a session was asked for with, has run
/// out (AWS APIs' "Common errors", and STS's own spelling).
pub(crate) const EXPIRED: [&str; 2] = ["ExpiredToken", "ExpiredTokenException"];

/// Codes by which the services that the proxy calls say that they do not know an access key: it is
/// inactive or of another partition, was made a minute ago, or its session has ended.
pub(crate) const UNKNOWN_KEY: [&str; 2] = ["InvalidClientTokenId", "UnrecognizedClientException"];

/// Codes besides [`EXPIRED`] and [`UNKNOWN_KEY`] by which AWS refuses the access key that a request was signed with (AWS APIs' "Common
/// errors"; each service has spellings of its own). They say nothing about what was asked for: a
/// new key is unknown for its first minutes, an old one until somebody has renewed it where the
/// SDK's chain finds it.
const KEY: &[&str] = &[
    "AuthFailure",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidSignature",
    "InvalidSignatureException",
    "InvalidToken",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
];

/// Codes by which AWS refuses the time of a request, or the account. They say nothing about what
/// was asked for either, and the same clock and account would be refused again.
const CALLER: &[&str] = &[
    "NotSignedUp",
    "OptInRequired",
    "RegionDisabledException",
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
    "SubscriptionRequiredException",
];

/// Why a call failed, in a word: the code of AWS's answer, or what kept an answer from coming.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Code {
    /// AWS answered with this code.
    Aws(String),
    /// The SDK's chain has no credentials to sign the request with, or is set up wrongly.
    NoCredentials,
    /// No connection could be made, or it broke before the answer.
    NoConnection,
    /// The answer did not come in time.
    Timeout,
    /// Something answered in a way that AWS does not.
    Unreadable,
    /// The SDK could not build the request.
    Unbuilt,
}

impl Code {
    /// The code of an answer of AWS's.
    pub(crate) fn answered(code: &str) -> Self {
        Self::Aws(code.to_owned())
    }

    /// The code that AWS itself answered with.
    pub(crate) fn aws(&self) -> Option<&str> {
        match self {
            Self::Aws(code) => Some(code),
            Self::NoCredentials | Self::NoConnection | Self::Timeout | Self::Unreadable | Self::Unbuilt => None,
        }
    }

    /// Whether the failure is about the keys, the clock or the account that a request was signed
    /// for, and says nothing about what was asked for.
    pub(super) fn is_of_caller(&self) -> bool {
        match self {
            Self::Aws(code) => CALLER.contains(&code.as_str()) || is_of_key(code),
            Self::NoCredentials => true,
            Self::NoConnection | Self::Timeout | Self::Unreadable | Self::Unbuilt => false,
        }
    }
}

/// In tests a text is a code of an answer. Elsewhere one has to say so, for a text that stands for a
/// failure without an answer would be taken for AWS's own.
#[cfg(test)]
impl<C: Into<String>> From<C> for Code {
    fn from(code: C) -> Self {
        Self::Aws(code.into())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aws(code) => code,
            Self::NoCredentials => "no credentials",
            Self::NoConnection => "no connection",
            Self::Timeout => "timeout",
            Self::Unreadable => "unreadable answer",
            Self::Unbuilt => "request",
        })
    }
}

/// Whether AWS refused the access key: another one may be had by now.
pub(super) fn is_of_key(code: &str) -> bool {
    has_run_out(code) || KEY.contains(&code)
}

/// Whether AWS says that the session that a request was signed for has run out. Unlike
/// [`is_of_key`], wrong and missing signatures are left out, for a new session does not mend them.
pub(crate) fn has_run_out(code: &str) -> bool {
    EXPIRED.contains(&code) || UNKNOWN_KEY.contains(&code)
}

/// Whether AWS says that calls have to become fewer.
pub(super) fn is_throttling(code: &str) -> bool {
    THROTTLING.contains(&code)
}

/// Whether AWS says that it cannot answer now.
pub(super) fn is_transient(code: &str) -> bool {
    TRANSIENT.contains(&code)
}
