//! Turns failed calls into errors: by AWS's code, and with AWS's words but for the secrets that
//! they may quote.

use std::error::Error;
use std::fmt;

use aws_config::timeout::TimeoutConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::config::http::HttpResponse;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};

use super::code::{Code, is_throttling, is_transient};
use super::error::{AwsError, Call};
use super::redact::redacted;

/// The words of an error answer, without secrets that the request carried.
#[derive(Debug)]
struct Words(String);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Words {}

/// Turns a failed call into an error. `hidden` is a secret in the request, which a validation error
/// would quote.
pub(super) fn classify<E>(call: &Call, error: &SdkError<E, HttpResponse>, hidden: Option<&str>) -> AwsError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let answered = error
        .as_service_error()
        .map(|error| (error.code(), error.message()));
    let code = match (&answered, error) {
        (Some((Some(code), _)), _) => Code::answered(code),
        (_, SdkError::TimeoutError(_)) => Code::Timeout,
        (_, SdkError::DispatchFailure(_)) if has_no_credentials(error) => Code::NoCredentials,
        (_, SdkError::DispatchFailure(_)) => Code::NoConnection,
        (_, SdkError::ConstructionFailure(_)) => Code::Unbuilt,
        _ => Code::Unreadable,
    };
    let text = match answered {
        Some((_, message)) => message.unwrap_or("no message").to_owned(),
        None => unanswered(error),
    };
    let text = match hidden {
        Some(hidden) if !hidden.is_empty() => text.replace(hidden, "…"),
        _ => text,
    };
    let source = Box::new(Words(clip(&without_tokens(&text))));
    let is_server_fault = error
        .raw_response()
        .is_some_and(|response| response.status().is_server_error());
    let is_throttled = code.aws().is_some_and(is_throttling);
    let is_final = match &code {
        Code::Aws(code) => !is_server_fault && !is_throttled && !is_transient(code),
        Code::NoCredentials | Code::Unbuilt => true,
        Code::NoConnection | Code::Timeout | Code::Unreadable => false,
    };
    let call = call.clone();
    if is_final {
        AwsError::Denied { call, code, source }
    } else if is_throttled {
        AwsError::Throttled { call, code, source }
    } else {
        AwsError::Unavailable { call, code, source }
    }
}

/// Says why there is no answer.
fn unanswered<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> String {
    if let Some(response) = error.raw_response() {
        return format!("HTTP {}, with a body that is no answer of this API", response.status().as_u16());
    }
    redacted(error)
}

/// Takes out of a text whatever looks like a web identity token. The SDK may have sent one that it
/// read itself.
fn without_tokens(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.=".contains(c);
    let words = text.split_inclusive(|c: char| !is_part(c));
    // A JSON Web Token begins with the base64 of `{"`.
    words
        .map(|word| if word.len() > 20 && word.starts_with("eyJ") { "…" } else { word })
        .collect()
}

/// Cuts AWS's words before the canonical request, which quotes signed headers with the session
/// token among them (IAM User Guide, SignatureDoesNotMatch), and to what a log line holds.
fn clip(text: &str) -> String {
    const LONGEST: usize = 1000;
    let end = ["The Canonical String", "The String-to-Sign"]
        .iter()
        .filter_map(|mark| text.find(mark))
        .min();
    let told = end
        .and_then(|end| text.get(..end))
        .unwrap_or(text)
        .trim_end();
    match told.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", told.get(..end).unwrap_or_default()),
        None => told.to_owned(),
    }
}

/// Whether the SDK found no source of credentials at all, or one that is set up wrongly. A source
/// that fails for now does not count.
fn has_no_credentials(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(|error| {
        matches!(
            error.downcast_ref(),
            Some(CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_))
        )
    })
}

/// The deadlines of one call and its attempts. The flight has a deadline of its own over all of
/// them.
pub(super) fn timeouts(flight: std::time::Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(flight / 4)
        .operation_attempt_timeout(flight / 2)
        .operation_timeout(flight)
        .build()
}

#[cfg(test)]
mod tests {
    use std::env::VarError;

    use aws_sdk_redshiftserverless::error::ErrorMetadata;
    use aws_sdk_redshiftserverless::operation::get_credentials::GetCredentialsError;

    use super::*;
    use crate::aws::operation::Operation;
    use crate::fault;

    fn answer(code: &str, message: &str) -> AwsError {
        let meta = ErrorMetadata::builder().code(code).message(message).build();
        answer_with(400, meta)
    }

    fn answer_with(status: u16, meta: ErrorMetadata) -> AwsError {
        let response = HttpResponse::new(status.try_into().unwrap(), "".into());
        let error = SdkError::service_error(GetCredentialsError::generic(meta), response);
        classify(&Call::new(Operation::GetCredentials, "wg"), &error, Some("s3cret"))
    }

    #[test]
    fn a_fault_of_the_server_is_never_final() {
        let meta = ErrorMetadata::builder().code("NewlyInvented").build();
        assert!(matches!(answer_with(500, meta.clone()), AwsError::Unavailable { .. }));
        assert!(matches!(answer_with(400, meta), AwsError::Denied { .. }));
    }

    #[test]
    fn throttling_is_known_by_its_code() {
        for code in ["ThrottlingException", "Throttling", "InternalServerException", "RequestLimitExceeded"] {
            assert!(!answer(code, "").is_final(), "{code}");
            assert_eq!(answer(code, "").is_throttled(), code != "InternalServerException", "{code}");
        }
        for code in ["AccessDenied", "AccessDeniedException", "ResourceNotFoundException", "ValidationException"] {
            assert!(matches!(answer(code, ""), AwsError::Denied { .. }), "{code}");
        }
    }

    #[test]
    fn a_chain_without_credentials_is_final_and_one_that_fails_is_not() {
        assert!(has_no_credentials(&CredentialsError::not_loaded_no_source()));
        assert!(has_no_credentials(&CredentialsError::invalid_configuration("a profile that is not there")));
        assert!(!has_no_credentials(&CredentialsError::provider_error("503")));
        assert!(!has_no_credentials(&CredentialsError::provider_timed_out(std::time::Duration::from_secs(5))));
    }

    #[test]
    fn the_canonical_request_is_cut_off_and_long_words_are_shortened() {
        let said = "The request signature does not match. Check your key.\n\nThe Canonical String for this request should \
                    have been\n'POST\n/\n\nx-amz-security-token:planted\n'\n\nThe String-to-Sign should have been\n'x'";
        let told = fault::chain(&answer("SignatureDoesNotMatch", said));
        assert!(told.ends_with("does not match. Check your key.") && !told.contains("planted"), "{told}");
        assert!(
            fault::chain(&answer("ValidationException", &"ü".repeat(5000)))
                .chars()
                .count()
                < 1100
        );
    }

    #[test]
    fn unreadable_answers_are_not_quoted() {
        let told = |error: SdkError<GetCredentialsError, HttpResponse>| {
            fault::chain(&classify(&Call::new(Operation::GetCredentials, "wg"), &error, None))
        };
        let body = || HttpResponse::new(200.try_into().unwrap(), "planted".into());
        let read = told(SdkError::response_error("unexpected token 'p', planted", body()));
        assert!(read.ends_with("HTTP 200, with a body that is no answer of this API"), "{read}");
        for (cause, want) in [
            (Box::<dyn Error + Send + Sync>::from(VarError::NotUnicode("planted".into())), "variable is not UTF-8"),
            (Box::from("invalid JSON in response: at offset 3: invalid escape sequence \\planted"), "the JSON"),
        ] {
            let provider = CredentialsError::unhandled(cause);
            let text = told(SdkError::construction_failure(provider));
            assert!(text.contains(want) && !text.contains("planted"), "{text}");
        }
    }

    #[test]
    fn a_token_that_an_answer_quotes_is_hidden() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJl";
        let told = fault::chain(&answer("InvalidIdentityToken", &format!("The token '{token}' is not valid")));
        assert!(told.contains("The token '…") && told.ends_with("is not valid"), "{told}");
        assert!(!told.contains("eyJ") && !told.contains("c2lnbmF0dXJl"), "{told}");
    }

    #[test]
    fn a_secret_in_an_answer_is_hidden() {
        let error = answer("ValidationError", "Value 's3cret' at 'externalId' failed");
        assert_eq!(
            fault::chain(&error),
            "GetCredentials wg was refused (ValidationError): Value '…' at 'externalId' failed"
        );
    }
}
