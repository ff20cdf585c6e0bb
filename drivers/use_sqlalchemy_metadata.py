"""SQLAlchemy's inspector with the dialect of sqlalchemy-redshift, by which Superset and others read the catalog, over the DBAPI
that the argument names: psycopg2 or redshift_connector."""

import importlib.metadata
import os
import sys

import sqlalchemy
from sqlalchemy import MetaData, inspect, text

import tools
from checks import same
from settings import CA, HOST, PASSWORD, PORT, REAL_DATABASE

DBAPI = sys.argv[1]
SCHEMA = f"drivers_inspected_{DBAPI}"
TLS = {"psycopg2": {"sslmode": "verify-full", "sslrootcert": CA}, "redshift_connector": {"ssl": True, "sslmode": "verify-full"}}


class Metadata:
    def engine(self, user):
        # redshift_connector trusts what its own bundle holds, and OpenSSL's defaults: these.
        os.environ["SSL_CERT_FILE"] = CA
        url = sqlalchemy.URL.create(f"redshift+{DBAPI}", user, PASSWORD, HOST, PORT, REAL_DATABASE)
        return sqlalchemy.create_engine(url, connect_args=TLS[DBAPI], poolclass=sqlalchemy.NullPool)

    def names(self):
        for conn_id, user in tools.users():
            engine = self.engine(user)
            with engine.connect() as connection:
                database, application = connection.execute(text(tools.WHERE_SQL)).one()
            same(database, engine.url.database)
            tools.is_connection(conn_id, application)

    def metadata(self):
        engine = self.engine(tools.users()[0][1])
        with engine.begin() as connection:
            for statement in tools.objects(SCHEMA):
                connection.execute(text(statement))
        found = inspect(engine)
        assert SCHEMA in found.get_schema_names()
        same(sorted(found.get_table_names(SCHEMA)), ["item", "line"])
        same(found.get_view_names(SCHEMA), ["cheap"])
        columns = [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns("item", SCHEMA)]
        same(columns, [("id", "INTEGER", False), ("name", "VARCHAR(65535)", True), ("price", "NUMERIC(10, 2)", True),
                       ("tags", "SUPER", True)])
        same(found.get_pk_constraint("item", SCHEMA)["constrained_columns"], ["id"])
        same([key["referred_table"] for key in found.get_foreign_keys("line", SCHEMA)], ["item"])
        assert "price" in found.get_view_definition("cheap", SCHEMA)
        assert found.has_table("item", SCHEMA) and not found.has_table("nothing", SCHEMA)
        same(found.get_table_options("item", SCHEMA)["redshift_diststyle"], "EVEN")
        reflected = MetaData()
        reflected.reflect(engine, schema=SCHEMA, views=True)
        same(sorted(reflected.tables), [f"{SCHEMA}.{name}" for name in ("cheap", "item", "line")])


VERSIONS = [importlib.metadata.version(name) for name in ("SQLAlchemy", "sqlalchemy-redshift")]
tools.run(", ".join(VERSIONS), Metadata())
