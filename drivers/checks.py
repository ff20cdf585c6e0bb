"""The checks that every driver is put through, as one Python program says them: see run.py for what it prints."""

import asyncio
import hashlib
import inspect
import sys
import traceback
from datetime import datetime
from decimal import Decimal

# Each with the name of the method that makes it.
CHECKS = {
    "login": "login",
    "typed parameters": "typed_parameters",
    "100,000 rows": "rows",
    "error": "error",
    "cancel": "cancel",
    "transaction": "transaction",
    "copy": "copy",
    "TLS modes": "tls_modes",
    "wrong password": "wrong_password",
}

# Whom the warehouse sees.
DB_USER = "IAMR:rs01"


def _sql(octets):
    return f"decode('{octets.hex()}', 'hex')"


_TEXT = "naïve ☃ 𝄞 'quoted' \\ \"too\""
_OCTETS = bytes(range(256))

# SQL type, the value to bind, and the same value in SQL, which does not pass through the driver's conversions.
TYPED = [
    ("int", 2147483647, "2147483647"),
    ("bigint", -9007199254740993, "-9007199254740993"),
    ("text", _TEXT, f"convert_from({_sql(_TEXT.encode())}, 'UTF8')"),
    ("text", None, "null"),
    ("bool", True, "true"),
    ("numeric", Decimal("12345678901234567890.123456789"), "12345678901234567890.123456789"),
    ("timestamp", datetime(2024, 2, 29, 23, 59, 59, 123456), "'2024-02-29 23:59:59.123456'::timestamp"),
    ("bytea", _OCTETS, _sql(_OCTETS)),
]

ROWS = 100_000
# Without a %, which some drivers take for a placeholder.
ROWS_SQL = f"select n, 'row ' || n, mod(n, 7) = 0 from generate_series(1, {ROWS}) n"

SLEEP_SQL = "select pg_sleep(60)"
SLEEPING_SQL = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and pid = "
PID_SQL = "select pg_backend_pid()"

COPY_ROWS = 10_000
NULL = "\\N"
# count(*), sum(n), sum(twice) of them.
COPY_SUMS = (COPY_ROWS, COPY_ROWS * (COPY_ROWS + 1) // 2, sum(n * 2 for n in range(1, COPY_ROWS + 1) if n % 10))

# The proxy's own console, in place of a database.
CONSOLE = "proxy_admin"

# A gigabyte in rows that are longer than what libpq reads at a time, and than a record of TLS.
GIGABYTE_ROWS = 65_536
GIGABYTE_ROW_BYTES = 16_384
GIGABYTE_SQL = f"select n, repeat(md5(n::text), {GIGABYTE_ROW_BYTES // 32}) from generate_series(1, {GIGABYTE_ROWS}) n"
STALL_SECS = 30
# What a driver may hold of it, in KiB.
GIGABYTE_MEMORY = 65_536


class Skip(Exception):
    """The driver has no such thing: why."""


def typed_sql(placeholder, typed=TYPED):
    """A query that gives back each value, and of each whether the server takes it for the same. `placeholder` of a number,
    from 1."""
    bound = ", ".join(f"{placeholder(n)}::{kind} as c{n}" for n, (kind, _, _) in enumerate(typed, 1))
    values = ", ".join(f"c{n}" for n in range(1, len(typed) + 1))
    alike = ", ".join(f"c{n} is not distinct from {literal}" for n, (_, _, literal) in enumerate(typed, 1))
    return f"select {values}, {alike} from (select {bound}) bound"


def check_typed(row, typed=TYPED):
    """Whether it is the answer to `typed_sql`."""
    row = [bytes(cell) if isinstance(cell, memoryview) else cell for cell in row]
    same(row[:len(typed)], [value for _, value, _ in typed])
    same(row[len(typed):], [True] * len(typed))


def check_rows(rows):
    """Whether these are the rows of ROWS_SQL."""
    total = number = 0
    for number, row in enumerate(rows, 1):
        same(tuple(row), (number, f"row {number}", number % 7 == 0))
        total += row[0]
    same((number, total), (ROWS, ROWS * (ROWS + 1) // 2))


def copy_text():
    """COPY_ROWS lines in COPY's text format, with what it has to escape."""
    return "".join(f"{n}\trow {n} ☃ \\t \\\\ \\n\t{NULL if n % 10 == 0 else n * 2}\n" for n in range(1, COPY_ROWS + 1))


def copy_sql(table):
    """A table for `copy_text`, and COPY into and out of it, in order."""
    return (
        f"create temporary table {table} (n int, t text, twice int)",
        f"copy {table} from stdin",
        f"copy (select * from {table} order by n) to stdout",
    )


def result_sizes():
    """Widths and numbers of rows, for results of 9 to 200 kB."""
    width = 30
    while width < 20_000:
        size = 9_000
        while size < 200_000:
            yield width, size // width
            size += size // 17
        width = width * 2 + 7


def check_gigabyte_row(number, row):
    """Whether it is that row of GIGABYTE_SQL."""
    same(row[0], number)
    digest = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
    same((len(row[1]), row[1][:32], row[1][-32:]), (GIGABYTE_ROW_BYTES, digest, digest))


def check_console(version, session):
    """Whether the row of SHOW VERSION and the session's own of SHOW SESSIONS, by column, have values of the right types."""
    same([type(version[name]) for name in ("version", "started")], [str, datetime])
    same(version["started"].utcoffset().total_seconds(), 0)
    same((session["state"], session["conn_id"]), ("console", CONSOLE))
    same([type(session[name]) for name in ("client_port", "bytes_up", "connected")], [int, int, datetime])


def check_memory(before, after):
    """Whether the largest resident set has not grown by much, in KiB."""
    if after - before > GIGABYTE_MEMORY:
        raise AssertionError(f"{after - before} KiB held")


def same(got, want):
    """Ends the check unless they are equal."""
    if got != want:
        raise AssertionError(f"got {got!r}, not {want!r}")


def says(error, *texts):
    """Ends the check unless the error shows all of these."""
    told = f"{error} {getattr(error, 'sqlstate', None) or ''}"
    for text in texts:
        if text not in told:
            raise AssertionError(f"{text!r} is not in {told!r}")


def run(version, suite, extra=None, usual=None):
    """Calls the methods of `suite`, coroutines too, prints what came of each, and ends the program. `usual`: the checks, where
    they are not those of a driver."""
    print(f"version {version}", flush=True)
    failed = False
    for check, method in ((usual or CHECKS) | (extra or {})).items():
        try:
            outcome = getattr(suite, method)()
            if inspect.isawaitable(outcome):
                asyncio.run(_awaited(outcome))
            print(f"ok {check}", flush=True)
        except Skip as skip:
            print(f"skip {check} {skip}", flush=True)
        except Exception as error:  # pylint: disable=broad-except
            failed = True
            print(f"fail {check} {type(error).__name__}: {' '.join(str(error).split())}", flush=True)
            traceback.print_exc()
    sys.exit(failed)


async def _awaited(outcome):
    return await outcome
