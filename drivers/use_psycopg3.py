"""psycopg 3, which binds parameters on the server and brings a libpq of its own."""

import psycopg

import checks
from checks import same
from dbapi import DbApi
from settings import CA, DATABASE, HOST, PASSWORD, PORT, USER, url


class Psycopg3(DbApi):
    name = "psycopg3"
    # A login that fails has no result to take it from.
    shows_sqlstate = False

    def connect(self, *, ca=CA, port=PORT, password=PASSWORD, database=DATABASE):
        tls = {"sslmode": "verify-full", "sslrootcert": ca} if ca else {"sslmode": "disable"}
        return psycopg.connect(host=HOST, port=port, user=USER, password=password, dbname=database, **tls)

    def sqlstate(self, error):
        return error.sqlstate

    def in_tls(self, connection):
        return bool(connection.pgconn.ssl_in_use)

    def cancel_statement(self, connection):
        connection.cancel_safe()

    def copy_both(self, connection, text, copy_in, copy_out):
        with connection.cursor() as cursor:
            with cursor.copy(copy_in) as copy:
                copy.write(text)
            with cursor.copy(copy_out) as copy:
                return b"".join(copy).decode()

    def url(self):
        with psycopg.connect(url("uri"), password=PASSWORD, sslrootcert=CA) as connection:
            same(self.ask(connection, "select current_user"), [(checks.DB_USER,)])


checks.run(psycopg.__version__, Psycopg3(), {"url": "url", "console": "console"})
