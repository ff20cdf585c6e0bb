//! A client of the admin addresses: HTTP/1.1, one request for each connection, bounded in time and
//! size; and promtool, which judges metrics.

use std::net::SocketAddr;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::process::Proxy;
use super::raw::SOON;

/// The greatest answer that is read, in bytes.
const MOST: u64 = 64 * 1024 * 1024;

/// An admin address, and the token for it.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(crate) address: SocketAddr,
    token: Option<String>,
}

/// The answer to one request.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The names are in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Admin {
    /// The address of a process that serves `admin` or `health`, once it is bound.
    pub(crate) async fn of(proxy: &mut Proxy, serves: &str, token: Option<&str>) -> Self {
        let line = proxy
            .wait_for_log(&format!("\"serves\":\"{serves}\""))
            .await;
        let (_, address) = line.split_once("\"address\":\"").unwrap();
        let address = address.split_once('"').unwrap().0.parse().unwrap();
        Self { address, token: token.map(str::to_owned) }
    }

    /// The admin address on this port of 127.0.0.1.
    pub(crate) fn on(port: u16, token: Option<&str>) -> Self {
        Self { address: ([127, 0, 0, 1], port).into(), token: token.map(str::to_owned) }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &[]).await
    }

    pub(crate) async fn post(&self, path: &str) -> Reply {
        self.request("POST", path, &[("content-length", "0")]).await
    }

    /// Sends a request with the token, if there is one, and these headers. A Host among them
    /// replaces that of the address.
    pub(crate) async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            head.push_str(&format!("host: {}\r\n", self.address));
        }
        if let Some(token) = &self.token {
            head.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let answer = self.say(head.as_bytes()).await;
        Reply::parse(&answer).unwrap_or_else(|| panic!("{method} {path}: no answer in {:?}", answer.escape_ascii()))
    }

    /// Sends these bytes, and reads until the other side closes, by close or reset. Fails if that
    /// takes longer than [`SOON`].
    pub(crate) async fn say(&self, bytes: &[u8]) -> Vec<u8> {
        let asked = async {
            let mut socket = TcpStream::connect(self.address).await.unwrap();
            // The other side may answer and close ahead of the end of a request that it refuses.
            let _ = socket.write_all(bytes).await;
            let mut answer = Vec::new();
            let _ = socket.take(MOST).read_to_end(&mut answer).await;
            answer
        };
        tokio::time::timeout(SOON, asked)
            .await
            .expect("the admin address answers and closes")
    }

    /// A scrape in Prometheus' older text format, which promtool reads.
    pub(crate) async fn scrape_text(&self) -> String {
        let reply = self
            .request("GET", "/metrics", &[("accept", "text/plain;version=0.0.4")])
            .await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }

    /// The value of a series of `/metrics`, such as
    /// `redshift_iam_proxy_config_reloads_total{outcome="ok"}`.
    pub(crate) async fn metric(&self, series: &str) -> Option<f64> {
        metric(&self.get("/metrics").await.body, series)
    }
}

impl Reply {
    fn parse(answer: &[u8]) -> Option<Self> {
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines
            .next()?
            .strip_prefix("HTTP/1.1 ")?
            .get(..3)?
            .parse()
            .ok()?;
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let chunked = headers
            .iter()
            .any(|(name, value)| name == "transfer-encoding" && value.eq_ignore_ascii_case("chunked"));
        let rest = &answer[end + 4..];
        let body = if chunked { dechunked(rest)? } else { rest.to_vec() };
        Some(Self { status, headers, body: String::from_utf8(body).expect("a body in UTF-8") })
    }

    /// The first header of this name, which is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body, as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// The bytes of chunks, up to the last, which is empty.
fn dechunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        let chunk = rest.get(line + 2..line + 2 + length)?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(chunk);
        rest = rest.get(line + 2 + length + 2..)?;
    }
}

/// The value of a series in the text of a scrape. Its labels are in the order of the text.
pub(crate) fn metric(text: &str, series: &str) -> Option<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
        .map(|value| value.split(' ').next().unwrap().parse().unwrap())
}

/// Lets Debian's promtool judge the text of a scrape, in Prometheus' older format: its complaints.
pub(crate) async fn promtool(text: &str) -> Result<(), String> {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("no promtool: scripts/install.sh test");
    let mut stdin = promtool.stdin.take().unwrap();
    let text = text.to_owned();
    let feeding = tokio::spawn(async move { stdin.write_all(text.as_bytes()).await });
    let judged = tokio::time::timeout(SOON, promtool.wait_with_output())
        .await
        .expect("promtool ends")
        .unwrap();
    // It may have ended ahead of the end of a text that it refuses.
    let _ = feeding.await.unwrap();
    let said = [judged.stdout, judged.stderr].concat();
    if judged.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) }
}
