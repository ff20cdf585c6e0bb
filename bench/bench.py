#!/usr/bin/env python3
"""Side-by-side benchmarks of the proxy and its peers, on one machine, over loopback.

  bench/bench.py run [--quick] [--rounds N] [--bench NAME,…] [--only ENTRY,…] [--out FOLDER]
  bench/bench.py report FOLDER
  bench/bench.py list

`make bench` installs what it needs, builds the proxy and runs all of it. Each measurement is taken of all entries in
turn, round after round, in the opposite order every second time; of all rounds the medians count. Only ratios compare:
each is taken within a round, and the median of those is shown. In FOLDER (target/bench): report.md, results.json (every
figure) and, if this Python has matplotlib, plots.

  query     pgbench -S, 1 and 16 clients, simple and prepared
  bulk      COPY out and in, of 8 kB rows and of narrow ones, through PostgreSQL
  bulkfake  the same from and to a stand-in that is never the bottleneck
  connect   connect, `select 1`, close: 1 and 8 at a time, PostgreSQL and the stand-in
  idle      memory of sessions that have each run a query, then said nothing; each is asked once more in the end
  active    500 clients, pgbench -S

The upstream leg is always TLS, but for direct-plain and haproxy-tcp, which show what a plaintext relay costs. The
client's SCRAM verifier has one round (--scram-rounds): libpq takes 20 ms over 4096, and hides all that a proxy does.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import report
from lab import ROOT, Failure, Lab, Proxy, cpu_secs, entries, memory_kb

BENCHES = ("query", "bulk", "bulkfake", "connect", "idle", "active")
LEGS = ("plain", "tls")
ROW_BYTES = 8000


class Bench:
    """The measurements. Each records one set of figures for each entry, case and round."""

    def __init__(self, lab, chosen, options):
        self.lab, self.entries, self.options = lab, chosen, options
        self.records, self.failures = [], []

    def record(self, bench, case, entry, turn, **figures):
        self.records.append({"bench": bench, "case": case, "entry": entry, "round": turn} | figures)
        shown = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        print(f"{bench}: {case}: {entry}: {shown}", flush=True)

    def failed(self, what, error):
        self.failures.append(f"{what}: {' '.join(str(error).split())[:300]}")
        print(f"failed: {self.failures[-1]}", file=sys.stderr, flush=True)

    def of(self, bench):
        return [entry for entry in self.entries if bench in entry.get("benches", BENCHES)]

    @contextlib.contextmanager
    def up(self, chosen, port):
        """Those of the entries that start, in front of a server; ended in the end."""
        running = []
        try:
            for entry in chosen:
                try:
                    proxy = self.lab.start(entry, port)
                    running.append(proxy)
                    # What happens once, such as the first call of AWS, is not what is measured.
                    self.lab.run([self.lab.load, "connect", proxy.dsn("plain"), 1, 0.1])
                except (OSError, RuntimeError) as error:
                    # One peer that is broken must not end the run.
                    self.failed(f"start {entry['name']}", error)
            yield running
        finally:
            for proxy in running:
                if proxy.process:
                    self.lab.stop(proxy.process)

    def in_turn(self, proxies, cases, measure, rounds=None):
        """measure(proxy, leg, case, round) for all, interleaved over the proxies."""
        for turn in range(rounds or self.options.rounds):
            for case in cases:
                for leg in LEGS:
                    for proxy in proxies if turn % 2 == 0 else proxies[::-1]:
                        if leg not in proxy.legs:
                            continue
                        try:
                            measure(proxy, leg, case, turn)
                        except (
                            ArithmeticError,
                            OSError,
                            RuntimeError,
                            ValueError,
                            subprocess.SubprocessError,
                        ) as error:
                            self.failed(f"{proxy.name} {leg} {case}", error)

    def pgbench(self, proxy, leg, arguments):
        """Figures of one run; the proxy's CPU as well."""
        with tempfile.TemporaryDirectory(dir=self.lab.folder) as logs:
            before = cpu_secs(proxy.process)
            command = [self.lab.programs / "pgbench", "-n", "-S", "-l", "--log-prefix", f"{logs}/log", *arguments]
            said = self.lab.run([*command, proxy.dsn(leg)])
            used = cpu_secs(proxy.process) - before
            lines = (line for log in Path(logs).iterdir() for line in log.read_text().splitlines())
            latencies = sorted(int(line.split()[2]) for line in lines)
        tps = re.search(r"tps = ([\d.]+)", said)
        if not tps or not latencies:
            raise RuntimeError("pgbench: not all had connected when the time was over")
        return {
            "tps": float(tps.group(1)),
            "p50_us": latencies[len(latencies) // 2],
            "p99_us": latencies[int(len(latencies) * 0.99)],
            "cpu_us_per_query": used / len(latencies) * 1e6,
        }

    def load(self, proxy, *arguments):
        """What bench/load.c answers, and the proxy's CPU seconds."""
        before = cpu_secs(proxy.process)
        answer = json.loads(self.lab.run([self.lab.load, *arguments]))
        return answer, cpu_secs(proxy.process) - before

    # -- the benchmarks --

    def query(self):
        modes = ("simple",) if self.options.quick else ("simple", "prepared")

        def measure(proxy, leg, case, turn):
            mode, clients = case
            arguments = ["-M", mode, "-c", clients, "-j", 1, "-T", self.options.secs]
            self.record("query", f"{mode} c={clients} {leg}", proxy.name, turn, **self.pgbench(proxy, leg, arguments))

        with self.up(self.of("query"), self.lab.postgres_port) as running:
            self.in_turn(running, [(mode, clients) for clients in (1, 16) for mode in modes], measure)

    def copy(self, bench, port, cases):
        """cases: by name, the direction, the statement, and the bytes to send."""

        def measure(proxy, leg, case, turn):
            direction, sql, size = cases[case]
            sizes = [size, ROW_BYTES] if direction == "copyin" else []
            server = self.lab.servers[port]
            before = cpu_secs(server, with_ended=True)
            answer, used = self.load(proxy, direction, proxy.dsn(leg), sql, *sizes)
            server_used = cpu_secs(server, with_ended=True) - before
            gigabytes = answer["bytes"] / 1e9
            figures = {"mb_s": answer["mb_s"], "cpu_s_per_gb": used / gigabytes}
            figures["client_cpu_s_per_gb"] = answer["client_cpu_s"] / gigabytes
            figures["server_cpu_s_per_gb"] = server_used / gigabytes
            self.record(bench, f"{case} {leg}", proxy.name, turn, **figures)

        with self.up(self.of(bench), port) as running:
            self.in_turn(running, list(cases), measure)

    def bulk(self):
        size = int(self.options.gb * 1e9)
        rows = f"select repeat('x', {ROW_BYTES})::bytea from generate_series(1, {size // ROW_BYTES})"
        narrow = "select i, i * 2, 'some text of a row with thirty-odd bytes', now() from generate_series"
        cases = {
            "out": ("copyout", f"copy ({rows}) to stdout (format binary)", None),
            "in": ("copyin", "copy sink from stdin (format binary) where false", size),
        }
        if not self.options.quick:
            cases["out narrow"] = ("copyout", f"copy ({narrow}(1, {size // 400}) i) to stdout", None)
        self.copy("bulk", self.lab.postgres_port, cases)

    def bulkfake(self):
        """TLS records of 8 KiB, as PostgreSQL sends them, and of 16."""
        size = int(self.options.gb * 2e9)
        cases = {f"out {kib}K": ("copyout", f"blast {size} {kib * 1024}", None) for kib in (8, 16)}
        self.copy("bulkfake", self.lab.fake_port, cases | {"in": ("copyin", "sink", size)})

    def connect(self):
        for server, port in (("pg", self.lab.postgres_port), ("fake", self.lab.fake_port)):

            def measure(proxy, leg, threads, turn, server=server):
                answer, used = self.load(proxy, "connect", proxy.dsn(leg), threads, self.options.secs)
                kept = ("rate", "first_p50_ms", "first_p99_ms", "p50_ms", "p99_ms", "errors")
                figures = {name: answer[name] for name in kept} | {"cpu_ms": used / answer["n"] * 1e3}
                figures["client_cpu_ms"] = answer["client_cpu_s"] / answer["n"] * 1e3
                if answer["errors"]:
                    self.failed(f"connect {proxy.name} {leg} {server} c={threads}", f"{answer['errors']} errors")
                self.record("connect", f"{server} c={threads} {leg}", proxy.name, turn, **figures)

            with self.up(self.of("connect"), port) as running:
                self.in_turn(running, [1, 8], measure)

    def idle(self):
        """Each in a process of its own, that has served some sessions before: what is allocated once does not count."""

        def measure(sleeping, leg, count, turn):
            with self.up([sleeping.entry], self.lab.fake_port) as running:
                for proxy in running:
                    # Every worker, and with TLS.
                    self.load(proxy, "connect", proxy.dsn(leg), 4, 0.3)
                    time.sleep(0.3)
                    self.record("idle", f"n={count} {leg}", proxy.name, turn, **self.sleepers(proxy, leg, count))

        proxies = [Proxy(entry) for entry in self.of("idle") if entry["cmd"]]
        # Memory does not vary.
        self.in_turn(proxies, self.options.idle, measure, rounds=1)

    def sleepers(self, proxy, leg, count):
        rss_before, pss_before = memory_kb(proxy.process)
        command = [self.lab.load, "idle", proxy.dsn(leg), str(count)]
        log = self.lab.folder / "idle.log"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with log.open("w") as said, subprocess.Popen(command, stderr=said, **pipes) as clients:
            try:
                opened = json.loads(clients.stdout.readline())
                time.sleep(1)
                rss, pss = memory_kb(proxy.process)
                before = cpu_secs(proxy.process)
                time.sleep(2)
                used = cpu_secs(proxy.process) - before
                clients.stdin.close()
                answered = json.loads(clients.stdout.readline())["answered"]
            except BaseException:
                clients.kill()
                raise
        if opened["open"] < count:
            # Memory by session is right, but not of as many as was asked for.
            self.failed(f"idle {proxy.name} {leg}", f"{opened['open']} of {count} sessions opened: {log.read_text()}")
        if answered < opened["open"]:
            self.failed(f"idle {proxy.name} {leg}", f"{answered} of {opened['open']} sessions still answered")
        each = max(opened["open"], 1)
        return {
            "open": opened["open"],
            "answered": answered,
            "rss_kb": (rss - rss_before) / each,
            "pss_kb": (pss - pss_before) / each,
            "base_rss_kb": rss_before,
            "open_per_s": opened["open"] / opened["secs"],
            "cpu_percent": used / 2 * 100,
        }

    def active(self):
        """One proxy at a time: a pooler would keep its hundreds of upstream sessions in its rivals' turns."""

        def measure(sleeping, leg, clients, turn):
            with self.up([sleeping.entry], self.lab.postgres_port) as running:
                for proxy in running:
                    # Opening 500 sessions takes a while.
                    secs = self.options.secs + (2 if self.options.quick else 8)
                    figures = self.pgbench(proxy, leg, ["-c", clients, "-j", 2, "-T", secs])
                    self.record("active", f"c={clients} {leg}", proxy.name, turn, **figures)
            # The server's sessions end.
            time.sleep(1)

        self.in_turn([Proxy(entry) for entry in self.of("active")], [self.options.active], measure)


# ---- The command line ----


def environment(options, argv):
    """What the figures depend on."""

    def said(*command):
        with contextlib.suppress(OSError):
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
            return (done.stdout or done.stderr).strip().split("\n")[0]
        return ""

    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    programs = {
        "PostgreSQL": ("postgres", "--version"),
        "PgBouncer": ("pgbouncer", "--version"),
        "HAProxy": ("haproxy", "-v"),
    }
    return {
        "command": " ".join(["bench/bench.py", *argv]),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": said("git", "describe", "--always", "--dirty"),
        "machine": f"{os.cpu_count()} × {cpu.group(1) if cpu else platform.machine()}, Linux {platform.release()}",
        "load average": f"{os.getloadavg()[0]:.1f} at the start",
        "rounds": options.rounds,
        "programs": "; ".join(filter(None, (said(*command) for command in programs.values()))),
    }


def run(options, argv):
    chosen = entries(options.entries)
    names = {entry["name"] for entry in chosen}
    wanted = set(options.only or names)
    if unknown := (wanted - names) | (set(options.bench) - set(BENCHES)):
        raise Failure(f"unknown or not installed: {', '.join(sorted(unknown))}")
    chosen = [entry for entry in chosen if entry["name"] in wanted]
    options.out.mkdir(parents=True, exist_ok=True)
    about = environment(options, argv)
    with Lab(2 * options.active + 200, options.scram_rounds) as lab:
        bench = Bench(lab, chosen, options)
        try:
            for name in options.bench:
                getattr(bench, name)()
        finally:
            about["load average"] += f", {os.getloadavg()[0]:.1f} at the end"
            results = {"environment": about, "failures": bench.failures, "records": bench.records}
            (options.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    report.write(options.out)
    print(f"report: {options.out / 'report.md'}")
    return 1 if bench.failures else 0


def main():
    def names(text):
        return text.split(",")

    def numbers(text):
        return [int(number) for number in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="measure, then report")
    runs.add_argument(
        "--quick", action="store_true", help="one round, of little: whether it works, and no figures to quote"
    )
    runs.add_argument("--rounds", type=int, help="of all but idle (5; --quick: 1)")
    runs.add_argument("--secs", type=int, help="of each run of query and connect (3; --quick: 1)")
    runs.add_argument("--gb", type=float, help="to copy (1; --quick: 0.1); the stand-in, twice as much")
    runs.add_argument("--idle", type=numbers, help="sessions (1000,5000,9000; --quick: 200)")
    runs.add_argument("--active", type=int, help="clients (500; --quick: 50)")
    runs.add_argument("--scram-rounds", type=int, default=1, help="of the client user's verifier (1)")
    runs.add_argument("--bench", type=names, default=BENCHES, help="only these")
    runs.add_argument("--only", type=names, help="only these entries")
    runs.add_argument(
        "--entries", action="append", default=[], type=Path, help="more entries, a JSON file like ours.json"
    )
    runs.add_argument("--out", type=Path, default=ROOT / "target/bench", help="where the report goes (target/bench)")
    reports = commands.add_parser("report", help="write the report anew from results.json")
    reports.add_argument("out", type=Path, metavar="FOLDER")
    commands.add_parser("list", help="the entries there are here")
    options = parser.parse_args()
    if options.command == "list":
        print("\n".join(entry["name"] for entry in entries()))
        return 0
    options.out = options.out.resolve()
    if options.command == "report":
        report.write(options.out)
        return 0
    options.entries = [file.resolve() for file in options.entries]
    full, quick = (5, 3, 1.0, [1000, 5000, 9000], 500), (1, 1, 0.1, [200], 50)
    for name, value in zip(("rounds", "secs", "gb", "idle", "active"), quick if options.quick else full, strict=True):
        if getattr(options, name) is None:
            setattr(options, name, value)
    # bench/ours.json finds bench/ours.sh from here.
    os.chdir(ROOT)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    return run(options, sys.argv[1:])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
