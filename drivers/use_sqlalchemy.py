"""SQLAlchemy with the dialect of sqlalchemy-redshift, over the DBAPI that the argument names: psycopg2 or redshift_connector."""

import importlib.metadata
import io
import os
import sys
import threading
from contextlib import contextmanager

import sqlalchemy
from sqlalchemy import Column, Integer, MetaData, Table, func, select, text
from sqlalchemy.exc import DBAPIError

import checks
from checks import Skip, same, says
from settings import CA, DATABASE, HOST, PASSWORD, PLAIN_PORT, PORT, USER, WRONG_CA, url

DBAPI = sys.argv[1]


def one(connection, sql):
    return connection.execute(text(sql)).scalar_one()


class SqlAlchemy:
    """What both DBAPIs have in common. The first two are the DBAPI's."""

    def engine(self, *, ca=CA, port=PORT, password=PASSWORD, **more):
        """TLS, with chain and name verified against the file `ca`; without TLS if that is None."""
        url = sqlalchemy.URL.create(f"redshift+{DBAPI}", USER, password, HOST, port, DATABASE)
        return sqlalchemy.create_engine(url, connect_args=self.tls(ca) | more, poolclass=sqlalchemy.NullPool)

    def tls(self, ca):
        raise NotImplementedError

    def sqlstate(self, error):
        """The server's, of an error of SQLAlchemy's."""
        raise NotImplementedError

    @contextmanager
    def two(self):
        """A connection, and another that sees what is committed."""
        watching = self.engine().execution_options(isolation_level="AUTOCOMMIT")
        with self.engine().connect() as connection, watching.connect() as other:
            yield connection, other

    def fails(self, connection, sql, sqlstate):
        """Whether it fails so, and the session goes on."""
        try:
            one(connection, sql)
        except DBAPIError as error:
            same(self.sqlstate(error), sqlstate)
        else:
            raise AssertionError(f"{sql} did not fail")
        connection.rollback()
        same(one(connection, "select 1"), 1)

    def refused(self, *texts, **how):
        """Whether connecting fails, and these texts are shown."""
        try:
            self.engine(**how).connect().close()
        except Exception as error:  # pylint: disable=broad-except
            says(error, *texts)
        else:
            raise AssertionError(f"was not refused with {texts}")

    # ---- The checks ----

    def login(self):
        with self.engine().connect() as connection:
            same(one(connection, "select current_user"), checks.DB_USER)

    def typed_parameters(self, typed=checks.TYPED, **how):
        # In parentheses: a name right before `::` would not be one.
        sql = checks.typed_sql(lambda n: f"(:p{n})", typed)
        values = {f"p{n}": value for n, (_, value, _) in enumerate(typed, 1)}
        with self.engine(**how).connect() as connection:
            checks.check_typed(connection.execute(text(sql), values).one(), typed)

    def rows(self):
        with self.engine().connect() as connection:
            checks.check_rows(connection.execute(text(checks.ROWS_SQL)))

    def error(self):
        with self.engine().connect() as connection:
            self.fails(connection, "selec 1", "42601")
            self.fails(connection, "select 1 / 0", "22012")
            self.fails(connection, "select * from no_such_table", "42P01")

    def transaction(self):
        table = Table(f"drivers_sqlalchemy_{DBAPI}", MetaData(), Column("n", Integer, autoincrement=False))
        count, counts = select(func.count()).select_from(table), []
        with self.two() as (connection, other):
            table.create(connection, checkfirst=False)
            connection.commit()
            for end in (connection.rollback, connection.commit):
                connection.execute(table.insert(), [{"n": 1}, {"n": 2}])
                counts.append(other.execute(count).scalar_one())
                end()
                counts.append(other.execute(count).scalar_one())
            table.drop(connection, checkfirst=False)
            connection.commit()
        same(counts, [0, 0, 0, 2])

    def tls_modes(self):
        self.refused("certificate verify failed", ca=WRONG_CA)
        self.refused("TLS is required (session ", ca=None)

    def wrong_password(self):
        self.refused(f"password authentication failed for user \"{USER}\" (session ", password="wrong")


class OverPsycopg2(SqlAlchemy):
    def tls(self, ca):
        return {"sslmode": "verify-full", "sslrootcert": ca} if ca else {"sslmode": "disable"}

    def sqlstate(self, error):
        return error.orig.pgcode

    def rows(self):
        super().rows()
        # By a cursor of the server's.
        with self.engine().connect().execution_options(stream_results=True) as connection:
            checks.check_rows(connection.execute(text(checks.ROWS_SQL)))

    def cancel(self):
        with self.two() as (connection, other):
            pid = one(connection, checks.PID_SQL)
            thread = threading.Thread(target=self.cancel_once_asleep, args=(connection, other, pid))
            thread.start()
            try:
                self.fails(connection, checks.SLEEP_SQL, "57014")
            finally:
                thread.join()

    def cancel_once_asleep(self, connection, other, pid):
        while not one(other, f"{checks.SLEEPING_SQL}{pid}"):
            pass
        connection.connection.driver_connection.cancel()

    def copy(self):
        create, copy_in, copy_out = checks.copy_sql("copied")
        with self.engine().connect() as connection:
            lines, back = checks.copy_text(), io.StringIO()
            with connection.connection.driver_connection.cursor() as cursor:
                cursor.execute(create)
                cursor.copy_expert(copy_in, io.StringIO(lines))
                cursor.copy_expert(copy_out, back)
            same(back.getvalue(), lines)
            sums = connection.execute(text("select count(*), sum(n), sum(twice) from copied")).one()
            same(tuple(sums), checks.COPY_SUMS)

    def tls_modes(self):
        super().tls_modes()
        with self.engine(ca=None, port=PLAIN_PORT).connect() as connection:
            same(one(connection, "select current_user"), checks.DB_USER)

    def url(self):
        with_password = sqlalchemy.make_url(url("sqlalchemy")).set(password=PASSWORD)
        with sqlalchemy.create_engine(with_password, connect_args={"sslrootcert": CA}).connect() as connection:
            same(one(connection, "select current_user"), checks.DB_USER)


class OverRedshiftConnector(SqlAlchemy):
    def tls(self, ca):
        # It trusts what its own bundle holds, and OpenSSL's defaults: these.
        os.environ["SSL_CERT_FILE"] = ca or CA
        return {"iam": False} | ({"ssl": True, "sslmode": "verify-full"} if ca else {"ssl": False})

    def sqlstate(self, error):
        return error.orig.args[0]["C"]

    def typed_parameters(self):
        # As with redshift_connector alone: no VARBYTE in PostgreSQL, and another binary format of numbers.
        super().typed_parameters([column for column in checks.TYPED if column[0] != "bytea"], client_protocol_version=1)

    def cancel(self):
        raise Skip("redshift_connector has no call that cancels")

    def copy(self):
        raise Skip("redshift_connector has no COPY")

    def tls_modes(self):
        super().tls_modes()
        self.refused("28000", ca=None)
        self.refused("TLS is required", ca=None, port=PLAIN_PORT)

    def wrong_password(self):
        super().wrong_password()
        self.refused("28P01", password="wrong")


suite = {"psycopg2": OverPsycopg2, "redshift_connector": OverRedshiftConnector}[DBAPI]()
version = f"{sqlalchemy.__version__}, {importlib.metadata.version('sqlalchemy-redshift')}"
checks.run(version, suite, {"url": "url"} if DBAPI == "psycopg2" else None)
