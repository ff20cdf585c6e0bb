//! moto: an AWS that nobody here wrote. It checks no signature, no policy and no trust, and has no
//! Redshift Serverless; the sandbox has. What it does have, it has from elsewhere.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};

/// moto takes any keys; these have no other meaning.
pub(crate) const KEYS: (&str, &str) = ("testing", "testing");

/// The Region of the fixtures. Clients of another Region find nothing.
pub(crate) const REGION: &str = "ap-southeast-2";

/// The account of all fixtures.
pub(crate) const ACCOUNT: &str = "123456789012";

/// A running server. Killed when dropped, and with it all that it holds.
pub(crate) struct Moto {
    _child: Child,
    address: String,
    log: Arc<Mutex<String>>,
}

impl Moto {
    /// Starts it on a free port, and waits until it listens.
    pub(crate) async fn start() -> Self {
        let mut command = Command::new(tool("MOTO_SERVER", "moto_server"));
        command.args(["-H", "127.0.0.1", "-p", "0"]).env_clear();
        command.envs(
            ["PATH", "HOME"]
                .iter()
                .filter_map(|name| Some((name, env::var_os(name)?))),
        );
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .expect("no moto_server: scripts/install.sh test");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let found = tokio::time::timeout(super::raw::SOON * 2, listening(&mut lines, &log)).await;
        let address = found.unwrap_or_else(|_| panic!("moto does not listen:\n{}", log.lock().unwrap()));
        // It writes a line for each request, and would stop when nobody reads them.
        let all = log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                note(&all, &line);
            }
        });
        Self { _child: child, address, log }
    }

    /// `http://127.0.0.1:PORT`, for `aws.endpoint_url` and `AWS_ENDPOINT_URL`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The log of moto: a line for each request.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// How many requests it has answered, and told of.
    pub(crate) fn requests(&self) -> usize {
        self.log()
            .lines()
            .filter(|line| line.contains("\"POST / HTTP/"))
            .count()
    }

    /// The environment for a client of moto, such as the proxy.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ACCESS_KEY_ID", KEYS.0.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", KEYS.1.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// The AWS CLI's answer, or what it says on stderr. It takes a second; fixtures have quicker
    /// ways.
    pub(crate) async fn cli(&self, arguments: &[&str]) -> Result<Value, String> {
        let mut command = Command::new(tool("AWS_CLI", "aws"));
        command
            .args(arguments)
            .args(["--output", "json"])
            .env_clear()
            .kill_on_drop(true);
        command.envs(
            ["PATH", "HOME"]
                .iter()
                .filter_map(|name| Some((name, env::var_os(name)?))),
        );
        command.envs(self.environment());
        command.envs([("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")]);
        command.envs([("AWS_PAGER", ""), ("NO_PROXY", "127.0.0.1")]);
        let output = command
            .output()
            .await
            .expect("no AWS CLI: scripts/install.sh test");
        if output.status.success() {
            Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Adds or replaces a SecureString.
    pub(crate) async fn put_parameter(&self, name: &str, value: &str) {
        self.put_parameter_of("SecureString", name, value).await;
    }

    /// Adds or replaces a parameter of this type.
    pub(crate) async fn put_parameter_of(&self, kind: &str, name: &str, value: &str) {
        let body = json!({ "Name": name, "Value": value, "Type": kind, "Overwrite": true });
        self.json("ssm", "AmazonSSM.PutParameter", &body).await;
    }

    /// Adds a secret: its ARN.
    pub(crate) async fn put_secret(&self, name: &str, text: &str) -> String {
        let body = json!({ "Name": name, "SecretString": text, "ClientRequestToken": token() });
        let answer = self
            .json("secretsmanager", "secretsmanager.CreateSecret", &body)
            .await;
        answer["ARN"].as_str().unwrap().to_owned()
    }

    /// Adds a DynamoDB table with the partition key `conn_id`.
    pub(crate) async fn put_table(&self, name: &str) {
        let body = json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{ "AttributeName": "conn_id", "AttributeType": "S" }],
            "KeySchema": [{ "AttributeName": "conn_id", "KeyType": "HASH" }],
        });
        self.json("dynamodb", "DynamoDB_20120810.CreateTable", &body)
            .await;
    }

    /// Adds or replaces an item, which is in DynamoDB's typed form.
    pub(crate) async fn put_item(&self, table: &str, item: &Value) {
        let body = json!({ "TableName": table, "Item": item });
        self.json("dynamodb", "DynamoDB_20120810.PutItem", &body)
            .await;
    }

    /// Removes the item with this `conn_id`.
    pub(crate) async fn delete_item(&self, table: &str, conn_id: &str) {
        let body = json!({ "TableName": table, "Key": { "conn_id": { "S": conn_id } } });
        self.json("dynamodb", "DynamoDB_20120810.DeleteItem", &body)
            .await;
    }

    /// Adds a Redshift cluster with the database `dev`. Its endpoint is a name of AWS's that leads
    /// nowhere.
    pub(crate) async fn put_cluster(&self, identifier: &str) {
        let body = format!(
            "Action=CreateCluster&Version=2012-12-01&ClusterIdentifier={identifier}&NodeType=ra3.large\
             &MasterUsername=awsuser&MasterUserPassword=Passw0rd1&DBName=dev"
        );
        let kind = "content-type: application/x-www-form-urlencoded; charset=utf-8\r\n";
        self.post("redshift", kind, &body).await;
    }

    async fn json(&self, service: &str, target: &str, body: &Value) -> Value {
        let headers = format!("content-type: application/x-amz-json-1.1\r\nx-amz-target: {target}\r\n");
        let answer = self.post(service, &headers, &body.to_string()).await;
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }

    /// The body of the answer, which must be a 200. The signature only tells moto service and
    /// Region.
    async fn post(&self, service: &str, headers: &str, body: &str) -> String {
        let (address, length, id) = (&self.address, body.len(), KEYS.0);
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\
             authorization: AWS4-HMAC-SHA256 Credential={id}/20260101/{REGION}/{service}/aws4_request, \
             SignedHeaders=host, Signature=0\r\n\r\n{body}"
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{service}: {answer}\n{}", self.log());
        body.to_owned()
    }
}

/// Until it says where it listens, which it does once it can be connected to.
async fn listening(lines: &mut Lines<BufReader<ChildStderr>>, log: &Mutex<String>) -> String {
    while let Some(line) = lines.next_line().await.unwrap() {
        note(log, &line);
        if let Some((_, address)) = line.split_once("Running on http://") {
            return address.trim().to_owned();
        }
    }
    panic!("moto has ended:\n{}", log.lock().unwrap());
}

fn note(log: &Mutex<String>, line: &str) {
    let mut log = log.lock().unwrap();
    log.push_str(line);
    log.push('\n');
}

/// 32 characters that no two secrets share, as CreateSecret wants of who sends none itself.
fn token() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{:032x}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The program that the variable names, or the one among the workspace's tools, or the one on the
/// PATH.
fn tool(variable: &str, name: &str) -> OsString {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/tools/bin")
        .join(name);
    match env::var_os(variable) {
        Some(program) => program,
        None if tool.exists() => tool.into(),
        None => name.into(),
    }
}
