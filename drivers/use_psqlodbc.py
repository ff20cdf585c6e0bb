"""psqlODBC, PostgreSQL's own ODBC driver, without a DSN; by pyodbc."""

from contextlib import closing

import pyodbc

import checks
from checks import Skip, same
from dbapi import DbApi
from settings import CA, DATABASE, HOST, PASSWORD, PLAIN_PORT, PORT, USER, WRONG_CA, url


class PsqlOdbc(DbApi):
    name = "psqlodbc"
    # libpq has none for a login that failed; psqlODBC says ODBC's 08001.
    shows_sqlstate = False

    def __init__(self):
        self.running = {}

    def connect(self, *, ca=CA, port=PORT, password=PASSWORD, mode="verify-full"):
        tls = f"SSLmode={mode};pqopt={{sslrootcert={ca}}}" if ca else "SSLmode=disable"
        return pyodbc.connect(
            f"Driver={{PostgreSQL Unicode}};Server={HOST};Port={port};Database={DATABASE};Uid={USER};"
            # Booleans as such, not as text.
            f"Pwd={{{password}}};BoolsAsChar=0;{tls}"
        )

    def sqlstate(self, error):
        return error.args[0]

    def ask(self, connection, sql, parameters=()):
        with closing(connection.cursor()) as cursor:
            # ODBC cancels statements, not connections.
            self.running[id(connection)] = cursor
            return [tuple(row) for row in cursor.execute(sql, *parameters).fetchall()]

    def cancel_statement(self, connection):
        self.running[id(connection)].cancel()

    def check_typed(self, connection, typed=checks.TYPED):
        [row] = self.ask(connection, checks.typed_sql(lambda _: "?", typed), [value for _, value, _ in typed])
        checks.check_typed(row, typed)

    def copy(self):
        raise Skip("ODBC has no COPY")

    def tls_modes(self):
        for mode in ("require", "verify-ca", "verify-full"):
            self.connect(mode=mode).close()
        self.refused("certificate verify failed", ca=WRONG_CA)
        self.refused("FATAL:  TLS is required (session ", ca=None)
        with closing(self.connect(ca=None, port=PLAIN_PORT)) as connection:
            same(self.ask(connection, "select current_user"), [(checks.DB_USER,)])

    def url(self):
        with closing(pyodbc.connect(f"{url('odbc')}Pwd={{{PASSWORD}}};pqopt={{sslrootcert={CA}}}")) as connection:
            same(self.ask(connection, "select current_user"), [(checks.DB_USER,)])


# A pool of pyodbc's manager would keep sessions open that were closed.
pyodbc.pooling = False
suite = PsqlOdbc()
with closing(suite.connect()) as first:
    version = first.getinfo(pyodbc.SQL_DRIVER_VER)
checks.run(version, suite, {"url": "url"})
