"""Reads results as an asynchronous client of libpq does: PQconsumeInput when the socket has something to read,
PQgetResult when PQisBusy says no. Whatever stays behind in TLS, unseen by select(), ends it with an error.

    python3 async_libpq.py CONNINFO
"""

import ctypes
import select
import sys

STALLED = 30  # seconds without a byte

libpq = ctypes.CDLL("libpq.so.5")
for name, result in [
    ("PQconnectdb", ctypes.c_void_p),
    ("PQgetResult", ctypes.c_void_p),
    ("PQerrorMessage", ctypes.c_char_p),
]:
    getattr(libpq, name).restype = result

CONNECTION_OK, TUPLES_OK, SINGLE_TUPLE = 0, 2, 9


def results():
    """Widths and numbers of rows: of 9 to 200 kB in many steps, so that the last TLS record has many lengths, and a large one."""
    for width in (100, 8_000, 16_384, 20_000):
        size = 9_000
        while size < 200_000:
            yield width, max(size // width, 1)
            size += size // 17
    yield 8_192, 8_000


def main(conninfo):
    conn = ctypes.c_void_p(libpq.PQconnectdb(conninfo.encode()))
    if libpq.PQstatus(conn) != CONNECTION_OK:
        sys.exit(libpq.PQerrorMessage(conn).decode())
    libpq.PQsetnonblocking(conn, 1)
    for width, rows in results():
        sql = f"select repeat('x', {width}) from generate_series(1, {rows})"
        read = read_all(conn, sql)
        if read != width * rows:
            sys.exit(f"{read} bytes of {rows} rows of {width}")
    print("all read")


def read_all(conn, sql):
    failed = lambda: sys.exit(f"{sql}: {libpq.PQerrorMessage(conn).decode()}")
    if not libpq.PQsendQuery(conn, sql.encode()) or not libpq.PQsetSingleRowMode(conn):
        failed()
    while libpq.PQflush(conn):
        select.select([], [libpq.PQsocket(conn)], [], STALLED)
    total = 0
    while True:
        while libpq.PQisBusy(conn):
            if not select.select([libpq.PQsocket(conn)], [], [], STALLED)[0]:
                sys.exit(f"{sql}: stalled after {total} bytes")
            if not libpq.PQconsumeInput(conn):
                failed()
        result = ctypes.c_void_p(libpq.PQgetResult(conn))
        if not result:
            return total
        if libpq.PQresultStatus(result) not in (TUPLES_OK, SINGLE_TUPLE):
            failed()
        total += sum(libpq.PQgetlength(result, row, 0) for row in range(libpq.PQntuples(result)))
        libpq.PQclear(result)


main(*sys.argv[1:])
