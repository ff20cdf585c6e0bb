"""What is measured against what: a throw-away PostgreSQL, a stand-in upstream (fakepg.c), and one proxy or many.

Everything is on loopback, in one temporary folder, and ended by its own pid. Standard library only. Needs the programs
of a PostgreSQL server, psql, pgbench, openssl, and a C compiler with the headers of libpq and OpenSSL.
"""

import base64
import contextlib
import glob
import hashlib
import hmac
import json
import os
import pwd
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

# Who the client is towards the proxy, and who the proxy is towards the server.
USER, PASSWORD = "bench", "bench-pw"
UP_USER, UP_PASSWORD = "upuser", "up-pw"
SUPERUSER, SUPERUSER_PASSWORD = "postgres", "su-pw"
DATABASE = "bench"

# A machine that does something else as well is slow.
START_SECS = 30
END_SECS = 5

PGBOUNCER = """\
[databases]
* = host=127.0.0.1 port={up_port} dbname={db} user={up_user} password={up_password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {dir}/users.txt
pool_mode = session
server_tls_sslmode = require
client_tls_sslmode = allow
client_tls_cert_file = {cert}
client_tls_key_file = {key}
max_client_conn = 15000
default_pool_size = 15000
listen_backlog = 4096
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
"""

HAPROXY = """\
global
  maxconn 9900
defaults
  mode tcp
  timeout connect 10s
  timeout client 1h
  timeout server 1h
listen pg
  bind 127.0.0.1:{port}
  server s 127.0.0.1:{up_port}
"""

POSTGRES = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
ssl = on
ssl_cert_file = '{cert}'
ssl_key_file = '{key}'
max_connections = {max_connections}
shared_buffers = 256MB
work_mem = 1MB
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
max_wal_senders = 0
wal_level = minimal
jit = off
log_min_messages = fatal
max_parallel_workers_per_gather = 0
"""


class Failure(Exception):
    """Nothing can be measured: what to say."""


def entries(files=()):
    """The proxies, as the reference harness has them, and the two that need none.

    name; cmd (None: the server itself); config (files for its folder); legs, the client's, that it offers; benches, if
    not all; force_tls: TLS whatever the leg, for the upstream leg is always TLS too; as_postgres: refuses to be root.
    """
    found = [
        {"name": "direct-tls", "cmd": None, "legs": ["plain", "tls"], "force_tls": True},
        {"name": "direct-plain", "cmd": None, "legs": ["plain"]},
    ]
    if program := peer("PGBOUNCER", "pgbouncer"):
        users = {"users.txt": '"{user}" "{scram}"\n'}
        bouncer = {"cmd": f"{program} {{dir}}/pgb.ini", "legs": ["plain", "tls"], "as_postgres": True}
        found.append({"name": "pgbouncer", "config": {"pgb.ini": PGBOUNCER} | users} | bouncer)
        # One upstream session per client, as in an authentication proxy.
        fresh = {"pgb.ini": PGBOUNCER + "server_lifetime = 0\n"} | users
        found.append({"name": "pgbouncer-fresh", "config": fresh, "benches": ["connect"]} | bouncer)
    if program := peer("HAPROXY", "haproxy"):
        # Plaintext on both legs: it cannot speak PostgreSQL's SSLRequest.
        command = f"{program} -db -f {{dir}}/h.cfg"
        benches = ["query", "bulk", "bulkfake", "idle", "active"]
        config = {"h.cfg": HAPROXY}
        found.append({"name": "haproxy-tcp", "cmd": command, "legs": ["plain"], "config": config, "benches": benches})
    for file in [HERE / "ours.json", *files]:
        found += json.loads(Path(file).read_text())
    return found


def peer(variable, name):
    return os.environ.get(variable) or shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")


def server_programs():
    """The folder with PostgreSQL's server programs, as the sandbox looks for it."""
    folders = [os.environ.get("PG_BIN", ""), *sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)]
    for folder in folders + os.environ.get("PATH", "").split(":"):
        if folder and all((Path(folder) / name).is_file() for name in ("initdb", "postgres", "pgbench")):
            return Path(folder)
    raise Failure("no PostgreSQL server programs found ($PG_BIN, /usr/lib/postgresql/*/bin, PATH)")


def scram_verifier(password, rounds):
    salt = b"0123456789abcdef"
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    client_key, server_key = (hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key"))
    parts = [base64.b64encode(part).decode() for part in (salt, hashlib.sha256(client_key).digest(), server_key)]
    return f"SCRAM-SHA-256${rounds}:{parts[0]}${parts[1]}:{parts[2]}"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


# ---- What a process uses ----


def tree(pid):
    """The process and all below it."""
    found, todo = [], [pid]
    while todo:
        process = todo.pop()
        found.append(process)
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{process}/task"):
                todo += map(int, Path(f"/proc/{process}/task/{thread}/children").read_text().split())
    return found


def cpu_secs(process, with_ended=False):
    """User and system time of a process and those below it, with those of its children that have ended; 0 for None."""
    ticks = 0
    for pid in tree(process.pid) if process else []:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += sum(map(int, fields[11 : 15 if with_ended and pid == process.pid else 13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_kb(process):
    """Rss and Pss of a process and those below it."""
    sums = {"Rss": 0, "Pss": 0}
    for pid in tree(process.pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name in sums:
                    sums[name] += int(rest.split()[0])
    return sums["Rss"], sums["Pss"]


# ---- The lab ----


class Lab:
    """The servers, and the proxies that are up. A context manager: at its end everything is ended and removed."""

    def __init__(self, max_connections, scram_rounds):
        # The server's user must be able to read it.
        self.folder = Path(tempfile.mkdtemp(prefix="redshift-iam-proxy-bench."))
        self.folder.chmod(0o755)
        # What runs, and the signal that ends it.
        self.processes = {}
        self.max_connections = max_connections
        self.scram = scram_verifier(PASSWORD, scram_rounds)
        self.programs = server_programs()
        self.load, self.fake = self.folder / "load", self.folder / "fakepg"
        self.ca, self.cert, self.key = (self.folder / name for name in ("ca.crt", "server.crt", "server.key"))
        self.postgres_port = self.fake_port = None
        # By port.
        self.servers = {}

    def __enter__(self):
        try:
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            self.compile()
            self.certify()
            self.start_fake()
            self.start_postgres()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in list(self.processes)[::-1]:
            self.stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def compile(self):
        include = subprocess.run(
            ["pg_config", "--includedir"], capture_output=True, text=True, check=True
        ).stdout.strip()
        libraries = ["-lpq", "-lssl", "-lcrypto", "-lpthread"]
        for source, program in ((HERE / "load.c", self.load), (HERE / "fakepg.c", self.fake)):
            subprocess.run(["cc", "-O2", f"-I{include}", source, "-o", program, *libraries], check=True)

    def certify(self):
        """A CA, and a server certificate for 127.0.0.1 and localhost, P-256 both, which all servers here share."""
        ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        request, names, ca_key = self.folder / "server.csr", self.folder / "names", self.folder / "ca.key"
        names.write_text("subjectAltName = DNS:localhost, IP:127.0.0.1\nbasicConstraints = critical, CA:FALSE\n")
        own = ["req", "-x509", *ec, "-days", "2", "-subj", "/CN=bench CA", "-keyout", ca_key, "-out", self.ca]
        ask = ["req", *ec, "-subj", "/CN=localhost", "-keyout", self.key, "-out", request]
        by = ["-CA", self.ca, "-CAkey", ca_key, "-set_serial", "2", "-days", "2", "-extfile", names]
        for arguments in (own, ask, ["x509", "-req", "-in", request, *by, "-out", self.cert]):
            self.run(["openssl", *arguments])
        self.key.chmod(0o600)
        self.give_away(self.key)

    # -- processes --

    @staticmethod
    def is_root():
        return os.getuid() == 0

    def give_away(self, *paths):
        """To the user that PostgreSQL and PgBouncer run as."""
        if self.is_root():
            for path in paths:
                shutil.chown(path, server_user(), pwd.getpwnam(server_user()).pw_gid)

    def run(self, command, timeout=300, **options):
        """A program that ends; what it printed."""
        command = [str(word) for word in command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, **options)
        if done.returncode:
            raise RuntimeError(f"{Path(command[0]).name}: {done.stderr[-400:].strip() or done.stdout[-400:].strip()}")
        return done.stdout

    def as_server(self):
        """What to call a program with that refuses to run as root."""
        if not self.is_root():
            return []
        user = pwd.getpwnam(server_user())
        return [f"--reuid={user.pw_name}", f"--regid={user.pw_gid}", "--init-groups"]

    def spawn(self, command, log, as_server=False, how=signal.SIGTERM):
        """A program that stays; the kernel ends it should we be killed. `log`: a file in the lab's folder."""
        options = ["--pdeathsig", how.name.removeprefix("SIG"), *(self.as_server() if as_server else [])]
        command = ["setpriv", *options, "--", *(str(word) for word in command)]
        with open(self.folder / log, "ab") as out:
            # In a session of its own: Ctrl-C is for us, who then end them in order. ours.json needs this folder.
            process = subprocess.Popen(
                command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=ROOT, start_new_session=True
            )
        self.processes[process] = how
        return process

    def stop(self, process):
        how = self.processes.pop(process)
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(END_SECS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def wait_for(self, port, process, log):
        end = time.monotonic() + START_SECS
        while time.monotonic() < end:
            if process.poll() is not None:
                raise RuntimeError(f"it ended at once: {(self.folder / log).read_text(errors='replace')[-400:]}")
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            time.sleep(0.05)
        raise RuntimeError("its port did not open")

    # -- the servers --

    def start_fake(self):
        self.fake_port = free_port()
        process = self.spawn([self.fake, self.fake_port, self.cert, self.key], "fakepg.log")
        self.servers[self.fake_port] = process
        self.wait_for(self.fake_port, process, "fakepg.log")

    def start_postgres(self):
        data, password = self.folder / "pg", self.folder / "superuser"
        data.mkdir()
        password.write_text(SUPERUSER_PASSWORD)
        self.give_away(data, password)
        as_server = ["setpriv", *self.as_server(), "--"] if self.is_root() else []
        initdb = [self.programs / "initdb", "-D", data, "-U", SUPERUSER, "-A", "md5", f"--pwfile={password}", "-N"]
        self.run([*as_server, *initdb, "-E", "UTF8"], cwd=self.folder)
        self.postgres_port = free_port()
        values = {
            "port": self.postgres_port,
            "cert": self.cert,
            "key": self.key,
            "max_connections": self.max_connections,
        }
        with open(data / "postgresql.conf", "a") as file:
            file.write(POSTGRES.format(**values))
        (data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 md5\n")
        # SIGINT is its fast shutdown; SIGTERM would wait for clients.
        process = self.spawn([self.programs / "postgres", "-D", data], "postgres.log", True, signal.SIGINT)
        self.servers[self.postgres_port] = process
        self.wait_for(self.postgres_port, process, "postgres.log")

        def psql(database, sql):
            dsn = self.dsn(self.postgres_port, "plain", SUPERUSER, SUPERUSER_PASSWORD, database)
            self.run(["psql", dsn, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql])
            return dsn

        for _ in range(START_SECS * 10):
            with contextlib.suppress(RuntimeError):
                psql("postgres", "select 1")
                break
            time.sleep(0.1)
        # MD5: what the real warehouse asks for is as cheap. The client's verifier is the proxies' too.
        psql("postgres", f"set password_encryption = 'md5'; create role {UP_USER} login password '{UP_PASSWORD}'")
        psql("postgres", f"create role {USER} login password '{self.scram}'")
        psql("postgres", f"create database {DATABASE}")
        dsn = psql(DATABASE, "create unlogged table sink (b bytea)")
        self.run([self.programs / "pgbench", "-i", "-q", "-s", "2", "-I", "dtGvp", dsn])
        psql(DATABASE, "grant all on all tables in schema public to public")

    @staticmethod
    def dsn(port, leg, user=USER, password=PASSWORD, database=DATABASE):
        return (
            f"host=127.0.0.1 port={port} user={user} password={password} dbname={database} gssencmode=disable "
            f"channel_binding=disable sslmode={'require' if leg == 'tls' else 'disable'}"
        )

    # -- the proxies --

    def start(self, entry, up_port):
        """Starts a proxy in front of a server."""
        if not entry.get("cmd"):
            return Proxy(entry, up_port, None)
        folder = Path(tempfile.mkdtemp(prefix=entry["name"] + ".", dir=self.folder))
        port, cert, key = free_port(), folder / "server.crt", folder / "server.key"
        shutil.copy(self.cert, cert)
        shutil.copy(self.key, key)
        values = {"port": port, "up_port": up_port, "dir": folder, "cert": cert, "key": key, "ca": self.ca}
        values |= {"user": USER, "password": PASSWORD, "up_user": UP_USER, "up_password": UP_PASSWORD}
        values |= {"db": DATABASE, "scram": self.scram}
        for name, text in entry.get("config", {}).items():
            (folder / name).write_text(text.format(**values))
        as_server = entry.get("as_postgres", False)
        if as_server:
            self.give_away(folder, *folder.iterdir())
        log = folder / "log"
        process = self.spawn(shlex.split(entry["cmd"].format(**values)), log, as_server)
        try:
            self.wait_for(port, process, log)
        except BaseException:
            self.stop(process)
            raise
        return Proxy(entry, port, process)


def server_user():
    """As root, PostgreSQL and PgBouncer refuse to run."""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise Failure("running as root, and there is neither a user postgres nor nobody to run PostgreSQL as")


class Proxy:
    """An entry; with a port, one that is up."""

    def __init__(self, entry, port=None, process=None):
        self.entry, self.name, self.legs = entry, entry["name"], entry.get("legs", ["plain", "tls"])
        self.port, self.process = port, process

    def dsn(self, leg):
        return Lab.dsn(self.port, "tls" if self.entry.get("force_tls") else leg)
