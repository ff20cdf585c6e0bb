"""Puts each driver through the same checks: one program per driver, through a proxy of our own, then a table.

    run.py [--docs] [DRIVER…]      (all by default; with names the table in the docs is left alone)

`make drivers` installs what this needs (scripts/install.sh drivers) and builds all programs. Standard library only. A driver's
program says on stdout `version X`, then of each check `ok CHECK`, `skip CHECK reason` or `fail CHECK reason`; table.py has the
checks. Exit code 0 if none failed, none was left out, and docs/drivers.md has the same results; --docs writes them there.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import rig
import table

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "drivers"
INSTALLED = ROOT / "target" / "drivers"
DOCS = ROOT / "docs" / "drivers.md"

# For one driver. The slowest reads a gigabyte.
DRIVER_SECS = 180


@dataclass
class Row:
    """A driver: its program, what that one has in its environment, and what it is asked beside the usual."""

    name: str
    command: list
    own: dict = field(default_factory=dict)
    extra: tuple = ()
    # What all of its kind are asked.
    usual: tuple = table.CHECKS
    # Whether its version is ours to choose, not the distribution's.
    pinned: bool = True

    @property
    def wanted(self):
        return (*self.usual, *self.extra)

    @property
    def is_tool(self):
        """Whether it is in the table of the tools."""
        return self.usual == table.TOOL_CHECKS


def compile_libpq():
    """The C program, against the libpq that pg_config knows."""
    program = INSTALLED / "libpq"

    def where(option):
        return subprocess.run(["pg_config", option], capture_output=True, text=True, check=True).stdout.strip()

    command = ["cc", "-Wall", "-Wextra", "-Werror", f"-I{where('--includedir')}", HERE / "use_libpq.c", "-o", program,
               f"-L{where('--libdir')}", "-lpq"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise rig.Failure(f"use_libpq.c does not compile:\n{done.stderr}")
    return program


def node():
    """The one that was installed, where the machine has none that will do."""
    own = INSTALLED / "node-runtime" / "bin" / "node"
    return str(own) if own.exists() else shutil.which("node") or "node"


def matrix():
    """The drivers, in the order of the table, and the tools."""
    python, rsc, dbt, dlt = (INSTALLED / venv / "bin" / "python" for venv in ("venv", "venv-rsc", "venv-dbt", "venv-dlt"))
    node_path = {"NODE_PATH": str(INSTALLED / "node" / "node_modules")}
    pgjdbc = "/usr/share/java/postgresql.jar"
    return [
        Row("psql", [HERE / "use_psql.sh"], extra=("url", "console"), pinned=False),
        Row("libpq", [compile_libpq()], extra=("1 GB result", "result sizes"), pinned=False),
        Row("psycopg 3", [python, HERE / "use_psycopg3.py"], extra=("url", "console")),
        Row("psycopg 3, async", [python, HERE / "use_psycopg_async.py"], extra=("1 GB result", "result sizes")),
        Row("psycopg2", [python, HERE / "use_psycopg2.py"], extra=("console",)),
        Row("asyncpg", [python, HERE / "use_asyncpg.py"], extra=("console",)),
        Row("pg8000", [python, HERE / "use_pg8000.py"], pinned=False),
        Row("redshift_connector", [rsc, HERE / "use_redshift_connector.py"]),
        Row("node-postgres", [node(), HERE / "use_pg.js"], node_path, extra=("console",)),
        Row("tokio-postgres", [rig.PROGRAMS / "examples" / "use_tokio_postgres"]),
        Row("lib/pq, by its own tests", [HERE / "use_lib_pq.sh"], usual=("cancel",), pinned=False),
        Row("pgjdbc", ["java", "-cp", pgjdbc, HERE / "UsePgjdbc.java"], extra=("url", "console"),
            pinned=False),
        Row("psqlODBC", [python, HERE / "use_psqlodbc.py"], extra=("url",), pinned=False),
        Row("SQLAlchemy, psycopg2", [rsc, HERE / "use_sqlalchemy.py", "psycopg2"], extra=("url",), pinned=False),
        Row("SQLAlchemy, redshift_connector", [rsc, HERE / "use_sqlalchemy.py", "redshift_connector"], pinned=False),
        Row("dbt", [dbt, HERE / "use_dbt.py"], extra=("models", "url")),
        Row("pgAdmin's statements", [python, HERE / "use_pgadmin.py"], usual=table.TOOL_CHECKS),
        Row("SQLAlchemy's inspector, psycopg2", [rsc, HERE / "use_sqlalchemy_metadata.py", "psycopg2"], usual=table.TOOL_CHECKS),
        Row("SQLAlchemy's inspector, redshift_connector", [rsc, HERE / "use_sqlalchemy_metadata.py", "redshift_connector"],
            usual=table.TOOL_CHECKS),
        Row("redshift_connector's metadata", [rsc, HERE / "use_redshift_metadata.py"], usual=table.TOOL_CHECKS),
        Row("knex", [node(), HERE / "use_knex.js"], node_path, usual=table.TOOL_CHECKS),
        Row("Spark's statements, pgjdbc", ["java", "-cp", pgjdbc, HERE / "UseSpark.java"], usual=table.TOOL_CHECKS, pinned=False),
        Row("dlt", [dlt, HERE / "use_dlt.py"], usual=table.TOOL_CHECKS),
    ]


def end(process):
    """Ends it and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def attempt(row, environment):
    """What its program said, and how long it took. It is ended in any case."""
    began = time.monotonic()
    try:
        process = subprocess.Popen([str(part) for part in row.command], env=environment | row.own, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                                   start_new_session=True)
    except OSError as error:
        return table.Said([f"fail login {error}"], row.wanted), time.monotonic() - began
    late = False
    try:
        out, err = process.communicate(timeout=DRIVER_SECS)
    except subprocess.TimeoutExpired:
        late = True
        end(process)
        out, err = process.communicate()
    finally:
        if process.returncode is None:
            end(process)
    said = table.Said(out.splitlines(), row.wanted)
    if late:
        said.faults.append(f"not done within {DRIVER_SECS} s")
    elif process.returncode and not said.faults:
        said.faults.append(f"exit {process.returncode}")
    if said.faults and err:
        said.faults.append(err.rstrip())
    return said, time.monotonic() - began


def try_all(rows, environment):
    """Runs each driver and prints a line about it; (row, what it said) of all."""
    results = []
    print(f"{'DRIVER':<44}{'VERSION':<16}{'OK':>3}{'SKIP':>5}{'SECONDS':>9}", flush=True)
    for row in rows:
        said, seconds = attempt(row, environment)
        counts = f"{len(said.passed):>3}{len(said.skipped):>5}{seconds:>9.1f}"
        print(f"{row.name:<44}{said.version or '-':<16}{counts}{'  FAILED' if said.faults else ''}", flush=True)
        results.append((row, said))
    return results


def judge(results, folder, docs, whole):
    """Prints what failed and, if nothing did, writes the docs or compares with them. The exit code."""
    failed = [(row, said) for row, said in results if said.faults]
    for row, said in failed:
        print(f"\n{row.name}:")
        for fault in said.faults:
            print(f"  {fault}")
    if failed:
        print(f"\nThe proxies' logs:\n{rig.logs(folder).rstrip()}")
        return 1
    if docs:
        table.write(DOCS, results)
    elif whole and (found := table.differences(DOCS, results)):
        print(f"\n{DOCS.relative_to(ROOT)} says otherwise; `make drivers DOCS=1` writes it anew:", *found, sep="\n")
        return 1
    print(f"\n{table.markdown(results)}")
    return 0


def main(arguments):
    # A signal unwinds like an error, so that all programs are ended.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: sys.exit(128 + number))
    os.chdir(ROOT)
    docs, names = "--docs" in arguments, [argument for argument in arguments if argument != "--docs"]
    if docs and names:
        sys.exit("run.py: --docs is for a run of all drivers")
    services = []
    with tempfile.TemporaryDirectory(prefix="drivers-") as path:
        folder = Path(path)
        try:
            rows = matrix()
            if unknown := set(names) - {row.name for row in rows}:
                raise rig.Failure(f"no such driver: {', '.join(sorted(unknown))}")
            results = try_all([row for row in rows if not names or row.name in names], rig.start(folder, services))
            return judge(results, folder, docs, not names)
        except rig.Failure as failure:
            print(f"drivers: {failure}", file=sys.stderr)
            return 1
        finally:
            for service in reversed(services):
                service.end()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
