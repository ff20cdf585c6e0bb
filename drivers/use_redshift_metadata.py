"""The calls of AWS's own Python driver that tell of databases, schemas, tables and columns: SHOW, on a server that says that it
has it."""

import os
from contextlib import closing

import redshift_connector

import tools
from checks import same
from settings import CA, HOST, PASSWORD, PORT, REAL_DATABASE

SCHEMA = "drivers_redshift_metadata"


class Metadata:
    def connect(self, user):
        # It trusts what its own bundle holds, and OpenSSL's defaults: these.
        os.environ["SSL_CERT_FILE"] = CA
        connection = redshift_connector.connect(host=HOST, port=PORT, user=user, password=PASSWORD, database=REAL_DATABASE,
                                                iam=False, ssl=True, sslmode="verify-full")
        connection.autocommit = True
        return connection

    def names(self):
        for conn_id, user in tools.users():
            with closing(self.connect(user)) as connection, closing(connection.cursor()) as cursor:
                same([list(row) for row in cursor.get_catalogs()], [[REAL_DATABASE]])
                cursor.execute(tools.WHERE_SQL)
                database, application = cursor.fetchone()
                same(database, REAL_DATABASE)
                tools.is_connection(conn_id, application)

    def metadata(self):
        with closing(self.connect(tools.users()[0][1])) as connection, closing(connection.cursor()) as cursor:
            for statement in tools.objects(SCHEMA):
                cursor.execute(statement)
            # All of these are asked of the database that the driver was given.
            same([list(row) for row in cursor.get_schemas(REAL_DATABASE, SCHEMA)], [[SCHEMA, REAL_DATABASE]])
            tables = [tuple(row[:4]) for row in cursor.get_tables(REAL_DATABASE, SCHEMA, "%")]
            same(sorted(tables), [(REAL_DATABASE, SCHEMA, "cheap", "VIEW"), (REAL_DATABASE, SCHEMA, "item", "TABLE"),
                                  (REAL_DATABASE, SCHEMA, "line", "TABLE")])
            columns = cursor.get_columns(REAL_DATABASE, SCHEMA, "item", "%")
            same([row[3] for row in columns], ["id", "name", "price", "tags"])
            same([row[3] for row in cursor.get_primary_keys(REAL_DATABASE, SCHEMA, "item")], ["id"])
            same([row[2] for row in cursor.get_imported_keys(REAL_DATABASE, SCHEMA, "line")], ["item"])
            same([row[6] for row in cursor.get_exported_keys(REAL_DATABASE, SCHEMA, "item")], ["line"])


tools.run(redshift_connector.__version__, Metadata())
