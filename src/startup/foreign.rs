//! Clients of other protocols that come to the port, known by their first bytes: scanners,
//! browsers, a wrong port number.

/// Recognizes what a peer sent by its first four bytes, which were read as the length of a startup
/// packet. `None`: it is nothing that we know.
pub(super) fn sent(length: u32) -> Option<&'static str> {
    match &length.to_be_bytes() {
        b"GET " | b"HEAD" | b"POST" | b"PUT " | b"DELE" | b"OPTI" | b"PATC" | b"CONN" | b"TRAC" | b"PRI " => {
            Some("an HTTP request")
        }
        b"SSH-" => Some("an SSH banner"),
        _ => None,
    }
}
