use hyper::header::{HeaderName, HeaderValue};

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A case of the AWS Signature Version 4 test suite, named after its directory.
struct Vector {
    name: &'static str,
    method: &'static str,
    query: &'static str,
    /// Besides `host` and `x-amz-date`.
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    signed_headers: &'static str,
    signature: &'static str,
}

const PLAIN: Vector = Vector {
    name: "get-vanilla",
    method: "GET",
    query: "",
    headers: &[],
    body: "",
    signed_headers: "host;x-amz-date",
    signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
};

const VECTORS: &[Vector] = &[
    PLAIN,
    Vector {
        name: "get-vanilla-query-order-key-case",
        query: "Param2=value2&Param1=value1",
        signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ..PLAIN
    },
    Vector {
        name: "get-header-key-duplicate",
        headers: &[("my-header1", "value2"), ("my-header1", "value2"), ("my-header1", "value1")],
        signed_headers: "host;my-header1;x-amz-date",
        signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ..PLAIN
    },
    Vector {
        name: "get-header-value-trim",
        headers: &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
        signed_headers: "host;my-header1;my-header2;x-amz-date",
        signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ..PLAIN
    },
    Vector {
        name: "post-vanilla",
        method: "POST",
        signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ..PLAIN
    },
    Vector {
        name: "post-x-www-form-urlencoded",
        method: "POST",
        headers: &[
            ("content-type", "application/x-www-form-urlencoded"),
            ("content-length", "13"),
            ("x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"),
        ],
        body: "Param1=value1",
        signed_headers: "content-length;content-type;host;x-amz-content-sha256;x-amz-date",
        signature: "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
        ..PLAIN
    },
];

#[test]
fn the_published_vectors_are_met() {
    for vector in VECTORS {
        let Vector { name, method, query, body, signed_headers, signature, .. } = *vector;
        let mut headers = HeaderMap::new();
        let common = [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")];
        for &(name, value) in common.iter().chain(vector.headers) {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let header = format!(
            "{ALGORITHM} Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders={signed_headers}, Signature={signature}"
        );
        let authorization = Authorization::parse(&header).expect("well-formed");
        assert_eq!(authorization.access_key_id, "AKIDEXAMPLE");
        let body = body.as_bytes();
        let request = Signed { method, path: "/", query, headers: &headers, body, timestamp: "20150830T123600Z" };
        assert_eq!(authorization.signature_by(SECRET, &request), signature, "{name}");
        assert!(authorization.is_by(SECRET, &request), "{name}");
        assert!(!authorization.is_by("another", &request), "{name}");
        assert!(!authorization.is_by(SECRET, &Signed { body: b"changed", ..request }), "{name}");
    }
}

#[test]
fn a_header_with_a_part_missing_is_not_read() {
    for header in [
        "",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA512 Credential=A/20150830/r/s/aws4_request, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=A/20150830/r/s/aws4_request, SignedHeaders=host",
        "AWS4-HMAC-SHA256 Credential=A/20150830/r/s/aws4_request, SignedHeaders=host, Signature=",
        "AWS4-HMAC-SHA256 Credential=20150830/r/s/aws4_request, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=A/20150830/r/s/aws5_request, SignedHeaders=host, Signature=0",
    ] {
        assert_eq!(Authorization::parse(header), None, "{header}");
    }
}
