"""What the drivers log in through: a sandbox and two proxies of its own, on free ports, with certificates made for the run."""

import json
import os
import queue
import re
import subprocess
import threading
import time
from pathlib import Path

PROGRAMS = Path(os.environ.get("BIN_DIR", "target/debug"))

# A machine that builds something else at the same time is slow.
START_SECS = 120
END_SECS = 60

USER, PASSWORD, CONN_ID, DATABASE = "demo", "demo-password", "sales", "dev"

# Leads to the same database, and is told by the application name of its sessions.
OTHER_CONN_ID = "stores"

# Of `url`.
FORMATS = ("psql", "env", "uri", "jdbc", "odbc", "sqlalchemy", "dbt")

# What redshift-sandbox serves (AwsOptions::default() in sandbox/src/aws/options.rs).
CONFIG = """\
[listen]
address = "127.0.0.1:0"

[listen.tls]
mode = "{mode}"
cert = "server.crt"
key = "server.key"

[log]
format = "json"

[aws]
region = "ap-southeast-2"
endpoint_url = "{aws}"

[upstream]
ca = "sandbox.crt"

[connections.{conn_id}]
type = "redshift-serverless"
host = "localhost"
port = {warehouse_port}
database = "{database}"
workgroup = "analytics"
role_arn = "arn:aws:iam::123456789012:role/rs01"
external_id = "/lava/demo/rs01-external-id"

[connections.{other_conn_id}]
type = "redshift-serverless"
host = "localhost"
port = {warehouse_port}
database = "{database}"
workgroup = "analytics"
role_arn = "arn:aws:iam::123456789012:role/rs01"
external_id = "/lava/demo/rs01-external-id"
application_name = "{{conn_id}}"

[users.{user}]
password = "env:DRIVERS_PASSWORD"
connections = ["{conn_id}", "{other_conn_id}"]

[admin]
users = ["{user}"]
"""


class Failure(Exception):
    """Nothing can be tried: what to say."""


def base_environment():
    """Ours, without the settings of AWS, PostgreSQL and HTTP proxies that would lead elsewhere."""
    kept = {k: v for k, v in os.environ.items() if k == "PG_BIN" or not k.startswith(("AWS_", "PG", "RUST_LOG"))}
    kept.pop("REDSHIFT_IAM_PROXY_CONFIG", None)
    return kept | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


class Service:
    """A program that runs until it is told to end. One of its streams, `watched`, is read line by line; its stderr
    goes into the file `log` in any case."""

    def __init__(self, name, arguments, environment, log, watched):
        self.name, self.log, self.lines = name, log, queue.Queue()
        # If this script is killed, the kernel ends it.
        command = ["setpriv", "--pdeathsig", "TERM", *map(str, arguments)]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": log.open("wb")}
        streams[watched] = subprocess.PIPE
        self.process = subprocess.Popen(command, env=environment, start_new_session=True, **streams)
        pipe, copy = getattr(self.process, watched), log.open("ab") if watched == "stderr" else None
        threading.Thread(target=self._read, args=(pipe, copy), daemon=True).start()

    def _read(self, pipe, copy):
        for line in pipe:
            if copy:
                copy.write(line)
                copy.flush()
            self.lines.put(line.decode(errors="replace").rstrip("\n"))
        self.lines.put(None)

    def wait_for(self, wanted):
        """The first thing that `wanted` makes of a line."""
        deadline = time.monotonic() + START_SECS
        while True:
            try:
                line = self.lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise Failure(f"{self.name} did not start:\n{self.log.read_text(errors='replace')}")
            if (found := wanted(line)) is not None:
                return found

    def end(self):
        """Asks it to end and waits; by its own pid."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(END_SECS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def openssl(*arguments, folder):
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"openssl {arguments[0]}: {done.stderr}")


def make_certificates(folder):
    """ca.crt, and server.crt with server.key that it signed, for localhost; as strict clients (Python 3.13) want them.
    wrong-ca.crt is another authority, of the same name, that signed nothing."""
    (folder / "leaf.ext").write_text(
        "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    constraints = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    for name in ("ca", "wrong-ca"):
        openssl("req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.crt", "-days", "2",
                "-subj", "/CN=drivers CA", *constraints, folder=folder)
    openssl("req", "-new", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost", folder=folder)
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", "server.crt", "-days", "2", "-extfile", "leaf.ext", folder=folder)


def start_sandbox(folder, services):
    arguments = [PROGRAMS / "redshift-sandbox", "serve", "--aws", "127.0.0.1:0", "--warehouse", "127.0.0.1:0",
                 "--ca-out", folder / "sandbox.crt"]
    log = folder / "sandbox.log"
    sandbox = Service("the sandbox", arguments, base_environment() | {"NO_COLOR": "1"}, log, "stdout")
    services.append(sandbox)
    sandbox.wait_for(lambda line: True if line == "ready" else None)
    said = log.read_text(errors="replace")
    found = {
        "aws": re.search(r"^AWS endpoint +(http://\S+)$", said, re.M),
        "warehouse_port": re.search(r"^warehouse +127\.0\.0\.1:(\d+),", said, re.M),
        "key": re.search(r"\bAWS_ACCESS_KEY_ID=(\S+)", said),
        "secret": re.search(r"\bAWS_SECRET_ACCESS_KEY=(\S+)", said),
    }
    if absent := [name for name, match in found.items() if not match]:
        raise Failure(f"the sandbox does not say {', '.join(absent)}:\n{said}")
    return {name: match[1] for name, match in found.items()}


def start_proxy(folder, services, sandbox, mode):
    """Its port. `mode` is listen.tls.mode."""
    config = folder / f"{mode}.toml"
    config.write_text(CONFIG.format(conn_id=CONN_ID, other_conn_id=OTHER_CONN_ID, database=DATABASE, user=USER, mode=mode,
                                    **sandbox))
    environment = base_environment() | {
        "AWS_ACCESS_KEY_ID": sandbox["key"],
        "AWS_SECRET_ACCESS_KEY": sandbox["secret"],
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "DRIVERS_PASSWORD": PASSWORD,
    }
    proxy = Service("the proxy", [PROGRAMS / "redshift-iam-proxy", "--config", config, "serve"], environment,
                    folder / f"{mode}.log", "stderr")
    services.append(proxy)
    return proxy.wait_for(listening)


def listening(line):
    """The port in the proxy's log event `listening`."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if isinstance(event, dict) and event.get("message") == "listening":
        return int(event["address"].rpartition(":")[2])
    return None


def pasted(folder, port, form):
    """What `url` prints for the proxy on this port."""
    config = folder / "url.toml"
    config.write_text((folder / "require.toml").read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
    command = [PROGRAMS / "redshift-iam-proxy", "--config", config, "url", CONN_ID, "--user", USER, "--format", form]
    done = subprocess.run(command, env=base_environment() | {"DRIVERS_PASSWORD": PASSWORD}, capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise Failure(f"url --format {form}: {done.stderr}")
    return done.stdout.removesuffix("\n")


def start(folder, services):
    """Starts all of it, each program appended to `services`; what the drivers' programs find in their environment."""
    make_certificates(folder)
    sandbox = start_sandbox(folder, services)
    port = start_proxy(folder, services, sandbox, "require")
    urls = {f"PROXY_URL_{form.upper()}": pasted(folder, port, form) for form in FORMATS}
    return base_environment() | urls | {
        "PROXY_HOST": "localhost",
        "PROXY_PORT": str(port),
        "PROXY_PLAIN_PORT": str(start_proxy(folder, services, sandbox, "prefer")),
        "PROXY_USER": USER,
        "PROXY_PASSWORD": PASSWORD,
        "PROXY_DATABASE": CONN_ID,
        "PROXY_OTHER_DATABASE": OTHER_CONN_ID,
        "PROXY_REAL_DATABASE": DATABASE,
        "PROXY_CA": str(folder / "ca.crt"),
        "PROXY_WRONG_CA": str(folder / "wrong-ca.crt"),
        # No one's ~/.postgresql, .pgpass or .netrc.
        "HOME": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        # Of the C locale some drivers make ASCII.
        "LC_ALL": "C.UTF-8",
    }


def logs(folder):
    """What both proxies said."""
    return "".join((folder / f"{mode}.log").read_text(errors="replace") for mode in ("require", "prefer"))
