//! AWS's error codes by what they mean: the SDK's types do not tell.
//!
//! Throttling codes are usually not among an operation's declared errors, and Redshift Serverless
//! models ThrottlingException as non-throttling (docs/protocol/aws-api.md 0 and 1).

/// Codes that say "slower": what standard retry mode takes for throttling.
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

/// Codes that say "not now" (the SDKs' standard retry mode, and AWS's common errors).
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

/// Codes by which AWS refuses the access key that a request was signed with (AWS APIs' "Common
/// errors"; each service has spellings of its own). They say nothing about what was asked for: a
/// new key is unknown for its first minutes, an old one until somebody has renewed it where the
/// SDK's chain finds it.
const KEY: &[&str] = &[
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "InvalidSignature",
    "InvalidSignatureException",
    "InvalidToken",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
];

/// Codes that refuse the time of a request, or the account: neither do these say anything about
/// what was asked for. To ask again with the same clock and account would not help.
const CALLER: &[&str] = &[
    NO_CREDENTIALS,
    "NotSignedUp",
    "OptInRequired",
    "RegionDisabledException",
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
    "SubscriptionRequiredException",
];

/// Where AWS would have a code: the SDK's chain has no credentials, or is set up wrongly.
pub(super) const NO_CREDENTIALS: &str = "no credentials";

/// Whether it is about who asks, and not about what was asked for.
pub(super) fn is_of_caller(code: &str) -> bool {
    CALLER.contains(&code) || is_of_key(code)
}

/// Whether the access key was refused: another one may be had by now.
pub(super) fn is_of_key(code: &str) -> bool {
    KEY.contains(&code)
}

/// Whether calls have to become fewer.
pub(super) fn is_throttling(code: &str) -> bool {
    THROTTLING.contains(&code)
}

/// Whether AWS says "not now".
pub(super) fn is_transient(code: &str) -> bool {
    TRANSIENT.contains(&code)
}
