//! A request to the running proxy over HTTP, bounded in time and size.
//!
//! It is made in HTTP/1.0: the answer then comes as it is, and ends with the connection.

use std::io::{self, BufRead, BufReader, Read, Take, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::secret::Secret;

/// The longest wait for the connection, and for a request to be sent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The most bytes of an answer.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;

/// The most bytes of one line.
const MAX_LINE: u64 = 64 * 1024;

/// The most lines of an answer's head.
const MAX_HEAD_LINES: usize = 64;

/// An answer whose head has been read.
pub(super) struct HttpAnswer {
    /// The status code.
    pub(super) status: u16,
    body: BufReader<Take<TcpStream>>,
}

/// Sends a request, and reads the head of the answer. `patience` is the longest wait for the next
/// bytes.
///
/// # Errors
/// There is no connection or no answer in time; `InvalidData`: the answer is not HTTP.
pub(super) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&Secret>,
    patience: Duration,
) -> io::Result<HttpAnswer> {
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
    stream.set_write_timeout(Some(CONNECT_TIMEOUT))?;
    stream.set_read_timeout(Some(patience))?;
    let authorization = token.map(|token| Zeroizing::new(format!("Authorization: Bearer {}\r\n", token.expose())));
    let authorization = authorization.as_ref().map_or("", |line| line.as_str());
    let head = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: 0\r\n{authorization}\r\n");
    stream.write_all(Zeroizing::new(head).as_bytes())?;
    let mut body = BufReader::new(stream.take(MAX_ANSWER));
    let status = status(&line(&mut body)?).ok_or(io::ErrorKind::InvalidData)?;
    for _ in 0..MAX_HEAD_LINES {
        if line(&mut body)?.trim_ascii().is_empty() {
            return Ok(HttpAnswer { status, body });
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

impl HttpAnswer {
    /// The next line of the body. `None`: it is over.
    ///
    /// # Errors
    /// The next bytes did not come in time, or the line is too long.
    pub(super) fn line(&mut self) -> io::Result<Option<String>> {
        let line = line(&mut self.body)?;
        let is_over = line.is_empty();
        Ok((!is_over).then(|| String::from_utf8_lossy(&line).trim_end().to_owned()))
    }

    /// The whole body.
    ///
    /// # Errors
    /// It did not come in time, or is no UTF-8.
    pub(super) fn text(mut self) -> io::Result<String> {
        let mut text = String::new();
        self.body.read_to_string(&mut text)?;
        Ok(text)
    }
}

/// Reads a line with its end. Empty: there is none any more.
fn line(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    from.take(MAX_LINE).read_until(b'\n', &mut line)?;
    if line.last().is_some_and(|last| *last != b'\n') && line.len() as u64 == MAX_LINE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(line)
}

/// The code of a status line, such as `HTTP/1.0 200 OK`.
fn status(line: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(line).ok()?;
    let (version, rest) = line.split_once(' ')?;
    let is_http = version == "HTTP/1.0" || version == "HTTP/1.1";
    is_http.then(|| rest.get(..3)?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one request with these bytes; gives the request.
    fn answered(answer: &'static [u8], token: Option<&str>) -> (io::Result<HttpAnswer>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while reader.read_until(b'\n', &mut request).unwrap() > 2 {}
            // The client may have gone away.
            let _ = stream.write_all(answer);
            String::from_utf8(request).unwrap()
        });
        let token = token.map(|token| Secret::new(token.to_owned()));
        let answer = request(address, "POST", "/x", token.as_ref(), Duration::from_secs(30));
        (answer, server.join().unwrap().replace(&address.to_string(), "HERE"))
    }

    #[test]
    fn a_request_has_the_token_and_its_answer_is_read_by_lines() {
        let (answer, sent) = answered(b"HTTP/1.0 200 OK\r\nA: b\r\n\r\none\ntwo\r\nthree", Some("t"));
        let head = "POST /x HTTP/1.0\r\nHost: HERE\r\nContent-Length: 0\r\nAuthorization: Bearer t\r\n\r\n";
        assert_eq!(sent, head);
        let mut answer = answer.unwrap();
        assert_eq!(answer.status, 200);
        let lines: Vec<_> = std::iter::from_fn(|| answer.line().unwrap()).collect();
        assert_eq!(lines, ["one", "two", "three"]);
        let (answer, sent) = answered(b"HTTP/1.1 422 X\r\n\r\n{}\n", None);
        assert!(!sent.contains("Authorization"));
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.text().unwrap().as_str()), (422, "{}\n"));
    }

    #[test]
    fn what_is_not_http_is_refused() {
        let long = Vec::leak([b"HTTP/1.0 200 OK\r\n".as_slice(), &vec![b'x'; 100_000]].concat());
        let many = Vec::leak([b"HTTP/1.0 200 OK\r\n".as_slice(), &b"A: b\r\n".repeat(1000)].concat());
        for answer in [b"".as_slice(), b"S", b"E\0\0\0", b"HTTP/2 200\r\n\r\n", b"HTTP/1.0 abc\r\n\r\n", long, many] {
            assert!(answered(answer, None).0.is_err(), "{:?}", answer.escape_ascii());
        }
    }
}
