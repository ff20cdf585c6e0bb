//! Authentication of requests: the caller by its signature, or the reason for a refusal.
//!
//! The checks and their order follow AWS's error messages ("Troubleshoot Signature Version 4
//! signing", IAM User Guide): a header that can be read, a known key, its token, its end, the
//! scope, the signed headers, the time, the signature.

use std::time::{Duration, SystemTime};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;

use super::identity::Caller;
use super::keys::Session;
use super::refusal::Refusal;
use super::service::{Protocol, Service};
use super::sigv4::{Authorization, Signed};
use super::timestamp::{basic, parse_basic};
use super::world::World;

/// How far the signature's time may be from ours, in either direction.
const TOLERANCE: Duration = Duration::from_secs(300);

/// Checks the signature of a request to `service`.
///
/// # Errors
/// AWS's refusals for a signature that is missing, malformed, by an unknown or expired key, for
/// another service, Region or time, or wrong.
pub(super) fn authenticate(
    world: &World,
    service: Service,
    head: &Parts,
    body: &[u8],
    now: SystemTime,
) -> Result<Caller, Refusal> {
    let protocol = service.protocol();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let Some(authorization) = header(AUTHORIZATION.as_str()) else {
        return Err(missing(protocol));
    };
    let authorization = Authorization::parse(authorization).ok_or_else(|| incomplete(protocol))?;
    let key = world
        .key(authorization.access_key_id)
        .ok_or_else(|| unknown(protocol))?;
    check_session(protocol, key.session.as_ref(), header("x-amz-security-token"), now)?;
    check_scope(world, service, &authorization)?;
    check_coverage(protocol, head, &authorization)?;

    let timestamp = header("x-amz-date").unwrap_or_default();
    check_time(protocol, timestamp, authorization.date, now)?;
    let uri = &head.uri;
    let signed = Signed {
        method: head.method.as_str(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        headers: &head.headers,
        body,
        timestamp,
    };
    if authorization.is_by(&key.secret, &signed) {
        Ok(key.owner)
    } else {
        Err(mismatch(
            protocol,
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details.",
        ))
    }
}

/// The Region that a request claims to be signed for; empty if none can be read.
pub(super) fn claimed_region(head: &Parts) -> &str {
    let header = head
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    header
        .and_then(Authorization::parse)
        .map_or("", |authorization| authorization.region)
}

fn check_session(
    protocol: Protocol,
    session: Option<&Session>,
    token: Option<&str>,
    now: SystemTime,
) -> Result<(), Refusal> {
    let wanted = session.map_or("", |session| &session.token);
    if verify_slices_are_equal(wanted.as_bytes(), token.unwrap_or_default().as_bytes()).is_err() {
        return Err(unknown(protocol));
    }
    if session.is_some_and(|session| session.expires_at <= now) {
        let message = "The security token included in the request is expired";
        return Err(Refusal::unauthenticated(protocol, "ExpiredTokenException", "ExpiredToken", message));
    }
    Ok(())
}

fn check_scope(world: &World, service: Service, authorization: &Authorization<'_>) -> Result<(), Refusal> {
    let protocol = service.protocol();
    if authorization.service != service.signing_name() {
        let wanted = service.signing_name();
        return Err(mismatch(protocol, format!("Credential should be scoped to correct service: '{wanted}'. ")));
    }
    if !world.serves(authorization.region) {
        let region = authorization.region;
        return Err(mismatch(protocol, format!("Credential should be scoped to a valid region, not '{region}'. ")));
    }
    Ok(())
}

/// The host and all of AWS's own headers must be under the signature.
fn check_coverage(protocol: Protocol, head: &Parts, authorization: &Authorization<'_>) -> Result<(), Refusal> {
    let present = head
        .headers
        .keys()
        .map(|name| name.as_str())
        .filter(|name| name.starts_with("x-amz-"));
    match ["host", "x-amz-date"]
        .into_iter()
        .chain(present)
        .find(|name| !authorization.covers(name))
    {
        None => Ok(()),
        Some(name) => Err(mismatch(protocol, format!("'{name}' must be a 'SignedHeader' in the AWS Authorization."))),
    }
}

fn check_time(protocol: Protocol, timestamp: &str, scope_date: &str, now: SystemTime) -> Result<(), Refusal> {
    let Some(signed_at) = parse_basic(timestamp) else {
        let message = format!(
            "Date must be in ISO-8601 'basic format'. Got '{timestamp}'. See http://en.wikipedia.org/wiki/ISO_8601"
        );
        return Err(incomplete_because(protocol, message));
    };
    let date = timestamp.get(..8).unwrap_or_default();
    if date != scope_date {
        let message = format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
             '{scope_date}' != '{date}', from '{timestamp}'."
        );
        return Err(mismatch(protocol, message));
    }
    let (earliest, latest, shown) = (now - TOLERANCE, now + TOLERANCE, basic(now));
    if signed_at < earliest {
        let earliest = basic(earliest);
        let message = format!("Signature expired: {timestamp} is now earlier than {earliest} ({shown} - 5 min.)");
        return Err(mismatch(protocol, message));
    }
    if signed_at > latest {
        let latest = basic(latest);
        let message = format!("Signature not yet current: {timestamp} is still later than {latest} ({shown} + 5 min.)");
        return Err(mismatch(protocol, message));
    }
    Ok(())
}

fn missing(protocol: Protocol) -> Refusal {
    let message = match protocol {
        Protocol::Json => "Missing Authentication Token",
        Protocol::Query => "Request is missing Authentication Token",
    };
    Refusal::unauthenticated(protocol, "MissingAuthenticationTokenException", "MissingAuthenticationToken", message)
}

fn incomplete(protocol: Protocol) -> Refusal {
    incomplete_because(
        protocol,
        "Authorization header requires 'AWS4-HMAC-SHA256', a 'Credential' with a full scope, 'SignedHeaders' and a \
         'Signature'.",
    )
}

fn incomplete_because(protocol: Protocol, message: impl Into<String>) -> Refusal {
    match protocol {
        Protocol::Json => Refusal::bad_request("IncompleteSignatureException", message),
        Protocol::Query => Refusal::bad_request("IncompleteSignature", message),
    }
}

fn unknown(protocol: Protocol) -> Refusal {
    let message = "The security token included in the request is invalid.";
    Refusal::unauthenticated(protocol, "UnrecognizedClientException", "InvalidClientTokenId", message)
}

fn mismatch(protocol: Protocol, message: impl Into<String>) -> Refusal {
    Refusal::unauthenticated(protocol, "InvalidSignatureException", "SignatureDoesNotMatch", message)
}

#[cfg(test)]
mod tests;
