#!/usr/bin/env python3
"""What many connections and users cost: to start, to `check --offline`, in memory, and at a login.

    bench/scale.py [PROGRAM ...]

Each program, target/debug/redshift-iam-proxy by default, reads the same configurations: 100 files by `include`, 20 groups
of 20 rights, and 1,250 × 5,000, 2,500 × 10,000 and 5,000 × 20,000 connections and users. A table of Markdown is printed.
Files are in a temporary folder. Nothing but the proxy's own port on 127.0.0.1 is connected to: AWS is an address there
where nobody listens, and no login that is measured gets as far as AWS.
"""

import argparse
import os
import pathlib
import re
import resource
import socket
import ssl
import statistics
import struct
import subprocess
import tempfile
import time

SIZES = [(1250, 5000), (2500, 10_000), (5000, 20_000)]
FILES = 100
GROUPS = 20
RIGHTS = 20
LOGINS = 25
# Longest that `check --offline` may take, in seconds; then a lower bound is printed.
PATIENCE = 60

# The verifier of "demo-password", as in proxy.toml.
PASSWORD = "demo-password"
VERIFIER = (
    "SCRAM-SHA-256$4096:CMEcUGp3dB6cCe4FOUmUNA==$dKxkeiy6F0VhCKBUkeQZiFnE+CcCvz3LtFtJjbvbXto="
    ":PSi0TyRVYa2NZopqlhMxCHeq4Ea0cViSGg4BNGc3eiQ="
)


def conn_id(number):
    return f"team-{number % 100:02}-mart-{number:04}"


def connection(number):
    return (
        f'[connections.{conn_id(number)}]\ntype = "redshift-serverless"\nworkgroup = "wg-{number}"\n'
        f'host = "wg-{number}.123456789012.eu-west-1.redshift-serverless.amazonaws.com"\ndatabase = "dev"\n'
        f'role_arn = "arn:aws:iam::123456789012:role/rs-{number % 50}"\n'
    )


def group(number, connections):
    """Ten names, eight globs with a beginning, one with an end, and one that leads nowhere near."""
    names = [conn_id((number * 7 + at * 131) % connections) for at in range(RIGHTS // 2)]
    globs = [f"team-{(number * 5 + at) % 100:02}-*" for at in range(RIGHTS // 2 - 2)]
    rights = [*names, *globs, f"*-mart-{number:04}", f"*-mart-?{number:02}1"]
    listed = ", ".join(f'"{right}"' for right in rights)
    return f"[groups.g{number:02}]\nconnections = [{listed}]\n"


def user(number, connections):
    return (
        f'[users.user-{number:05}]\npassword = "{VERIFIER}"\ngroups = ["g{number % GROUPS:02}"]\n'
        f'connections = ["{conn_id(number % connections)}"]\n'
    )


def write(folder, connections, users):
    """proxy.toml and what it includes. Each user has a group and a connection of its own; `probe` has a group."""
    parts = folder / "conf.d"
    parts.mkdir()
    entries = [connection(at) for at in range(connections)] + [user(at, connections) for at in range(users)]
    for file in range(FILES - 1):
        (parts / f"{file:02}.toml").write_text("".join(entries[file :: FILES - 1]))
    probe = f'[users.probe]\npassword = "{VERIFIER}"\nmethod = "cleartext"\ngroups = ["g00"]\n'
    (parts / f"{FILES - 1}.toml").write_text("".join(group(at, connections) for at in range(GROUPS)) + probe)
    (folder / "proxy.toml").write_text(
        'include = ["conf.d/*.toml"]\n[listen]\naddress = "127.0.0.1:0"\n'
        '[aws]\nregion = "eu-west-1"\nendpoint_url = "http://127.0.0.1:9"\n[log]\nformat = "json"\n'
    )
    return folder / "proxy.toml"


def environment():
    keys = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_EC2_METADATA_DISABLED": "true"}
    return {"PATH": os.environ["PATH"], "RUST_LOG": "warn,redshift_iam_proxy::app=info", **keys}


def checked(program, config):
    """CPU seconds and MB of output of `check --offline` over all, as text."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [program, "--config", config, "check", "--offline"]
    try:
        done = subprocess.run(command, env=environment(), capture_output=True, timeout=PATIENCE, check=True)
    except subprocess.TimeoutExpired:
        return f"> {PATIENCE}", "?"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return f"{cpu:.2f}", f"{len(done.stdout) / 1e6:.1f}"


class Proxy:
    """A proxy that listens; what it took of CPU until then, and of memory."""

    def __init__(self, program, config):
        self.process = subprocess.Popen([program, "--config", config], env=environment(), stderr=subprocess.PIPE)
        self.port = None
        for line in self.process.stderr:
            address = re.search(rb'"address":"127\.0\.0\.1:(\d+)"', line)
            if address:
                self.port = int(address[1])
                break
        if self.port is None:
            raise SystemExit("the proxy did not start")
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        self.cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        self.rss = int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def login(self, database):
        """Milliseconds from the password to the answer, and whether that is AuthenticationOk."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as tcp:
            tcp.sendall(struct.pack("!II", 8, 80877103))
            assert tcp.recv(1) == b"S"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(tcp) as tls:
                body = struct.pack("!I", 196608) + f"user\0probe\0database\0{database}\0\0".encode()
                tls.sendall(struct.pack("!I", len(body) + 4) + body)
                assert tls.recv(64)[:1] == b"R"
                password = PASSWORD.encode() + b"\0"
                began = time.perf_counter()
                tls.sendall(b"p" + struct.pack("!I", len(password) + 4) + password)
                answer = tls.recv(4096)
                return (time.perf_counter() - began) * 1000, answer[:1] == b"R"


def logins(proxy, database, is_let_in):
    """Median of several; each has to end as it should."""
    took = [proxy.login(database) for _ in range(LOGINS)]
    assert all(is_in == is_let_in for _, is_in in took), took
    return statistics.median(ms for ms, _ in took)


def measure(program, config):
    with Proxy(program, config) as proxy:
        known = logins(proxy, conn_id(0), True)
        unknown = logins(proxy, "nowhere", False)
        database = logins(proxy, "dev", False)
    logged_in = (f"{ms:.1f}" for ms in (known, unknown, database))
    return f"{proxy.cpu:.2f}", f"{proxy.rss:.0f}", *checked(program, config), *logged_in


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs", nargs="*", default=["target/debug/redshift-iam-proxy"], metavar="PROGRAM")
    programs = parser.parse_args().programs
    print("| program | connections × users | start, CPU s | RSS, MiB | check --offline, CPU s | its output, MB |", end="")
    print(" login to a known name, ms | to an unknown one, ms | to a database that many have, ms |")
    print("| --- " * 9 + "|")
    for connections, users in SIZES:
        with tempfile.TemporaryDirectory(prefix="scale-") as folder:
            config = write(pathlib.Path(folder), connections, users)
            for program in programs:
                cells = " | ".join(measure(program, config))
                print(f"| {pathlib.Path(program).name} | {connections:,} × {users:,} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
