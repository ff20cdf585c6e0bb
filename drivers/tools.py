"""What the programs of the tools share: two connections to one database, and objects for the tools to find there.

A tool is given the real name of the database, which it may compare with current_database(), and USER~CONN_ID as its user."""

import checks
from settings import CONN_IDS, USER

CHECKS = {"names": "names", "metadata": "metadata"}

# Of the session: the database, and which of the two connections it is.
WHERE_SQL = "select current_database(), current_setting('application_name')"


def users():
    """Each connection with the user that leads to it."""
    return [(conn_id, f"{USER}~{conn_id}") for conn_id in CONN_IDS]


def is_connection(conn_id, application_name):
    """Ends the check unless the session is of that connection: the second one is told by its application name."""
    checks.same(application_name == CONN_IDS[1], conn_id == CONN_IDS[1])


def objects(schema):
    """Statements that make a schema with two tables, one of which refers to the other, and a view."""
    return [
        f"create schema {schema}",
        f"create table {schema}.item (id integer not null primary key, name varchar(max), price numeric(10, 2), tags super)",
        f"create table {schema}.line (n bigint, item integer references {schema}.item (id))",
        f"create view {schema}.cheap as select id, name from {schema}.item where price < 5",
    ]


def run(version, suite):
    """As checks.run, of the tools' checks."""
    checks.run(version, suite, usual=CHECKS)
