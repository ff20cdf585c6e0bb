//! The arithmetic of AWS Signature Version 4: canonical request, string to sign, signature.
//!
//! After "AWS Signature Version 4 for API requests" in the IAM User Guide. It knows nothing of
//! callers, clocks or error codes; those are in `authenticate`. Not done: signatures in the query
//! string (presigned URLs), Signature 4A, chunked bodies, and dot segments in paths (the endpoint
//! has one path, `/`).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use hyper::HeaderMap;

use super::encoding::{percent_decode, percent_encode};

/// The one algorithm that is understood.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The parts of an `Authorization` header.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Authorization<'a> {
    pub(super) access_key_id: &'a str,
    /// The scope's date, `YYYYMMDD`.
    pub(super) date: &'a str,
    pub(super) region: &'a str,
    /// The scope's service: a signing name, as `sts`.
    pub(super) service: &'a str,
    pub(super) signed_headers: Vec<&'a str>,
    signature: &'a str,
}

/// The parts of a request that are signed.
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    /// The path as it stands in the request line; it is encoded once more, as all services but S3
    /// want it.
    pub(super) path: &'a str,
    /// The query as it stands in the request line, without the question mark.
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
    /// The value of `X-Amz-Date`.
    pub(super) timestamp: &'a str,
}

impl<'a> Authorization<'a> {
    /// Reads a header's value. `None` if the algorithm is another or a part is missing.
    pub(super) fn parse(header: &'a str) -> Option<Self> {
        let parts = header.strip_prefix(ALGORITHM)?.strip_prefix(' ')?;
        let part = |name: &str| {
            parts
                .split(',')
                .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
                .filter(|v| !v.is_empty())
        };
        // From the right: an access key id is opaque.
        let mut scope = part("Credential")?.rsplitn(5, '/');
        if scope.next()? != "aws4_request" {
            return None;
        }
        let (service, region, date) = (scope.next()?, scope.next()?, scope.next()?);
        let access_key_id = scope.next()?;
        let signed_headers = part("SignedHeaders")?.split(';').collect();
        Some(Self { access_key_id, date, region, service, signed_headers, signature: part("Signature")? })
    }

    /// Whether the signature is that of `secret` over this request. Takes the same time wherever
    /// they differ.
    pub(super) fn is_by(&self, secret: &str, request: &Signed<'_>) -> bool {
        let wanted = self.signature_by(secret, request);
        verify_slices_are_equal(wanted.as_bytes(), self.signature.as_bytes()).is_ok()
    }

    /// Whether `header`, in lower case, is under the signature.
    pub(super) fn covers(&self, header: &str) -> bool {
        self.signed_headers.contains(&header)
    }

    /// The signature that `secret` gives: 64 hexadecimal digits.
    pub(super) fn signature_by(&self, secret: &str, request: &Signed<'_>) -> String {
        let Self { date, region, service, .. } = self;
        let canonical = sha256_hex(self.canonical_request(request).as_bytes());
        let timestamp = request.timestamp;
        let to_sign = format!("{ALGORITHM}\n{timestamp}\n{date}/{region}/{service}/aws4_request\n{canonical}");
        let mut key = hmac_sha256(format!("AWS4{secret}").as_bytes(), date);
        for step in [region, service, "aws4_request"] {
            key = hmac_sha256(key.as_ref(), step);
        }
        hex(hmac_sha256(key.as_ref(), &to_sign).as_ref())
    }

    fn canonical_request(&self, request: &Signed<'_>) -> String {
        let headers: String = self
            .signed_headers
            .iter()
            .map(|name| format!("{name}:{}\n", canonical_header(request.headers, name)))
            .collect();
        [
            request.method,
            &percent_encode(request.path.as_bytes(), b"/"),
            &canonical_query(request.query),
            &headers,
            &self.signed_headers.join(";"),
            &sha256_hex(request.body),
        ]
        .join("\n")
    }
}

/// All values of the header, each trimmed and with runs of spaces made one, separated by commas.
fn canonical_header(headers: &HeaderMap, name: &str) -> String {
    let tidy = |value: &[u8]| {
        let text = String::from_utf8_lossy(value);
        text.split(' ')
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    };
    headers
        .get_all(name)
        .iter()
        .map(|value| tidy(value.as_bytes()))
        .collect::<Vec<_>>()
        .join(",")
}

fn canonical_query(query: &str) -> String {
    let encode = |text: &str| percent_encode(&percent_decode(text), b"");
    let mut pairs: Vec<_> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    pairs.sort();
    pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&")
}

fn hmac_sha256(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&Key::new(HMAC_SHA256, key), text.as_bytes())
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// Lower case, as SigV4 wants it.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
