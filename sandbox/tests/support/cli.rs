//! The AWS CLI, a client that nobody here wrote.

use std::env;
use std::ffi::OsString;
use std::path::Path;

use redshift_sandbox::aws::{Aws, AwsOptions};
use serde_json::Value;
use tokio::process::Command;

/// Two attempts are enough to see that it tries again.
pub(crate) const ATTEMPTS: usize = 2;

/// Access keys.
pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

impl Keys {
    pub(crate) fn base() -> Self {
        let AwsOptions { access_key_id: id, secret_access_key: secret, .. } = AwsOptions::default();
        Self { id, secret, token: None }
    }

    /// From the answer to `assume-role`.
    pub(crate) fn of_session(answer: &Value) -> Self {
        let member = |name: &str| answer["Credentials"][name].as_str().expect(name).to_owned();
        Self { id: member("AccessKeyId"), secret: member("SecretAccessKey"), token: Some(member("SessionToken")) }
    }
}

/// `$AWS_CLI`, or the one among the workspace's tools, or the one on the PATH. If none works, the
/// test fails.
fn program() -> OsString {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin/aws");
    match env::var_os("AWS_CLI") {
        Some(program) => program,
        None if tool.exists() => tool.into(),
        None => "aws".into(),
    }
}

/// Runs the CLI with these keys. The answer, or what it says on stderr.
pub(crate) async fn cli(aws: &Aws, keys: &Keys, arguments: &[&str]) -> Result<Value, String> {
    let mut variables = vec![("AWS_ACCESS_KEY_ID", keys.id.as_str()), ("AWS_SECRET_ACCESS_KEY", &keys.secret)];
    variables.extend(
        keys.token
            .as_deref()
            .map(|token| ("AWS_SESSION_TOKEN", token)),
    );
    variables.push(("AWS_EC2_METADATA_DISABLED", "true"));
    cli_with(aws, &variables, arguments).await
}

/// Runs the CLI without anyone's own configuration, but with these variables.
pub(crate) async fn cli_with(aws: &Aws, variables: &[(&str, &str)], arguments: &[&str]) -> Result<Value, String> {
    let mut command = Command::new(program());
    command
        .args(arguments)
        .args(["--endpoint-url", &aws.url(), "--output", "json"])
        .env_clear()
        .kill_on_drop(true);
    // Where it finds itself and its Python.
    command.envs(
        ["PATH", "HOME"]
            .iter()
            .filter_map(|name| Some((name, env::var_os(name)?))),
    );
    command.envs([
        ("AWS_DEFAULT_REGION", "ap-southeast-2"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_PAGER", ""),
        ("AWS_STS_REGIONAL_ENDPOINTS", "regional"),
        ("AWS_RETRY_MODE", "standard"),
        ("AWS_MAX_ATTEMPTS", &ATTEMPTS.to_string()),
        ("NO_PROXY", "127.0.0.1"),
    ]);
    command.envs(variables.iter().copied());
    let output = command
        .output()
        .await
        .expect("no AWS CLI: set AWS_CLI, or put `aws` on the PATH");
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).expect("JSON"))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
