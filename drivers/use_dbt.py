"""dbt with dbt-redshift, which uses redshift_connector: a project of two models, in folder dbt/."""

import importlib.metadata
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing, redirect_stdout
from pathlib import Path

import redshift_connector
from dbt.cli.main import dbtRunner

import checks
from checks import Skip, same, says
from settings import CA, DATABASE, HOST, PASSWORD, PLAIN_PORT, PORT, USER, WRONG_CA, url

PROJECT = Path(__file__).resolve().parent / "dbt"
SCHEMA = "drivers_dbt"
# How long dbt takes to come so far. A machine that does something else at the same time is slow.
DBT_SECS = 120
# The statement that is cancelled would take 60.
CANCEL_SECS = 40


def environment(*, ca=CA, port=PORT, password=PASSWORD, mode="verify-full"):
    """What dbt finds in its environment."""
    return {
        "PROXY_PORT": str(port),
        "PROXY_PASSWORD": password,
        # As the profile of `url` wants it.
        "DBT_ENV_SECRET_REDSHIFT_PASSWORD": password,
        "PROXY_SSLMODE": mode,
        "PROXY_SCHEMA": SCHEMA,
        # redshift_connector trusts what its own bundle holds, and OpenSSL's defaults: these.
        "SSL_CERT_FILE": ca,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_USE_COLORS": "false",
        "DBT_VERSION_CHECK": "false",
    }


class Dbt:
    def __init__(self, folder):
        # dbt writes beside what it reads.
        self.project = shutil.copytree(PROJECT, folder / "project")

    def dbt(self, *arguments, success=True, project=None, **how):
        """What it says. In this process, as the command does it too: Python and dbt take seconds to start."""
        os.environ.update(environment(**how))
        folder, told = str(project or self.project), io.StringIO()
        with redirect_stdout(told):
            outcome = dbtRunner().invoke([*arguments, "--project-dir", folder, "--profiles-dir", folder])
        if outcome.success != success:
            raise AssertionError(f"dbt {arguments[0]}: {outcome.exception or ''} {told.getvalue()[-2000:]}")
        return told.getvalue()

    def ask(self, sql):
        """The rows, by redshift_connector."""
        os.environ["SSL_CERT_FILE"] = CA
        connection = redshift_connector.connect(
            host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE, iam=False, sslmode="verify-full"
        )
        with closing(connection), closing(connection.cursor()) as cursor:
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]

    # ---- The checks ----

    def login(self):
        says(self.dbt("debug", "--connection"), "Connection test: [OK connection ok]")

    def typed_parameters(self):
        raise Skip("dbt binds no parameters")

    def rows(self):
        raise Skip("dbt leaves rows in the warehouse")

    def error(self):
        variables = json.dumps({"rows": 10, "broken": True})
        told = self.dbt("run", "--threads", "1", "--select", "broken", "numbers", "--vars", variables, success=False)
        says(told, "division by zero", "PASS=1", "ERROR=1")

    def cancel(self):
        # By a second login, which ends the session whose pid it has asked for: dbt's own way.
        variables = json.dumps({"rows": 10, "sleepy": True})
        asleep = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"
        # Of this virtual environment, whatever the PATH.
        command = [Path(sys.executable).with_name("dbt"), "run", "--select", "sleepy", "--vars", variables]
        how = {"cwd": self.project, "env": os.environ | environment(), "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        with subprocess.Popen(command, text=True, **how) as running:
            deadline = time.monotonic() + DBT_SECS
            while self.ask(asleep) == [(0,)] and running.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
            running.send_signal(signal.SIGINT)
            try:
                told, _ = running.communicate(timeout=CANCEL_SECS)
            except subprocess.TimeoutExpired:
                running.kill()
                raise
        says(told, "CANCEL query model.drivers.sleepy")
        same(self.ask(asleep), [(0,)])

    def transaction(self):
        raise Skip("dbt has each model in a transaction of its own choosing")

    def copy(self):
        raise Skip("dbt has no COPY from a client")

    def tls_modes(self):
        refused = [
            ({"ca": WRONG_CA}, "certificate verify failed"),
            ({"mode": "disable"}, "TLS is required (session "),
            ({"mode": "disable", "port": PLAIN_PORT}, "TLS is required"),
        ]
        for how, text in refused:
            says(self.dbt("debug", "--connection", success=False, **how), text)

    def wrong_password(self):
        told = self.dbt("debug", "--connection", password="wrong", success=False)
        says(told, f'password authentication failed for user "{USER}~{DATABASE}" (session ', "28P01")

    def models(self):
        """One refers to the other, by the database's real name; the second run finds what the first has left."""
        # `build` is `run` and `test`.
        for command, rows, passed in (("run", 10, 2), ("build", 1000, 5)):
            says(self.dbt(command, "--vars", json.dumps({"rows": rows})), f"PASS={passed} WARN=0 ERROR=0")
            [row] = self.ask(f"select many::int, total::int, last from {SCHEMA}.total")
            same(row, (rows, rows * (rows + 1) // 2, max(f"row {n}" for n in range(1, rows + 1))))

    def url(self):
        """Profile, password and database are as printed; the schema is the user's choice."""
        with tempfile.TemporaryDirectory() as folder:
            project = shutil.copytree(PROJECT, Path(folder) / "project")
            profile = url("dbt").replace("schema: public", f"schema: {SCHEMA}")
            (project / "profiles.yml").write_text(profile)
            name, _, _ = profile.partition(":")
            told = self.dbt("run", "--profile", json.loads(name), "--vars", json.dumps({"rows": 10}), project=project)
            says(told, "PASS=2 WARN=0 ERROR=0")


version = f"{importlib.metadata.version('dbt-core')}, {importlib.metadata.version('dbt-redshift')}"
with tempfile.TemporaryDirectory() as path:
    checks.run(version, Dbt(Path(path)), {"models": "models", "url": "url"})
