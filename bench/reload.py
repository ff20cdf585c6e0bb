#!/usr/bin/env python3
"""What reloads of a large configuration do to the queries that run meanwhile.

    bench/reload.py [--seconds N] [--clients N] [--rate N]

A proxy with the configuration of bench/scale.py (5,000 connections, 20,000 users) and the sandbox's warehouse behind one
connection more. pgbench asks at a fixed rate, so that a query that had to wait for its turn counts from when it was due.
Meanwhile the configuration is changed and reloaded by POST /reload, and left alone for as long as that took, in turns: a
query belongs to the reloads if it was under way during one. A table of Markdown is printed. All of it is on loopback.
"""

import argparse
import http.client
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

import scale

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "drivers"))
import rig  # noqa: E402

CONNECTIONS, USERS = scale.SIZES[-1]
TOKEN = "reload-bench-token-0123456789"
# Longest that one reload may take, in seconds.
LONGEST = 120

# What the configuration of bench/scale.py has besides.
MORE = """\
[admin]
address = "127.0.0.1:0"
token = "file:token"

[upstream]
ca = "sandbox.crt"

[connections.load]
type = "redshift-serverless"
host = "localhost"
port = {warehouse_port}
database = "dev"
workgroup = "analytics"
role_arn = "arn:aws:iam::123456789012:role/rs01"
external_id = "/lava/demo/rs01-external-id"
description = "as at the start"

[users.load]
password = "{verifier}"
connections = ["load"]
"""


def write(folder, sandbox):
    """The configuration, which is returned, and the file of the token."""
    config = scale.write(folder, CONNECTIONS, USERS)
    text = config.read_text().replace("http://127.0.0.1:9", sandbox["aws"]).replace("eu-west-1", "ap-southeast-2")
    config.write_text(text + MORE.format(verifier=scale.VERIFIER, **sandbox))
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    return config


def start_proxy(folder, config, sandbox, services):
    """The process id, the port of clients and that of the admin address."""
    environment = rig.base_environment() | {
        "AWS_ACCESS_KEY_ID": sandbox["key"],
        "AWS_SECRET_ACCESS_KEY": sandbox["secret"],
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    command = [rig.PROGRAMS / "redshift-iam-proxy", "--config", config, "serve"]
    proxy = rig.Service("the proxy", command, environment, folder / "proxy.log", "stderr")
    services.append(proxy)
    ports = {}

    def both(line):
        try:
            event = json.loads(line)
        except ValueError:
            return None
        if event.get("message") in ("listening", "admin address bound"):
            ports[event.get("serves", "clients")] = int(event["address"].rpartition(":")[2])
        return ports if {"clients", "admin"} <= ports.keys() else None

    proxy.wait_for(both)
    return proxy.process.pid, ports["clients"], ports["admin"]


def rss_mib(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def reload(port):
    """Reloads, and waits until it is done."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST)
    connection.request("POST", "/reload", headers={"Authorization": f"Bearer {TOKEN}"})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"POST /reload: {answer.status} {body}")


def start_load(folder, port, arguments):
    (folder / "query.sql").write_text("select 1;\n")
    command = ["pgbench", "-n", "-M", "extended", "-c", arguments.clients, "-j", 1, "-T", arguments.seconds]
    command += ["-R", arguments.rate, "-f", folder / "query.sql", "-l", "--log-prefix", folder / "latency"]
    command += [f"host=127.0.0.1 port={port} user=load password={scale.PASSWORD} dbname=load sslmode=require"]
    return subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=rig.base_environment() | {"HOME": str(folder)},
    )


def latencies(folder):
    """Beginning and end of each query, in seconds of the epoch."""
    for file in folder.glob("latency.*"):
        for line in file.read_text().splitlines():
            _, _, took, _, secs, usecs, *_ = line.split()
            end = int(secs) + int(usecs) / 1e6
            yield end - int(took) / 1e6, end


def quantile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def measure(folder, config, ports, pid, arguments):
    clients, admin = ports
    text = config.read_text()
    reload(admin)
    before = rss_mib(pid)
    load = start_load(folder, clients, arguments)
    # All clients have to be logged in: then there is a first line.
    while not any(folder.glob("latency.*")) or not any(latencies(folder)):
        if load.poll() is not None:
            raise SystemExit(load.stdout.read())
        time.sleep(0.1)
    reloads, first, stop = [], time.time(), time.time() + arguments.seconds - 5
    while time.time() < stop:
        config.write_text(text.replace("as at the start", f"reload {len(reloads)}"))
        began = time.time()
        reload(admin)
        reloads.append((began, time.time()))
        time.sleep(min(reloads[-1][1] - began, max(0, stop - time.time())))
    said = load.communicate(timeout=arguments.seconds + 60)[0]
    if load.returncode or "number of failed transactions: 0 " not in said:
        raise SystemExit(said)
    after = rss_mib(pid)
    sides = {"during reloads": [], "between them": []}
    for began, end in latencies(folder):
        if began < first or end > stop:
            continue
        during = any(began < until and end > since for since, until in reloads)
        sides["during reloads" if during else "between them"].append((end - began) * 1000)
    took = sorted(until - since for since, until in reloads)
    print(f"{len(reloads)} reloads, median {statistics.median(took):.2f} s, longest {took[-1]:.2f} s; ", end="")
    print(f"RSS {before:.0f} MiB before, {after:.0f} MiB after; load average {os.getloadavg()[0]:.1f}\n")
    print("| queries | number | p50, ms | p99, ms | p99.9, ms | max, ms |")
    print("| --- " * 6 + "|")
    for name, values in sides.items():
        if not values:
            raise SystemExit("one reload took all the time: more --seconds")
        values.sort()
        cells = [quantile(values, share) for share in (0.5, 0.99, 0.999)] + [values[-1]]
        print(f"| {name} | {len(values):,} | " + " | ".join(f"{ms:.2f}" for ms in cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--rate", type=int, default=200, help="queries a second, of all clients")
    arguments = parser.parse_args()
    services = []
    with tempfile.TemporaryDirectory(prefix="reload-") as name:
        folder = pathlib.Path(name)
        try:
            sandbox = rig.start_sandbox(folder, services)
            config = write(folder, sandbox)
            pid, *ports = start_proxy(folder, config, sandbox, services)
            measure(folder, config, ports, pid, arguments)
        except rig.Failure as failure:
            raise SystemExit(str(failure)) from None
        finally:
            for service in reversed(services):
                service.end()


if __name__ == "__main__":
    main()
