"""psycopg 2, which puts parameters into the statement's text."""

import io

import psycopg2
import psycopg2.extensions

import checks
from dbapi import DbApi
from settings import CA, DATABASE, HOST, PASSWORD, PORT, USER


class Psycopg2(DbApi):
    name = "psycopg2"
    shows_sqlstate = False

    def connect(self, *, ca=CA, port=PORT, password=PASSWORD, database=DATABASE):
        tls = {"sslmode": "verify-full", "sslrootcert": ca} if ca else {"sslmode": "disable"}
        return psycopg2.connect(host=HOST, port=port, user=USER, password=password, dbname=database, **tls)

    def sqlstate(self, error):
        return error.pgcode

    def in_tls(self, connection):
        return connection.info.ssl_in_use

    def cancel_statement(self, connection):
        connection.cancel()

    def copy_both(self, connection, text, copy_in, copy_out):
        out = io.StringIO()
        with connection.cursor() as cursor:
            cursor.copy_expert(copy_in, io.StringIO(text))
            cursor.copy_expert(copy_out, out)
        return out.getvalue()


checks.run(psycopg2.__version__.split()[0], Psycopg2(), {"console": "console"})
