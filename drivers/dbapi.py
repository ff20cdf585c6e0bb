"""The checks for drivers with the interface of PEP 249. Each adds how it connects, cancels and copies."""

import threading
import time
from contextlib import closing

import checks
from checks import same, says
from settings import CA, DATABASE, PASSWORD, PLAIN_PORT, PORT, WRONG_CA


class DbApi:
    """The first five are the driver's own; one without cancel or COPY overrides the check instead. Tables are named
    after `name`."""

    name = ""

    def connect(self, *, ca=CA, port=PORT, password=PASSWORD, database=DATABASE):
        """A connection: TLS, with chain and name verified against the file `ca`; without TLS if that is None."""
        raise NotImplementedError

    def console(self):
        """As a person and as a program: rows by name, with their types; an error is no end."""
        with closing(self.connect(database=checks.CONSOLE)) as connection:
            checks.check_console(self.by_name(connection, "SHOW VERSION"), self.by_name(connection, "SHOW SESSIONS"))
            connection.commit()
            self.fails(connection, "SHOW POOLS", "42601")

    def by_name(self, connection, sql):
        """The last row, by the names of the columns."""
        with closing(connection.cursor()) as cursor:
            cursor.execute(sql)
            names = [column[0] for column in cursor.description]
            return dict(zip(names, cursor.fetchall()[-1]))

    def sqlstate(self, error):
        """The server's, of an error."""
        raise NotImplementedError

    def in_tls(self, connection):
        """Whether the connection is."""
        raise NotImplementedError

    def cancel_statement(self, connection):
        """Called while a statement runs in another thread."""
        raise NotImplementedError

    def copy_both(self, connection, text, copy_in, copy_out):
        """Copies `text` in, and gives what is copied out."""
        raise NotImplementedError

    def ask(self, connection, sql, parameters=()):
        """All rows."""
        with closing(connection.cursor()) as cursor:
            cursor.execute(sql, parameters) if parameters else cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]

    def tell(self, connection, sql, parameters=()):
        """Runs what has no rows."""
        with closing(connection.cursor()) as cursor:
            cursor.execute(sql, parameters) if parameters else cursor.execute(sql)

    def fails(self, connection, sql, sqlstate):
        """Whether it fails so, and the session goes on."""
        try:
            self.ask(connection, sql)
        except Exception as error:  # pylint: disable=broad-except
            same(self.sqlstate(error), sqlstate)
        else:
            raise AssertionError(f"{sql} did not fail")
        connection.rollback()
        same(self.ask(connection, "select 1"), [(1,)])

    def refused(self, *texts, **how):
        """Whether connecting fails, and the driver shows these texts."""
        try:
            self.connect(**how).close()
        except Exception as error:  # pylint: disable=broad-except
            says(error, *texts)
        else:
            raise AssertionError(f"was not refused with {texts}")

    # ---- The checks ----

    def login(self):
        with closing(self.connect()) as connection:
            same(self.ask(connection, "select current_user"), [(checks.DB_USER,)])

    def typed_parameters(self):
        with closing(self.connect()) as connection:
            self.check_typed(connection)

    def check_typed(self, connection, typed=checks.TYPED):
        [row] = self.ask(connection, checks.typed_sql(lambda _: "%s", typed), [value for _, value, _ in typed])
        checks.check_typed(row, typed)

    def rows(self):
        with closing(self.connect()) as connection:
            checks.check_rows(self.ask(connection, checks.ROWS_SQL))

    def error(self):
        with closing(self.connect()) as connection:
            self.fails(connection, "selec 1", "42601")
            self.fails(connection, "select 1 / 0", "22012")
            self.fails(connection, "select * from no_such_table", "42P01")

    def cancel(self):
        with closing(self.connect()) as connection, closing(self.connect()) as other:
            [(pid,)] = self.ask(connection, checks.PID_SQL)
            connection.rollback()
            thread = threading.Thread(target=self._cancel_once_asleep, args=(connection, other, pid))
            thread.start()
            try:
                self.fails(connection, checks.SLEEP_SQL, "57014")
            finally:
                thread.join()

    def _cancel_once_asleep(self, connection, other, pid):
        deadline = time.monotonic() + 30
        while self.ask(other, f"{checks.SLEEPING_SQL}{pid}") == [(0,)]:
            # Each look is a transaction of its own: within one, pg_stat_activity stands still.
            other.rollback()
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)
        self.cancel_statement(connection)

    def transaction(self):
        table = f"drivers_{self.name}"
        with closing(self.connect()) as connection, closing(self.connect()) as other:

            def seen():
                rows = self.ask(other, f"select n from {table} order by n")
                other.rollback()
                return rows

            self.tell(connection, f"create table {table} (n int)")
            connection.commit()
            self.tell(connection, f"insert into {table} values (1)")
            same(self.ask(connection, f"select n from {table}"), [(1,)])
            connection.rollback()
            same(seen(), [])
            self.tell(connection, f"insert into {table} values (2)")
            same(seen(), [])
            connection.commit()
            same(seen(), [(2,)])
            self.tell(connection, f"drop table {table}")
            connection.commit()

    def copy(self):
        table = "copied"
        create, copy_in, copy_out = checks.copy_sql(table)
        with closing(self.connect()) as connection:
            self.tell(connection, create)
            text = checks.copy_text()
            same(self.copy_both(connection, text, copy_in, copy_out), text)
            same(self.ask(connection, f"select count(*), sum(n), sum(twice) from {table}"), [checks.COPY_SUMS])

    def tls_modes(self):
        with closing(self.connect()) as connection:
            same(self.in_tls(connection), True)
        self.refused("certificate verify failed", ca=WRONG_CA)
        self.refused(*self.shown("28000", "TLS is required"), ca=None)
        self.plaintext()

    def plaintext(self):
        """A session without TLS, where the proxy allows it."""
        with closing(self.connect(ca=None, port=PLAIN_PORT)) as connection:
            same(self.in_tls(connection), False)
            same(self.ask(connection, "select current_user"), [(checks.DB_USER,)])

    def wrong_password(self):
        self.refused(*self.shown("28P01", "password authentication failed for user"), password="wrong")

    # Whether a refused login shows its SQLSTATE; libpq shows the text alone.
    shows_sqlstate = True

    def shown(self, sqlstate, text):
        """What a driver shows of a refusal."""
        return (sqlstate, text) if self.shows_sqlstate else (text,)
