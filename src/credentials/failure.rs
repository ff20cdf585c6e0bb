//! Classing what AWS answers: by code string, since the SDK's types do not tell.
//!
//! Throttling codes are usually not among an operation's declared errors, and Redshift Serverless models
//! ThrottlingException as non-throttling (aws-api.md 0 and 1).

use std::error::Error;
use std::fmt;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_sts::config::http::HttpResponse;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};

use super::MintError;
use crate::fault;

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
    // The base credentials ran out under way; they are renewed by their expiry.
    "ExpiredToken",
    "ExpiredTokenException",
];

/// Whether calls have to become fewer.
pub(super) fn is_throttling(code: &str) -> bool {
    THROTTLING.contains(&code)
}

/// An error answer's own words, without anything that the request carried.
#[derive(Debug)]
struct Words(String);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Words {}

/// Classes a failed call. `hidden` is a secret that the request carried: a validation error would quote it.
pub(super) fn class<E>(operation: &'static str, error: &SdkError<E, HttpResponse>, hidden: Option<&str>) -> MintError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let answered = error.as_service_error().map(|error| (error.code(), error.message()));
    let code = match (&answered, error) {
        (Some((Some(code), _)), _) => (*code).to_owned(),
        (_, SdkError::TimeoutError(_)) => "timeout".into(),
        (_, SdkError::DispatchFailure(_)) => "no connection".into(),
        (_, SdkError::ConstructionFailure(_)) => "request".into(),
        _ => "unreadable answer".into(),
    };
    let text = match answered {
        Some((_, message)) => message.unwrap_or("no message").to_owned(),
        None => fault::chain(error),
    };
    let text = match hidden {
        Some(hidden) if !hidden.is_empty() => text.replace(hidden, "…"),
        _ => text,
    };
    let source = Box::new(Words(text));
    let is_server_fault = error.raw_response().is_some_and(|response| response.status().is_server_error());
    let is_refused =
        answered.is_some_and(|(code, _)| code.is_some_and(|code| !is_throttling(code) && !TRANSIENT.contains(&code)));
    let is_final = is_refused && !is_server_fault || matches!(error, SdkError::ConstructionFailure(_));
    if is_final {
        MintError::Denied { operation, code, source }
    } else {
        MintError::Unavailable { operation, code, source }
    }
}

/// Bounds of one call; the flight has its own deadline over all.
pub(crate) fn timeouts(flight: std::time::Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(flight / 4)
        .operation_attempt_timeout(flight / 2)
        .operation_timeout(flight)
        .build()
}

#[cfg(test)]
mod tests {
    use aws_sdk_redshiftserverless::error::ErrorMetadata;
    use aws_sdk_redshiftserverless::operation::get_credentials::GetCredentialsError;

    use super::*;

    fn answer(code: &str, message: &str) -> MintError {
        let meta = ErrorMetadata::builder().code(code).message(message).build();
        answer_with(400, meta)
    }

    fn answer_with(status: u16, meta: ErrorMetadata) -> MintError {
        let response = HttpResponse::new(status.try_into().unwrap(), "".into());
        let error = SdkError::service_error(GetCredentialsError::generic(meta), response);
        class("GetCredentials", &error, Some("s3cret"))
    }

    #[test]
    fn a_fault_of_the_server_is_never_final() {
        let meta = ErrorMetadata::builder().code("NewlyInvented").build();
        assert!(matches!(answer_with(500, meta.clone()), MintError::Unavailable { .. }));
        assert!(matches!(answer_with(400, meta), MintError::Denied { .. }));
    }

    #[test]
    fn throttling_is_known_by_its_code() {
        for code in ["ThrottlingException", "Throttling", "InternalServerException", "RequestLimitExceeded"] {
            assert!(matches!(answer(code, ""), MintError::Unavailable { .. }), "{code}");
            assert_eq!(answer(code, "").is_throttled(), code != "InternalServerException", "{code}");
        }
        for code in ["AccessDenied", "AccessDeniedException", "ResourceNotFoundException", "ValidationException"] {
            assert!(matches!(answer(code, ""), MintError::Denied { .. }), "{code}");
        }
    }

    #[test]
    fn a_secret_in_an_answer_is_hidden() {
        let error = answer("ValidationError", "Value 's3cret' at 'externalId' failed");
        assert_eq!(
            fault::chain(&error),
            "GetCredentials was refused (ValidationError): Value '…' at 'externalId' failed"
        );
    }
}
