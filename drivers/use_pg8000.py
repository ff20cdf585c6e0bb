"""pg8000, in Python alone."""

import io
import ssl
from contextlib import closing
from importlib.metadata import version

import pg8000.dbapi

import checks
from checks import Skip
from dbapi import DbApi
from settings import CA, DATABASE, HOST, PASSWORD, PORT, USER


class Pg8000(DbApi):
    name = "pg8000"

    def connect(self, *, ca=CA, port=PORT, password=PASSWORD):
        tls = ssl.create_default_context(cafile=ca) if ca else False
        return pg8000.dbapi.connect(host=HOST, port=port, user=USER, password=password, database=DATABASE, ssl_context=tls)

    def sqlstate(self, error):
        return error.args[0]["C"]

    def in_tls(self, connection):
        return isinstance(connection._usock, ssl.SSLSocket)  # pylint: disable=protected-access

    def cancel(self):
        raise Skip("pg8000 has no call that cancels")

    def copy_both(self, connection, text, copy_in, copy_out):
        out = io.BytesIO()
        with closing(connection.cursor()) as cursor:
            cursor.execute(copy_in, stream=io.BytesIO(text.encode()))
            cursor.execute(copy_out, stream=out)
        return out.getvalue().decode()


checks.run(version("pg8000"), Pg8000())
