"""The statements by which pgAdmin draws its tree, over psycopg 3 as pgAdmin itself is: out of the SQL templates of the package
pgadmin4, rendered. The package, of 120 MB, is not installed."""

import psycopg

import tools
from checks import same
from settings import CA, HOST, PASSWORD, PORT, REAL_DATABASE

# The version that they are out of.
PGADMIN = "9.18"

SCHEMA = "drivers_pgadmin"

# utils/driver/psycopg3/connection.py: what it does on each connection, and the database that it then takes for its own.
START_SQL = (
    "SET DateStyle=ISO; SET client_min_messages=notice; "
    "SELECT set_config('bytea_output','hex',false) FROM pg_show_all_settings() WHERE name = 'bytea_output'; "
    "SET client_encoding='UTF8';"
)
OWN_DATABASE_SQL = """
SELECT db.oid as did, db.datname, db.datallowconn, pg_encoding_to_char(db.encoding) AS serverencoding,
    has_database_privilege(db.oid, 'CREATE') as cancreate, datistemplate
FROM pg_catalog.pg_database db WHERE db.datname = current_database()"""

# …/databases/templates/databases/sql/default/nodes.sql, with a DB restriction.
DATABASES_SQL = """
SELECT db.oid as did, db.datname as name, ta.spcname as spcname, db.datallowconn, db.datistemplate AS is_template,
    pg_catalog.has_database_privilege(db.oid, 'CREATE') as cancreate, datdba as owner, descr.description
FROM pg_catalog.pg_database db
    LEFT OUTER JOIN pg_catalog.pg_tablespace ta ON db.dattablespace = ta.oid
    LEFT OUTER JOIN pg_catalog.pg_shdescription descr ON (db.oid=descr.objoid AND descr.classoid='pg_database'::regclass)
WHERE db.datname in (%s) ORDER BY datname"""

# …/schemas/templates/schemas/pg/default/sql/nodes.sql
SCHEMAS_SQL = r"""
SELECT nsp.oid, nsp.nspname as name, pg_catalog.has_schema_privilege(nsp.oid, 'CREATE') as can_create,
    pg_catalog.has_schema_privilege(nsp.oid, 'USAGE') as has_usage, des.description
FROM pg_catalog.pg_namespace nsp
    LEFT OUTER JOIN pg_catalog.pg_description des ON (des.objoid=nsp.oid AND des.classoid='pg_namespace'::regclass)
WHERE nspname NOT LIKE E'pg\\_%%' AND NOT (
    (nsp.nspname = 'pg_catalog' AND EXISTS
        (SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'pg_class' AND relnamespace = nsp.oid LIMIT 1)) OR
    (nsp.nspname = 'information_schema' AND EXISTS
        (SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'tables' AND relnamespace = nsp.oid LIMIT 1)))
ORDER BY nspname"""

# …/schemas/tables/templates/tables/sql/default/nodes.sql
TABLES_SQL = """
SELECT rel.oid, rel.relname AS name,
    (SELECT count(*) FROM pg_catalog.pg_trigger WHERE tgrelid=rel.oid AND tgisinternal = FALSE) AS triggercount,
    (CASE WHEN rel.relkind = 'p' THEN true ELSE false END) AS is_partitioned,
    (SELECT count(1) FROM pg_catalog.pg_inherits WHERE inhrelid=rel.oid LIMIT 1) as is_inherits, des.description
FROM pg_catalog.pg_class rel
    LEFT OUTER JOIN pg_catalog.pg_description des
        ON (des.objoid=rel.oid AND des.objsubid=0 AND des.classoid='pg_class'::regclass)
WHERE rel.relkind IN ('r','s','t','p') AND rel.relnamespace = %s::oid AND NOT rel.relispartition ORDER BY rel.relname"""

# …/tables/templates/columns/sql/default/nodes.sql, abridged.
COLUMNS_SQL = """
SELECT DISTINCT att.attname as name, att.attnum as OID, pg_catalog.format_type(ty.oid,att.atttypmod) AS displaytypname,
    att.attnotnull as not_null, des.description
FROM pg_catalog.pg_attribute att
    JOIN pg_catalog.pg_type ty ON ty.oid=atttypid
    JOIN pg_catalog.pg_class cl ON cl.oid=att.attrelid
    LEFT OUTER JOIN pg_catalog.pg_attrdef def ON adrelid=att.attrelid AND adnum=att.attnum
    LEFT OUTER JOIN pg_catalog.pg_description des
        ON (des.objoid=att.attrelid AND des.objsubid=att.attnum AND des.classoid='pg_class'::regclass)
WHERE att.attrelid = %s::oid AND att.attnum > 0 AND att.attisdropped IS FALSE ORDER BY att.attnum"""


class PgAdmin:
    def connect(self, user):
        connection = psycopg.connect(host=HOST, port=PORT, user=user, password=PASSWORD, dbname=REAL_DATABASE, autocommit=True,
                                     sslmode="verify-full", sslrootcert=CA, connect_timeout=120)
        connection.execute(START_SQL)
        return connection

    def names(self):
        for conn_id, user in tools.users():
            with self.connect(user) as connection:
                own, shown = connection.execute(OWN_DATABASE_SQL).fetchall(), connection.execute(DATABASES_SQL, [REAL_DATABASE])
                # The tree is empty unless the database of the session is the one that it was told to open.
                same([row[1] for row in own], [REAL_DATABASE])
                same([row[:2] for row in shown], [row[:2] for row in own])
                tools.is_connection(conn_id, connection.execute(tools.WHERE_SQL).fetchone()[1])

    def metadata(self):
        with self.connect(tools.users()[0][1]) as connection:
            for statement in tools.objects(SCHEMA):
                connection.execute(statement)
            schemas = {row[1]: row[0] for row in connection.execute(SCHEMAS_SQL, [])}
            tables = {row[1]: row[0] for row in connection.execute(TABLES_SQL, [schemas[SCHEMA]])}
            same(list(tables), ["item", "line"])
            columns = [row[0] for row in connection.execute(COLUMNS_SQL, [tables["item"]])]
            same(columns, ["id", "name", "price", "tags"])


tools.run(PGADMIN, PgAdmin())
